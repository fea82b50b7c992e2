-- Why an event can't be posted.
CREATE OR REPLACE FUNCTION ledger.refused(code text, detail jsonb DEFAULT NULL) RETURNS ledger.posting_result
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ROW('refused', code, detail, NULL, NULL)::ledger.posting_result;
END $$;

CREATE OR REPLACE FUNCTION ledger.refusal(code text, detail jsonb DEFAULT NULL) RETURNS ledger.transfer_draft
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ROW('refused', code, detail, NULL, NULL, NULL, NULL)::ledger.transfer_draft;
END $$;

-- What becomes of one event, whose wallet is locked; `expired` of its points are in lots that have expired but are open,
-- and `earlier` has been posted under the event's key, or else for its order. The order of the checks is part of the
-- interface (docs/ledger.md):
--   1 idempotency   idempotency_key_reused (or the stored result, replayed)
--   2 subject       card_unknown, payment_token_unknown, hold_unknown, transfer_unknown, several_transfers
--   3 the event     what the caller found wrong with it, in event.refusal
--   4 natural key   order_already_posted
--   5 state         card_blocked, card_replaced, hold_captured, hold_voided, hold_expired, not_reversible,
--                   already_reversed
--   6 whether       code_used, velocity_exceeded
--   7 points        insufficient_points, offline_limit_exceeded, more_than_held, more_than_left, line_unknown,
--                   nothing_to_redeem, nothing_to_expire
--   8 the original  month_detached
-- After the last check the transfer must succeed.
CREATE OR REPLACE FUNCTION ledger.draft_transfer(
    books ledger.books, event ledger.posting_event, subject ledger.posting_subject,
    wallet ledger.wallets, expired bigint, earlier ledger.transfers
) RETURNS ledger.transfer_draft
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    original ledger.transfers := subject.originals[1];
    transfer ledger.transfers;
    draft ledger.transfer_draft;
BEGIN
    IF earlier.idempotency_key = event.idempotency_key AND earlier.terminal_id = event.terminal_id THEN
        IF earlier.request_hash = event.request_hash THEN
            RETURN ROW('replayed', NULL, NULL, earlier, NULL, NULL, NULL)::ledger.transfer_draft;
        END IF;
        RETURN ledger.refusal('idempotency_key_reused', jsonb_build_object('transfer_id', earlier.transfer_id));
    END IF;

    IF subject.wallet_of IS NULL THEN
        RETURN ledger.refusal(CASE
            WHEN event.hold_id IS NOT NULL THEN 'hold_unknown'
            WHEN event.kind = 'reversal' THEN 'transfer_unknown'
            WHEN event.payment_token_hash IS NOT NULL THEN 'payment_token_unknown'
            ELSE 'card_unknown' END);
    END IF;
    IF cardinality(subject.originals) > 1 THEN
        RETURN ledger.refusal('several_transfers', (
            SELECT jsonb_build_object('transfers', jsonb_agg(jsonb_build_object(
                'transfer_id', o.transfer_id, 'kind', o.kind)))
            FROM unnest(subject.originals) AS o));
    END IF;
    IF event.refusal IS NOT NULL THEN
        RETURN ledger.refusal(event.refusal, event.refusal_detail);
    END IF;
    -- A hold that has been captured says so itself.
    IF earlier.transfer_id IS NOT NULL AND coalesce(earlier.refers_to_transfer_id <> event.hold_id, true) THEN
        RETURN ledger.refusal('order_already_posted', jsonb_build_object('transfer_id', earlier.transfer_id));
    END IF;

    IF wallet.held > 0 AND event.kind NOT IN ('accrual', 'expiry', 'hold_expiry') THEN
        wallet := ledger.release_overdue_holds(books, wallet, event);
        expired := (
            SELECT points FROM ledger.expired_points(wallet.tenant_id, wallet.member_id, event.business_date));
    END IF;

    transfer.tenant_id := books.tenant_id;
    transfer.transfer_id := event.transfer_id;
    transfer.kind := subject.transfer_kind;
    transfer.store_id := event.store_id;
    transfer.terminal_id := event.terminal_id;
    transfer.order_ref := subject.order_of;
    transfer.amount := event.amount;
    transfer.points := event.points;
    transfer.programme_version := event.programme_version;
    transfer.occurred_at := event.occurred_at;
    transfer.business_date := event.business_date;
    transfer.settlement_month := greatest(date_trunc('month', event.business_date)::date, books.first_open_month);
    transfer.idempotency_key := event.idempotency_key;
    transfer.request_hash := event.request_hash;

    IF event.kind IN ('accrual', 'redemption', 'hold') THEN
        IF subject.card_status <> 'active' THEN
            RETURN ledger.refusal('card_' || subject.card_status);
        END IF;
        transfer.card_id := subject.card_id;
    END IF;

    CASE event.kind
        WHEN 'accrual' THEN
            draft := ledger.accrue(event, wallet, transfer);
        WHEN 'redemption', 'hold' THEN
            draft := ledger.redeem(event, wallet, transfer, expired);
        WHEN 'capture', 'void', 'hold_expiry' THEN
            draft := ledger.resolve_hold(event, wallet, original, transfer);
        WHEN 'reversal' THEN
            IF transfer.kind IS NULL THEN
                RETURN ledger.refusal('not_reversible', jsonb_build_object('kind', original.kind));
            END IF;
            draft := ledger.reverse(event, wallet, original, transfer);
        WHEN 'expiry' THEN
            draft := ledger.expire_lots(event.expires_on, wallet, transfer);
    END CASE;
    IF draft.outcome = 'posted' AND event.kind NOT IN ('accrual', 'redemption', 'hold') THEN
        -- All that a draft writes, it writes as it reads the original's postings: of these there were none to read. A
        -- month that is posted into is there.
        IF original.settlement_month <> transfer.settlement_month
           AND NOT ledger.is_attached(original.settlement_month) THEN
            RETURN ledger.refusal('month_detached', jsonb_build_object(
                'month', to_char(original.settlement_month, 'YYYY-MM')));
        END IF;
        expired := (SELECT points FROM ledger.expired_points(
            wallet.tenant_id, wallet.member_id, event.business_date));
    END IF;
    draft.expired := expired;
    RETURN draft;
END $$;
