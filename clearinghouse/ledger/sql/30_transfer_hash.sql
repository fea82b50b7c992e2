-- Tamper evidence: SHA-256 over the member's previous hash and everything that this transfer says.
-- The text is that of a ROW, whose quoting makes it unambiguous; times and dates go in as numbers, so that
-- it does not depend on a session's TimeZone or DateStyle. In SQL, so that whoever calls it takes it in.
CREATE OR REPLACE FUNCTION ledger.transfer_hash(
    previous_hash bytea, transfer ledger.transfers, lines ledger.posting_line[]
) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(previous_hash || convert_to(ROW(
        transfer.tenant_id, transfer.transfer_id, transfer.kind, transfer.member_id, transfer.sequence,
        transfer.card_id, transfer.store_id, transfer.terminal_id, transfer.order_ref, transfer.reverses_transfer_id,
        transfer.amount, transfer.points, transfer.deficit_change, transfer.programme_version,
        extract(epoch FROM transfer.occurred_at), extract(epoch FROM transfer.posted_at),
        transfer.business_date - DATE '2000-01-01', transfer.settlement_month - DATE '2000-01-01',
        transfer.idempotency_key, transfer.request_hash, transfer.available_after, transfer.deficit_after,
        lines)::text
        -- Outside the ROW, and nothing when there is none: transfers from before this column keep their hash.
        || coalesce(transfer.refers_to_transfer_id::text, ''), 'UTF8'))
$$;
