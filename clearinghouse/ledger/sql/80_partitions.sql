-- Make the monthly partitions of ledger.postings from `first` to `last`, both included. The application's role
-- may not create tables, so this runs with its owner's rights; it takes months and nothing else.
CREATE OR REPLACE FUNCTION ledger.ensure_partitions(first date, last date) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    month date := date_trunc('month', first);
    partition text;
    made integer := 0;
BEGIN
    IF last > first + interval '50 years' THEN
        RAISE EXCEPTION 'more than 50 years of partitions asked for';
    END IF;
    WHILE month <= last LOOP
        partition := 'postings_' || to_char(month, 'YYYY_MM');
        IF to_regclass('ledger.' || partition) IS NULL THEN
            -- Two callers at once: the second waits here and then finds the partition made.
            PERFORM pg_advisory_xact_lock(hashtextextended('ledger.ensure_partitions', 0));
            IF to_regclass('ledger.' || partition) IS NULL THEN
                EXECUTE format('CREATE TABLE ledger.%I PARTITION OF ledger.postings FOR VALUES FROM (%L) TO (%L)',
                               partition, month, (month + interval '1 month')::date);
                made := made + 1;
            END IF;
        END IF;
        month := month + interval '1 month';
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION ledger.ensure_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.ensure_partitions TO clearinghouse_app;
