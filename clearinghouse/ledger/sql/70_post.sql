-- Where the runs of a call end, as places in it. Accruals, redemptions and holds are of one run until one comes that has
-- the member, the key or the order of another in it: that one begins the next, so that it sees posted what came before.
-- Any other event is a run of its own: it may depend on more than these.
CREATE OR REPLACE FUNCTION ledger.ends_of_runs(events ledger.posting_event[], subjects ledger.posting_subject[])
RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    last integer := cardinality(events);
    first integer := 1;
    ends integer[] := '{}';
    event record;
BEGIN
    IF last = 1 THEN
        RETURN ARRAY[last];
    END IF;
    FOR event IN
        SELECT place, max(comes_after) AS comes_after FROM (
            SELECT ordinality AS place, lag(ordinality) OVER (PARTITION BY id, name ORDER BY ordinality) AS comes_after
            FROM unnest(events, subjects) WITH ORDINALITY CROSS JOIN LATERAL (VALUES
                (wallet_of, ''), (terminal_id, idempotency_key), (store_id, order_of)
            ) AS has (id, name)
            WHERE id IS NOT NULL AND name IS NOT NULL
            UNION ALL
            SELECT ordinality + next, ordinality + next - 1
            FROM unnest(events) WITH ORDINALITY CROSS JOIN (VALUES (0), (1)) AS itself_and (next)
            WHERE kind NOT IN ('accrual', 'redemption', 'hold') OR velocity_limits IS NOT NULL
        ) AS places
        WHERE place <= last GROUP BY place ORDER BY place
    LOOP
        IF event.comes_after >= first THEN
            ends := ends || event.place::integer - 1;
            first := event.place;
        END IF;
    END LOOP;
    RETURN ends || last;
END $$;

-- Post events in order; one result an event, in the same order. The whole call is one transaction, but a
-- refused event wrote nothing and stops nothing. Call it as a single autocommitted statement.
CREATE OR REPLACE FUNCTION ledger.post(tenant uuid, events jsonb) RETURNS SETOF ledger.posting_result
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    parsed ledger.posting_event[] := ARRAY(
        SELECT one FROM jsonb_populate_recordset(NULL::ledger.posting_event, events) AS one);
    run ledger.posting_event[];
    subjects ledger.posting_subject[];
    subjects_of_run ledger.posting_subject[];
    books ledger.books;
    result ledger.posting_result;
    first integer := 1;
    last integer;
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true),
            pg_advisory_xact_lock_shared(ledger.cut_off_key(tenant));
    SELECT * INTO STRICT books FROM ledger.books WHERE tenant_id = tenant;
    IF parsed = '{}' THEN
        RETURN;
    END IF;
    subjects := ledger.lock_subjects(tenant, parsed);
    FOREACH last IN ARRAY ledger.ends_of_runs(parsed, subjects) LOOP
        run := parsed[first:last];
        subjects_of_run := subjects[first:last];
        IF first > 1 AND parsed[first].card IS NULL THEN
            -- It may be about what has been posted just before.
            subjects_of_run := ledger.lock_subjects(tenant, run);
        END IF;
        FOREACH result IN ARRAY ledger.post_run(books, run, subjects_of_run) LOOP
            IF result.card IS NULL AND (result.transfer).card_id IS NOT NULL THEN
                result.card := (SELECT number FROM tenants.cards
                                WHERE tenant_id = tenant AND card_id = (result.transfer).card_id);
            END IF;
            RETURN NEXT result;
        END LOOP;
        first := last + 1;
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
DROP FUNCTION IF EXISTS ledger.lock_wallets(uuid, ledger.posting_event[]);
DROP FUNCTION IF EXISTS ledger.lock_wallet(uuid, uuid);
DROP FUNCTION IF EXISTS ledger.post_event(uuid, ledger.books, ledger.posting_event);
DROP FUNCTION IF EXISTS ledger.write_transfer(ledger.books, ledger.transfers, ledger.wallets, ledger.posting_line[]);
DROP FUNCTION IF EXISTS ledger.post_accrual(uuid, ledger.posting_event, ledger.wallets);
DROP FUNCTION IF EXISTS ledger.redeem(uuid, ledger.posting_event, ledger.wallets, ledger.transfers);
DROP FUNCTION IF EXISTS ledger.resolve_hold(
    uuid, ledger.posting_event, ledger.wallets, ledger.transfers, ledger.transfers);
DROP FUNCTION IF EXISTS ledger.expire_lots(uuid, uuid, date, ledger.transfers);
DROP FUNCTION IF EXISTS ledger.size_of_reversal(
    uuid, ledger.posting_event, ledger.transfers, ledger.transfers, bigint, bigint);
DROP FUNCTION IF EXISTS ledger.reverse(
    uuid, ledger.posting_event, ledger.wallets, ledger.transfers, ledger.transfers);
DROP FUNCTION IF EXISTS ledger.refused_draft(text, jsonb);
DROP FUNCTION IF EXISTS ledger.expired_but_open(uuid, uuid, date);
DROP TYPE IF EXISTS ledger.posting_draft;
