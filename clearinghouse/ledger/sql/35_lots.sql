-- Points of the member in lots that have expired by `on_date` but that the expiry job has not come to yet.
-- In SQL, and a table, so that a query of many members takes it in.
CREATE OR REPLACE FUNCTION ledger.expired_points(tenant uuid, member uuid, on_date date) RETURNS TABLE (points bigint)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(remaining), 0)::bigint FROM ledger.lots
    WHERE tenant_id = tenant AND member_id = member AND is_open AND expires_on < on_date
$$;

-- Consume up to `wanted` points of the member's live lots, soonest expiry first, then oldest: one line a lot, into
-- the account `target_id`, or into that of the lot itself when it is NULL.
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
        lines := lines || ROW('lot', lot.lot_id, target, coalesce(target_id, lot.lot_id), lot.funder_id, taken,
                              NULL)::ledger.posting_line;
        wanted := wanted - taken;
    END LOOP;
    RETURN lines;
END $$;

-- Put points back into the lot that they came from; of these up to `owed` repay the member's deficit at once. A lot
-- that has expired meanwhile is usable for `grace_days` more; what else was left in it expires first.
CREATE OR REPLACE FUNCTION ledger.give_back(
    tenant uuid, member uuid, on_date date, grace_days integer, owed bigint,
    source ledger.account_kind, source_id uuid, lot_id uuid, given bigint
) RETURNS ledger.posting_line[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lines ledger.posting_line[] := '{}';
    lot ledger.lots;
    usable_through date;
    repaid bigint := least(owed, given);
BEGIN
    SELECT * INTO STRICT lot FROM ledger.lots WHERE tenant_id = tenant AND lots.lot_id = give_back.lot_id;
    IF lot.expires_on < on_date AND grace_days > 0 THEN
        usable_through := on_date + grace_days;
        IF lot.remaining > 0 THEN
            lines := lines || ROW('lot', lot.lot_id, 'expired', lot.lot_id, lot.funder_id, lot.remaining,
                                  NULL)::ledger.posting_line;
            lot.expired := lot.expired + lot.remaining;
            lot.remaining := 0;
        END IF;
    END IF;
    UPDATE ledger.lots
    SET remaining = lot.remaining + given - repaid, expired = lot.expired,
        expires_on = coalesce(usable_through, lot.expires_on)
    WHERE tenant_id = tenant AND lots.lot_id = lot.lot_id;
    lines := lines || ROW(source, source_id, 'lot', lot.lot_id, lot.funder_id, given,
                          usable_through)::ledger.posting_line;
    IF repaid > 0 THEN
        lines := lines || ROW('lot', lot.lot_id, 'deficit', member, lot.funder_id, repaid, NULL)::ledger.posting_line;
    END IF;
    RETURN lines;
END $$;

-- Points that `lines` repay of a deficit.
CREATE OR REPLACE FUNCTION ledger.repaid_by(lines ledger.posting_line[]) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN coalesce((SELECT sum(points) FROM unnest(lines) WHERE source = 'lot' AND target = 'deficit'), 0);
END $$;
