-- Points of the member in lots that have expired by `on_date` but that the expiry job has not come to yet.
CREATE OR REPLACE FUNCTION ledger.expired_but_open(tenant uuid, member uuid, on_date date) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT sum(remaining) FROM ledger.lots
        WHERE tenant_id = tenant AND member_id = member AND is_open AND expires_on < on_date), 0);
END $$;

-- Consume up to `wanted` points of the member's live lots, soonest expiry first, then oldest: one line a lot.
CREATE OR REPLACE FUNCTION ledger.consume_lots(
    tenant uuid, member uuid, on_date date, wanted bigint, target ledger.account_kind, target_id uuid
) RETURNS ledger.posting_line[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lines ledger.posting_line[] := '{}';
    lot record;
    taken bigint;
BEGIN
    FOR lot IN
        SELECT lot_id, funder_id, remaining FROM ledger.lots
        WHERE tenant_id = tenant AND member_id = member AND is_open AND expires_on >= on_date
        ORDER BY expires_on, issued_on, lot_id
    LOOP
        EXIT WHEN wanted = 0;
        taken := least(lot.remaining, wanted);
        UPDATE ledger.lots SET remaining = remaining - taken WHERE tenant_id = tenant AND lot_id = lot.lot_id;
        lines := lines || ROW('lot', lot.lot_id, target, target_id, lot.funder_id, taken, NULL)::ledger.posting_line;
        wanted := wanted - taken;
    END LOOP;
    RETURN lines;
END $$;
