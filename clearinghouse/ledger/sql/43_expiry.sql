-- Expire all open lots of the member whose last usable day is `through` or earlier.
CREATE OR REPLACE FUNCTION ledger.expire_lots(through date, wallet ledger.wallets, transfer ledger.transfers)
RETURNS ledger.transfer_draft
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lines ledger.posting_line[] := '{}';
    lot record;
BEGIN
    FOR lot IN
        SELECT lot_id, funder_id, remaining FROM ledger.lots
        WHERE tenant_id = wallet.tenant_id AND member_id = wallet.member_id AND is_open AND expires_on <= through
        ORDER BY expires_on, issued_on, lot_id
    LOOP
        UPDATE ledger.lots SET remaining = 0, expired = expired + lot.remaining
        WHERE tenant_id = wallet.tenant_id AND lot_id = lot.lot_id;
        lines := lines || ROW('lot', lot.lot_id, 'expired', lot.lot_id, lot.funder_id, lot.remaining,
                              NULL)::ledger.posting_line;
    END LOOP;
    IF lines = '{}' THEN
        RETURN ledger.refusal('nothing_to_expire');
    END IF;
    transfer.points := (SELECT sum(points) FROM unnest(lines));
    RETURN ROW('posted', NULL, NULL, transfer, lines, wallet, NULL)::ledger.transfer_draft;
END $$;
