-- Which networks there are: the one question that is asked before a network has been named, by jobs and by the
-- command line. Ids and codes only; everything else of a network is behind its row-level security.
CREATE OR REPLACE FUNCTION tenants.list_networks() RETURNS TABLE (tenant_id uuid, code text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT networks.tenant_id, networks.code FROM tenants.networks ORDER BY networks.code;
END;
REVOKE ALL ON FUNCTION tenants.list_networks FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants.list_networks TO clearinghouse_app;
