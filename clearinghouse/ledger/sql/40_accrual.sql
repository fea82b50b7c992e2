-- Each grant opens a lot; a deficit of the member is repaid from the new lots at once.
CREATE OR REPLACE FUNCTION ledger.post_accrual(tenant uuid, event ledger.posting_event, wallet ledger.wallets)
RETURNS ledger.posting_line[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lines ledger.posting_line[] := '{}';
    lot record;
    owed bigint := wallet.deficit;
    repaid bigint;
BEGIN
    FOR lot IN SELECT * FROM jsonb_to_recordset(event.grants)
        AS (lot_id uuid, funder_id uuid, points bigint, expires_on date)
    LOOP
        repaid := least(owed, lot.points);
        owed := owed - repaid;
        INSERT INTO ledger.lots
            (tenant_id, lot_id, member_id, funder_id, transfer_id, issued_on, expires_on, points, remaining)
        VALUES (tenant, lot.lot_id, wallet.member_id, lot.funder_id, event.transfer_id, event.business_date,
                lot.expires_on, lot.points, lot.points - repaid);
        lines := lines
            || ROW('issued', lot.funder_id, 'lot', lot.lot_id, lot.funder_id, lot.points, lot.expires_on)::ledger.posting_line;
        IF repaid > 0 THEN
            lines := lines
                || ROW('lot', lot.lot_id, 'deficit', wallet.member_id, lot.funder_id, repaid, NULL)::ledger.posting_line;
        END IF;
    END LOOP;
    RETURN lines;
END $$;
