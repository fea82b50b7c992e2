-- Post a run: events of different members, keys and orders, whose wallets are locked. One result each, in order.
CREATE OR REPLACE FUNCTION ledger.post_run(
    books ledger.books, events ledger.posting_event[], subjects ledger.posting_subject[]
) RETURNS ledger.posting_result[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found record;
    drafts ledger.transfer_draft[];
    draft ledger.transfer_draft;
    results ledger.posting_result[];
BEGIN
    FOR found IN
        SELECT ordinality, wallet, expired.points AS expired, earlier.transfer AS earlier
        FROM unnest(events, subjects) WITH ORDINALITY AS event
        LEFT JOIN ledger.wallets AS wallet
            ON wallet.tenant_id = books.tenant_id AND wallet.member_id = event.wallet_of
        CROSS JOIN LATERAL ledger.expired_points(
            books.tenant_id, event.wallet_of, event.business_date) AS expired
        -- What has been posted already under this key, or else for this order.
        LEFT JOIN LATERAL (
            SELECT t AS transfer FROM ledger.transfers AS t
            WHERE tenant_id = books.tenant_id AND terminal_id = event.terminal_id
              AND idempotency_key = event.idempotency_key
            UNION ALL
            SELECT t FROM ledger.transfers AS t
            WHERE tenant_id = books.tenant_id AND store_id = event.store_id
              AND order_ref = event.order_of AND kind = event.transfer_kind
            LIMIT 1
        ) AS earlier ON true
    LOOP
        IF (found.wallet).merged_into_member_id IS NOT NULL THEN
            RAISE serialization_failure USING MESSAGE = 'the member has just been merged into another';
        END IF;
        drafts[found.ordinality] := ledger.draft_transfer(
            books, events[found.ordinality], subjects[found.ordinality], found.wallet, found.expired, found.earlier);
    END LOOP;
    drafts := ledger.write_transfers(books, drafts);
    FOR number IN 1 .. cardinality(events) LOOP
        draft := drafts[number];
        IF draft.outcome = 'posted' AND (
            events[number].kind NOT IN ('accrual', 'redemption') OR events[number].purchase_lines IS NOT NULL
        ) THEN
            PERFORM ledger.write_details(events[number], draft.transfer);
        END IF;
        results[number] := ROW(
            draft.outcome, draft.code, draft.detail, draft.transfer, events[number].card)::ledger.posting_result;
    END LOOP;
    RETURN results;
END $$;
