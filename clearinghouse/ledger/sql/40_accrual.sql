-- Each grant opens a lot; a deficit of the member is repaid from the new lots at once.
CREATE OR REPLACE FUNCTION ledger.accrue(
    event ledger.posting_event, wallet ledger.wallets, transfer ledger.transfers
) RETURNS ledger.transfer_draft
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    lines ledger.posting_line[] := '{}';
    lot ledger.posting_grant;
    owed bigint := wallet.deficit;
    repaid bigint;
BEGIN
    FOR number IN 0 .. jsonb_array_length(event.grants) - 1 LOOP
        lot := jsonb_populate_record(NULL::ledger.posting_grant, event.grants -> number);
        lines := lines || ROW('issued', lot.funder_id, 'lot', lot.lot_id, lot.funder_id, lot.points,
                              lot.expires_on)::ledger.posting_line;
        repaid := least(owed, lot.points);
        IF repaid > 0 THEN
            owed := owed - repaid;
            lines := lines || ROW('lot', lot.lot_id, 'deficit', wallet.member_id, lot.funder_id, repaid,
                                  NULL)::ledger.posting_line;
        END IF;
    END LOOP;
    RETURN ROW('posted', NULL, NULL, transfer, lines, wallet, NULL)::ledger.transfer_draft;
END $$;

-- The lots that the lines of accruals open, with what is left of each after a deficit was repaid.
CREATE OR REPLACE FUNCTION ledger.open_lots(drafts ledger.transfer_draft[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO ledger.lots
        (tenant_id, lot_id, member_id, funder_id, transfer_id, issued_on, expires_on, points, remaining)
    SELECT (transfer).tenant_id, opening.target_id, (wallet).member_id, opening.funder_id, (transfer).transfer_id,
           (transfer).business_date, opening.expires_on, opening.points,
           opening.points - coalesce(repaying.points, 0)
    FROM unnest(drafts)
    CROSS JOIN LATERAL unnest(lines) AS opening
    LEFT JOIN LATERAL unnest(lines) AS repaying
        ON repaying.source = 'lot' AND repaying.source_id = opening.target_id
    WHERE opening.source = 'issued' AND opening.target = 'lot';
END $$;
