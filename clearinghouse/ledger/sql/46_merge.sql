-- Merge one member into another, inside a transaction that has named the network: cards, payment tokens and every lot, closed ones too, become the
-- other's, with the expiry and the funder they have, and so does what is owed, which the lots then repay. Each of the two
-- chains gets a transfer that says so: the first gives, the second takes. From now on whoever means the first member's
-- wallet gets the other's. Merging the same two again replays. Refusals: member_unknown, same_member, member_merged,
-- member_has_holds.
CREATE OR REPLACE FUNCTION ledger.merge_members(
    tenant uuid, merged uuid, kept uuid, out_id uuid, in_id uuid, at timestamptz, on_date date
) RETURNS ledger.posting_result
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    books ledger.books;
    gives ledger.wallets;
    takes ledger.wallets;
    transfer ledger.transfers;
    transfer_in ledger.transfers;
    given ledger.posting_line[];
    taken ledger.posting_line[];
    drafts ledger.transfer_draft[];
    owed bigint;
    expired bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(ledger.cut_off_key(tenant));
    SELECT * INTO STRICT books FROM ledger.books WHERE tenant_id = tenant;
    IF merged = kept THEN
        RETURN ledger.refused('same_member');
    END IF;
    IF (SELECT count(*) FROM tenants.members WHERE tenant_id = tenant AND member_id IN (merged, kept)) < 2 THEN
        RETURN ledger.refused('member_unknown');
    END IF;
    PERFORM ledger.lock_wallets(tenant, ARRAY[merged, kept], ARRAY[merged, kept]);
    SELECT * INTO STRICT gives FROM ledger.wallets WHERE tenant_id = tenant AND member_id = merged;
    SELECT * INTO STRICT takes FROM ledger.wallets WHERE tenant_id = tenant AND member_id = kept;
    SELECT taking.* INTO transfer FROM ledger.transfers giving
    JOIN ledger.transfers taking ON taking.tenant_id = tenant AND taking.member_id = kept
        AND taking.kind = 'merge_in' AND taking.refers_to_transfer_id = giving.transfer_id
    WHERE giving.tenant_id = tenant AND giving.member_id = merged AND giving.kind = 'merge_out';
    IF FOUND THEN
        RETURN ROW('replayed', NULL, NULL, transfer, NULL)::ledger.posting_result;
    END IF;
    IF gives.merged_into_member_id IS NOT NULL OR takes.merged_into_member_id IS NOT NULL THEN
        RETURN ledger.refused('member_merged');
    END IF;
    IF gives.held > 0 THEN
        RETURN ledger.refused('member_has_holds', jsonb_build_object('held', gives.held));
    END IF;

    given := ARRAY(SELECT ROW('lot', lot_id, 'moved', lot_id, funder_id, remaining, NULL)::ledger.posting_line
        FROM ledger.lots WHERE tenant_id = tenant AND member_id = merged AND is_open
        ORDER BY expires_on, issued_on, lot_id);
    taken := ARRAY(SELECT ROW('moved', target_id, 'lot', target_id, funder_id, points, NULL)::ledger.posting_line
        FROM unnest(given));
    IF gives.deficit > 0 THEN
        given := given || ROW('moved', merged, 'deficit', merged, tenant, gives.deficit, NULL)::ledger.posting_line;
        taken := taken || ROW('deficit', kept, 'moved', merged, tenant, gives.deficit, NULL)::ledger.posting_line;
    END IF;
    UPDATE ledger.lots SET member_id = kept WHERE tenant_id = tenant AND member_id = merged;
    owed := gives.deficit + takes.deficit;
    IF owed > 0 THEN
        taken := taken || ledger.consume_lots(tenant, kept, on_date, owed, 'deficit', kept);
    END IF;

    transfer.tenant_id := tenant;
    transfer.transfer_id := out_id;
    transfer.kind := 'merge_out';
    transfer.terminal_id := '00000000-0000-0000-0000-000000000000';
    transfer.amount := 0;
    transfer.points := gives.balance;
    transfer.occurred_at := at;
    transfer.business_date := on_date;
    transfer.settlement_month := greatest(date_trunc('month', on_date)::date, books.first_open_month);
    transfer_in := transfer;
    transfer_in.transfer_id := in_id;
    transfer_in.kind := 'merge_in';
    transfer_in.refers_to_transfer_id := out_id;
    expired := (SELECT points FROM ledger.expired_points(tenant, kept, on_date));
    drafts := ledger.write_transfers(books, ARRAY[
        ROW('posted', NULL, NULL, transfer, given, gives, 0),
        ROW('posted', NULL, NULL, transfer_in, taken, takes, expired)]::ledger.transfer_draft[]);

    UPDATE ledger.wallets SET merged_into_member_id = kept
    WHERE tenant_id = tenant AND (member_id = merged OR merged_into_member_id = merged);
    UPDATE tenants.members SET merged_into_member_id = kept
    WHERE tenant_id = tenant AND (member_id = merged OR merged_into_member_id = merged);
    UPDATE tenants.cards SET member_id = kept WHERE tenant_id = tenant AND member_id = merged;
    UPDATE tenants.payment_tokens SET member_id = kept WHERE tenant_id = tenant AND member_id = merged;
    RETURN ROW('posted', NULL, NULL, drafts[2].transfer, NULL)::ledger.posting_result;
END $$;
