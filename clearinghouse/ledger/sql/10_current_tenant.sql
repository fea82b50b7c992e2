-- The network that this transaction has named, or NULL: what every row-level security policy compares with.
-- (A setting made with SET LOCAL leaves an empty string behind in its session, hence the NULLIF.)
CREATE OR REPLACE FUNCTION tenants.current_tenant() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN NULLIF(current_setting('app.tenant_id', true), '')::uuid;
