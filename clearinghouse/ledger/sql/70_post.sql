-- Lock the wallets of a batch in the order of their ids, so that two batches never wait for each other in a circle.
CREATE OR REPLACE FUNCTION ledger.lock_wallets(tenant uuid, events ledger.posting_event[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    members uuid[];
BEGIN
    SELECT array_agg(DISTINCT member ORDER BY member) INTO members
    FROM unnest(events) AS event
    CROSS JOIN LATERAL (
        SELECT event.member_id AS member WHERE event.kind = 'expiry'
        UNION ALL
        SELECT member_id FROM unnest(ledger.originals_of(tenant, event))
        UNION ALL
        SELECT member_id FROM tenants.cards WHERE tenant_id = tenant AND number = event.card
        UNION ALL
        SELECT member_id FROM tenants.payment_tokens
        WHERE tenant_id = tenant AND token_hash = event.payment_token_hash
    ) AS subject
    WHERE member IS NOT NULL;
    INSERT INTO ledger.wallets (tenant_id, member_id) SELECT tenant, unnest(members) ON CONFLICT DO NOTHING;
    PERFORM FROM ledger.wallets
    WHERE tenant_id = tenant AND member_id = ANY (members)
    ORDER BY member_id FOR NO KEY UPDATE;
END $$;

-- Post events in order; one result an event, in the same order. The whole call is one transaction, but a
-- refused event wrote nothing and stops nothing. Call it as a single autocommitted statement.
CREATE OR REPLACE FUNCTION ledger.post(tenant uuid, events jsonb) RETURNS SETOF ledger.posting_result
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    parsed ledger.posting_event[] := ARRAY(
        SELECT one FROM jsonb_populate_recordset(NULL::ledger.posting_event, events) AS one);
    event ledger.posting_event;
    books ledger.books;
    result ledger.posting_result;
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    PERFORM pg_advisory_xact_lock_shared(ledger.cut_off_key(tenant));
    SELECT * INTO STRICT books FROM ledger.books WHERE tenant_id = tenant;
    IF cardinality(parsed) > 1 THEN
        PERFORM ledger.lock_wallets(tenant, parsed);
    END IF;
    FOREACH event IN ARRAY parsed LOOP
        result := ledger.post_event(tenant, books, event);
        IF result.card IS NULL AND (result.transfer).card_id IS NOT NULL THEN
            result.card := (SELECT number FROM tenants.cards
                            WHERE tenant_id = tenant AND card_id = (result.transfer).card_id);
        END IF;
        RETURN NEXT result;
    END LOOP;
END $$;

-- The same for events that have nothing to do with each other: one that has to wait for a lock must not keep the others
-- waiting. Then none is posted (lock_not_available), and each is to be posted by itself.
CREATE OR REPLACE FUNCTION ledger.post_together(tenant uuid, events jsonb) RETURNS SETOF ledger.posting_result
LANGUAGE plpgsql VOLATILE
SET lock_timeout = '100ms' AS $$
BEGIN
    RETURN QUERY SELECT * FROM ledger.post(tenant, events);
END $$;

-- Of earlier releases. Here and not in a revision, so that it goes in the same transaction as its last caller.
DROP FUNCTION IF EXISTS ledger.lock_wallets(uuid, jsonb);
