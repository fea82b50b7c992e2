-- Which networks have events to carry on or deliveries that are due: asked every few seconds, before any network has
-- been named. Ids only.
CREATE OR REPLACE FUNCTION webhooks.networks_with_work() RETURNS TABLE (tenant_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT b.tenant_id FROM ledger.books AS b
    WHERE b.events_wanted AND (
        EXISTS (SELECT FROM ledger.outbox AS o WHERE o.tenant_id = b.tenant_id)
        OR EXISTS (
            SELECT FROM webhooks.endpoints AS e
            WHERE e.tenant_id = b.tenant_id AND e.status = 'active'
              AND (e.paused_until IS NULL OR e.paused_until <= now())
              AND EXISTS (
                SELECT FROM webhooks.deliveries AS d
                WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id AND d.due_at <= now())));
$$;
REVOKE ALL ON FUNCTION webhooks.networks_with_work FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhooks.networks_with_work TO clearinghouse_app;

-- Forget some of a network's deliveries that were made more than 30 days ago or given up more than 90 days ago; their
-- number, 0 when none is left. The application may delete neither them nor their attempts, so this runs with its owner's rights.
CREATE OR REPLACE FUNCTION webhooks.purge_deliveries(tenant uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old uuid[] := ARRAY(
        SELECT delivery_id FROM webhooks.deliveries
        WHERE tenant_id = tenant AND finished_at < now() - interval '30 days'
          AND (state = 'delivered' OR finished_at < now() - interval '90 days')
        LIMIT 10000 FOR UPDATE SKIP LOCKED);
BEGIN
    DELETE FROM webhooks.attempts WHERE tenant_id = tenant AND delivery_id = ANY (old);
    DELETE FROM webhooks.deliveries WHERE tenant_id = tenant AND delivery_id = ANY (old);
    RETURN cardinality(old);
END $$;
REVOKE ALL ON FUNCTION webhooks.purge_deliveries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhooks.purge_deliveries TO clearinghouse_app;
