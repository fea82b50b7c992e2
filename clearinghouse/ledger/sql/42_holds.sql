-- What may be done with a hold: action x state -> the next state; without a row the answer is 'hold_' and the state.
CREATE OR REPLACE FUNCTION ledger.next_hold_state(action text, state text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN (SELECT next FROM (VALUES
    ('capture', 'held', 'captured'),
    ('void', 'held', 'voided'),
    ('hold_expiry', 'held', 'expired')
) AS transition (act, now, next) WHERE act = action AND now = state);

-- Capture a hold (in part: the rest is released), void it, or let it expire. The points that are released go back to
-- their lots.
CREATE OR REPLACE FUNCTION ledger.resolve_hold(
    event ledger.posting_event, wallet ledger.wallets, placed ledger.transfers, transfer ledger.transfers
) RETURNS ledger.transfer_draft
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    hold ledger.holds;
    posting ledger.postings;
    lines ledger.posting_line[] := '{}';
    given_back ledger.posting_line[];
    left_to_capture bigint;
    captured bigint;
    owed bigint := wallet.deficit;
BEGIN
    SELECT * INTO STRICT hold FROM ledger.holds WHERE tenant_id = wallet.tenant_id AND hold_id = placed.transfer_id;
    IF ledger.next_hold_state(event.kind, hold.state) IS NULL THEN
        RETURN ledger.refusal('hold_' || hold.state, jsonb_build_object('transfer_id', hold.resolved_by));
    END IF;
    IF event.kind = 'capture' THEN
        transfer.points := CASE
            WHEN event.points IS NOT NULL THEN event.points
            WHEN event.amount IS NOT NULL AND placed.amount > 0
                THEN ceil(event.amount::numeric * placed.points / placed.amount)
            WHEN event.amount IS NOT NULL THEN placed.points + event.amount
            ELSE placed.points END;
        IF transfer.points > placed.points OR event.amount > placed.amount THEN
            RETURN ledger.refusal('more_than_held', jsonb_build_object(
                'points_held', placed.points, 'amount_held', placed.amount));
        END IF;
        transfer.amount := coalesce(
            event.amount, div(placed.amount::numeric * transfer.points, placed.points));
    ELSE
        transfer.points := placed.points;
        transfer.amount := placed.amount;
    END IF;
    transfer.card_id := placed.card_id;
    transfer.programme_version := placed.programme_version;
    transfer.refers_to_transfer_id := placed.transfer_id;

    left_to_capture := CASE event.kind WHEN 'capture' THEN transfer.points ELSE 0 END;
    FOR posting IN
        SELECT * FROM ledger.postings
        WHERE tenant_id = wallet.tenant_id AND settlement_month = placed.settlement_month
          AND transfer_id = placed.transfer_id AND target = 'held'
        ORDER BY line
    LOOP
        captured := least(posting.points, left_to_capture);
        left_to_capture := left_to_capture - captured;
        IF captured > 0 THEN
            lines := lines || ROW('held', posting.target_id, 'recovered', event.store_id, posting.funder_id, captured,
                                  NULL)::ledger.posting_line;
        END IF;
        IF captured < posting.points THEN
            given_back := ledger.give_back(wallet.tenant_id, wallet.member_id, event.business_date, event.grace_days,
                owed, 'held', posting.target_id, posting.target_id, posting.points - captured);
            owed := owed - ledger.repaid_by(given_back);
            lines := lines || given_back;
        END IF;
    END LOOP;
    RETURN ROW('posted', NULL, NULL, transfer, lines, wallet, NULL)::ledger.transfer_draft;
END $$;

-- A hold of its own transfer, and later what became of it; called when the transfer has been written.
CREATE OR REPLACE FUNCTION ledger.write_hold(event ledger.posting_event, transfer ledger.transfers) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF transfer.kind = 'hold' THEN
        INSERT INTO ledger.holds (tenant_id, hold_id, member_id, expires_at)
        VALUES (transfer.tenant_id, transfer.transfer_id, transfer.member_id, event.hold_until);
    ELSE
        UPDATE ledger.holds
        SET state = ledger.next_hold_state(transfer.kind::text, state), resolved_by = transfer.transfer_id
        WHERE tenant_id = transfer.tenant_id AND hold_id = transfer.refers_to_transfer_id;
    END IF;
END $$;

-- The points of holds that have run out are the member's again, whether or not a job has come by to say so: whoever
-- locks the wallet next releases them first. The wallet as it is then.
CREATE OR REPLACE FUNCTION ledger.release_overdue_holds(
    books ledger.books, wallet ledger.wallets, event ledger.posting_event
) RETURNS ledger.wallets
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    overdue uuid;
    expiry ledger.posting_event;
BEGIN
    FOR overdue IN
        SELECT hold_id FROM ledger.holds
        WHERE tenant_id = wallet.tenant_id AND member_id = wallet.member_id
          AND state = 'held' AND expires_at <= clock_timestamp()
        ORDER BY expires_at, hold_id
    LOOP
        expiry.kind := 'hold_expiry';
        expiry.transfer_id := ledger.new_id();
        expiry.hold_id := overdue;
        expiry.terminal_id := '00000000-0000-0000-0000-000000000000';
        expiry.occurred_at := clock_timestamp();
        expiry.business_date := event.business_date;
        expiry.grace_days := event.grace_days;
        PERFORM ledger.post_run(books, ARRAY[expiry], ledger.lock_subjects(wallet.tenant_id, ARRAY[expiry]));
    END LOOP;
    SELECT * INTO STRICT wallet FROM ledger.wallets
    WHERE tenant_id = wallet.tenant_id AND member_id = wallet.member_id;
    RETURN wallet;
END $$;
