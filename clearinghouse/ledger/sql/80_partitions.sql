-- Whether the month's postings are read where ledger.postings is: false when its partition has been detached or
-- dropped. As the planner sees it now, which is more than a snapshot says that was taken before.
CREATE OR REPLACE FUNCTION ledger.is_attached(month date) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce(pg_partition_root(to_regclass('ledger.postings_' || to_char(month, 'YYYY_MM')))
                    = 'ledger.postings'::regclass, false);
END $$;

-- Whether a network has posted into a month that its books have closed: without a table, that has been dropped.
CREATE OR REPLACE FUNCTION ledger.is_closed_with_postings(month date) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM ledger.books JOIN tenants.networks USING (tenant_id)
        WHERE first_open_month > month AND opened_on < month + interval '1 month' AND EXISTS (
            SELECT FROM ledger.transfers
            WHERE transfers.tenant_id = books.tenant_id AND settlement_month = month));
END $$;
REVOKE ALL ON FUNCTION ledger.is_closed_with_postings FROM PUBLIC;

-- Make the monthly partitions of ledger.postings from `first` to `last`, both included; the number made. A month that
-- has been detached or dropped gets no empty partition in its place. The application's role may not create tables, so
-- this runs with its owner's rights; it takes months and nothing else.
CREATE OR REPLACE FUNCTION ledger.ensure_partitions(first date, last date) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    month date := date_trunc('month', first);
    made integer := 0;
BEGIN
    IF last > first + interval '50 years' THEN
        RAISE EXCEPTION 'more than 50 years of partitions asked for';
    END IF;
    -- Two callers at once: the second waits here and then finds the partitions made.
    PERFORM pg_advisory_xact_lock(hashtextextended('ledger.ensure_partitions', 0));
    WHILE month <= last LOOP
        IF to_regclass('ledger.postings_' || to_char(month, 'YYYY_MM')) IS NULL
           AND NOT ledger.is_closed_with_postings(month) THEN
            PERFORM ledger.make_partition(month);
            made := made + 1;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION ledger.ensure_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.ensure_partitions TO clearinghouse_app;

-- A table made apart and then attached: CREATE TABLE … PARTITION OF would lock ledger.postings against everybody,
-- and then wait for ledger.transfers, which postings under way have locked before it.
CREATE OR REPLACE FUNCTION ledger.make_partition(month date) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    partition text := 'postings_' || to_char(month, 'YYYY_MM');
BEGIN
    EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.postings INCLUDING ALL)', partition);
    EXECUTE format('ALTER TABLE ledger.postings ATTACH PARTITION ledger.%I FOR VALUES FROM (%L) TO (%L)',
                   partition, month, (month + interval '1 month')::date);
END $$;
REVOKE ALL ON FUNCTION ledger.make_partition FROM PUBLIC;
