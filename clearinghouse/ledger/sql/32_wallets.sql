-- Lock the wallets of `members` in the order of their ids, so that two calls never wait for each other in a circle. Those
-- that members are still `without` are made first.
CREATE OR REPLACE FUNCTION ledger.lock_wallets(tenant uuid, members uuid[], without uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF without IS NOT NULL THEN
        INSERT INTO ledger.wallets (tenant_id, member_id)
        SELECT tenant, member FROM unnest(without) AS member ORDER BY member
        ON CONFLICT DO NOTHING;
    END IF;
    PERFORM FROM ledger.wallets
    WHERE tenant_id = tenant AND member_id = ANY (members)
    ORDER BY member_id FOR NO KEY UPDATE;
END $$;
