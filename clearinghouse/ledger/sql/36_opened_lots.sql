-- The lots that an accrual opened, found through its own postings: the first of each lot's life.
CREATE OR REPLACE FUNCTION ledger.opened_lots(tenant uuid, accrual ledger.transfers) RETURNS SETOF ledger.lots
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
        SELECT lots.* FROM ledger.postings
        JOIN ledger.lots ON lots.tenant_id = postings.tenant_id AND lots.lot_id = postings.target_id
        WHERE postings.tenant_id = tenant AND postings.settlement_month = accrual.settlement_month
          AND postings.transfer_id = accrual.transfer_id AND postings.target = 'lot'
        ORDER BY postings.line;
END $$;
