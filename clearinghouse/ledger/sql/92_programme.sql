-- The versions of a network's programme, from the first on, and the currency of their money. One statement, asked by
-- every worker about every network every few seconds.
CREATE OR REPLACE FUNCTION programme.find_versions(tenant uuid)
RETURNS TABLE (currency text, version programme.versions)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    RETURN QUERY
        SELECT n.currency, v FROM programme.versions v JOIN tenants.networks n ON n.tenant_id = v.tenant_id
        WHERE v.tenant_id = tenant ORDER BY v.version;
END $$;
