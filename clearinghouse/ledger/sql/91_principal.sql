-- Who holds the key with this hash: a terminal of an active store, head office, or one of the people who settle; no row
-- when it is nobody any more. `roles` are a person's, of now: they say what the key may do, in place of `scopes`.
-- `issuing` is the store's: whether it may issue points, and who funds them.
-- One statement, asked by every worker about every key every few seconds.
CREATE OR REPLACE FUNCTION tenants.find_principal(tenant uuid, hash bytea)
RETURNS TABLE (tenant_id uuid, credential_id uuid, role text, currency text, time_zone text,
               days_accepted_late integer, terminal_id uuid, store_id uuid, store_code text,
               scopes text[], rate_limit integer, expires_at timestamptz,
               staff_id uuid, staff_code text, participant_id uuid, roles text[], issuing text)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    RETURN QUERY
        SELECT c.tenant_id, c.credential_id, c.role, n.currency, n.time_zone, n.days_accepted_late,
               t.terminal_id, s.store_id, s.code, c.scopes, c.rate_limit, c.expires_at,
               p.staff_id, p.code, p.participant_id, p.roles, s.issuing
        FROM tenants.credentials c
        JOIN tenants.networks n ON n.tenant_id = c.tenant_id
        LEFT JOIN tenants.terminals t ON t.tenant_id = c.tenant_id AND t.terminal_id = c.terminal_id
        LEFT JOIN tenants.stores s ON s.tenant_id = t.tenant_id AND s.store_id = t.store_id
        LEFT JOIN tenants.staff p ON p.tenant_id = c.tenant_id AND p.staff_id = c.staff_id
        WHERE c.tenant_id = tenant AND c.key_hash = hash AND c.revoked_at IS NULL
          AND (c.expires_at IS NULL OR c.expires_at > now())
          AND (s.store_id IS NULL OR s.status = 'active')
          AND p.left_at IS NULL;
    IF FOUND THEN
        PERFORM tenants.note_use(tenant, hash);
    END IF;
END $$;

-- Once a minute. Whoever holds the row at the moment, another worker or somebody who is changing the key, is not
-- waited for, nor is the disk: the next look-up notes it as well.
CREATE OR REPLACE FUNCTION tenants.note_use(tenant uuid, hash bytea) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM FROM tenants.credentials c
    WHERE c.tenant_id = tenant AND c.key_hash = hash
      AND (c.last_used_at IS NULL OR c.last_used_at < now() - interval '1 minute')
    FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND THEN
        PERFORM set_config('synchronous_commit', 'off', true);
        UPDATE tenants.credentials c SET last_used_at = now() WHERE c.tenant_id = tenant AND c.key_hash = hash;
    END IF;
END $$;
