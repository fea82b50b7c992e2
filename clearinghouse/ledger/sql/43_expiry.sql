-- Expire all open lots of the member whose last usable day is `through` or earlier.
CREATE OR REPLACE FUNCTION ledger.expire_lots(tenant uuid, member uuid, through date, transfer ledger.transfers)
RETURNS ledger.posting_draft
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lines ledger.posting_line[] := '{}';
    lot record;
BEGIN
    FOR lot IN
        SELECT lot_id, funder_id, remaining FROM ledger.lots
        WHERE tenant_id = tenant AND member_id = member AND is_open AND expires_on <= through
        ORDER BY expires_on, issued_on, lot_id
    LOOP
        UPDATE ledger.lots SET remaining = 0, expired = expired + lot.remaining
        WHERE tenant_id = tenant AND lot_id = lot.lot_id;
        lines := lines || ROW('lot', lot.lot_id, 'expired', lot.lot_id, lot.funder_id, lot.remaining,
                              NULL)::ledger.posting_line;
    END LOOP;
    IF lines = '{}' THEN
        RETURN ledger.refused_draft('nothing_to_expire');
    END IF;
    transfer.points := (SELECT sum(points) FROM unnest(lines));
    RETURN ROW(transfer, lines, NULL, NULL)::ledger.posting_draft;
END $$;
