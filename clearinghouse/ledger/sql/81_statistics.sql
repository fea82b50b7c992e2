-- Give a young database, one that was last seen with fewer transfers than `enough`, its first statistics. Only the
-- owner of a table may, so this runs with its rights.
CREATE OR REPLACE FUNCTION ledger.refresh_statistics(enough integer) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT reltuples FROM pg_class WHERE oid = 'ledger.transfers'::regclass) < enough THEN
        ANALYZE tenants.cards, ledger.transfers, ledger.lots, ledger.wallets;
    END IF;
END $$;
REVOKE ALL ON FUNCTION ledger.refresh_statistics FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.refresh_statistics TO clearinghouse_app;
