-- Give redeemed points back to the lots that they came from, with the expiry those have. A deficit of the
-- member is repaid from them at once.
CREATE OR REPLACE FUNCTION ledger.reverse_redemption(
    tenant uuid, event ledger.posting_event, wallet ledger.wallets, original ledger.transfers
) RETURNS ledger.posting_line[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lines ledger.posting_line[] := '{}';
    posting ledger.postings;
    owed bigint := wallet.deficit;
    repaid bigint;
BEGIN
    FOR posting IN
        SELECT * FROM ledger.postings
        WHERE tenant_id = tenant AND settlement_month = original.settlement_month
          AND transfer_id = original.transfer_id AND target = 'recovered'
        ORDER BY line
    LOOP
        repaid := least(owed, posting.points);
        owed := owed - repaid;
        UPDATE ledger.lots SET remaining = remaining + posting.points - repaid
        WHERE tenant_id = tenant AND lot_id = posting.source_id;
        lines := lines || ROW('recovered', posting.target_id, 'lot', posting.source_id,
                              posting.funder_id, posting.points, NULL)::ledger.posting_line;
        IF repaid > 0 THEN
            lines := lines || ROW('lot', posting.source_id, 'deficit', wallet.member_id,
                                  posting.funder_id, repaid, NULL)::ledger.posting_line;
        END IF;
    END LOOP;
    RETURN lines;
END $$;
