-- Who holds the key with this hash: a terminal of an active store, or head office; no row when it is nobody any more.
-- One statement, asked by every worker about every key every few seconds.
CREATE OR REPLACE FUNCTION tenants.find_principal(tenant uuid, hash bytea)
RETURNS TABLE (tenant_id uuid, credential_id uuid, role text, currency text, time_zone text,
               days_accepted_late integer, terminal_id uuid, store_id uuid, store_code text)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    RETURN QUERY
        SELECT c.tenant_id, c.credential_id, c.role, n.currency, n.time_zone, n.days_accepted_late,
               t.terminal_id, s.store_id, s.code
        FROM tenants.credentials c
        JOIN tenants.networks n ON n.tenant_id = c.tenant_id
        LEFT JOIN tenants.terminals t ON t.tenant_id = c.tenant_id AND t.terminal_id = c.terminal_id
        LEFT JOIN tenants.stores s ON s.tenant_id = t.tenant_id AND s.store_id = t.store_id
        WHERE c.tenant_id = tenant AND c.key_hash = hash AND c.revoked_at IS NULL
          AND (s.store_id IS NULL OR s.status = 'active');
END $$;
