-- Why an event can't be posted.
CREATE OR REPLACE FUNCTION ledger.refused(code text, detail jsonb DEFAULT NULL) RETURNS ledger.posting_result
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ROW('refused', code, detail, NULL, NULL)::ledger.posting_result;
END $$;

CREATE OR REPLACE FUNCTION ledger.refused_draft(code text, detail jsonb DEFAULT NULL) RETURNS ledger.posting_draft
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ROW(NULL, NULL, code, detail)::ledger.posting_draft;
END $$;

-- The transfers that an event can mean to resolve or reverse: one by its id, or those of a store's order.
CREATE OR REPLACE FUNCTION ledger.originals_of(tenant uuid, event ledger.posting_event) RETURNS ledger.transfers[]
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF event.hold_id IS NOT NULL THEN
        RETURN ARRAY(SELECT t FROM ledger.transfers t
            WHERE tenant_id = tenant AND transfer_id = event.hold_id AND kind = 'hold');
    ELSIF event.original_transfer_id IS NOT NULL THEN
        RETURN ARRAY(SELECT t FROM ledger.transfers t
            WHERE tenant_id = tenant AND transfer_id = event.original_transfer_id);
    ELSIF event.original_order_ref IS NOT NULL THEN
        RETURN ARRAY(SELECT t FROM ledger.transfers t
            WHERE tenant_id = tenant AND store_id = event.original_store_id AND order_ref = event.original_order_ref
              AND CASE kind WHEN 'accrual' THEN coalesce(event.original_kind, 'accrual') = 'accrual'
                            WHEN 'redemption' THEN coalesce(event.original_kind, 'redemption') = 'redemption'
                            WHEN 'capture' THEN coalesce(event.original_kind, 'redemption') = 'redemption'
                            ELSE false END
            ORDER BY transfer_id);
    END IF;
    RETURN '{}';
END $$;

-- A member's wallet, locked, and made at the member's first event. Of a member who has been merged into another it is
-- that other's.
CREATE OR REPLACE FUNCTION ledger.lock_wallet(tenant uuid, member uuid) RETURNS ledger.wallets
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    wallet ledger.wallets;
BEGIN
    SELECT * INTO wallet FROM ledger.wallets WHERE tenant_id = tenant AND member_id = member FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO ledger.wallets (tenant_id, member_id) VALUES (tenant, member) ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT wallet FROM ledger.wallets
        WHERE tenant_id = tenant AND member_id = member FOR NO KEY UPDATE;
    END IF;
    IF wallet.merged_into_member_id IS NOT NULL THEN
        RETURN ledger.lock_wallet(tenant, wallet.merged_into_member_id);
    END IF;
    RETURN wallet;
END $$;

-- Post one event. The order of the checks is part of the interface (docs/ledger.md):
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
CREATE OR REPLACE FUNCTION ledger.post_event(tenant uuid, books ledger.books, event ledger.posting_event)
RETURNS ledger.posting_result
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    card record;
    originals ledger.transfers[];
    original ledger.transfers;
    earlier ledger.transfers;
    wallet ledger.wallets;
    transfer ledger.transfers;
    lines ledger.posting_line[];
    draft ledger.posting_draft;
    member uuid;
BEGIN
    -- Whose wallet: it is locked before anything else is read of this member.
    CASE event.kind
        WHEN 'accrual', 'redemption', 'hold' THEN
            IF event.payment_token_hash IS NULL THEN
                SELECT card_id, member_id, status INTO card FROM tenants.cards
                WHERE tenant_id = tenant AND number = event.card;
            ELSE
                -- No card was shown, so none is named; a member all of whose cards are out of use is blocked.
                SELECT NULL::uuid AS card_id, member_id, CASE WHEN EXISTS (
                    SELECT FROM tenants.cards AS own WHERE own.tenant_id = tenant
                        AND own.member_id = bound.member_id AND own.status = 'active'
                ) THEN 'active' ELSE 'blocked' END AS status
                INTO card FROM tenants.payment_tokens AS bound
                WHERE bound.tenant_id = tenant AND bound.token_hash = event.payment_token_hash;
            END IF;
            member := card.member_id;
            transfer.kind := event.kind;
        WHEN 'expiry' THEN
            member := event.member_id;
            transfer.kind := 'expiry';
        ELSE
            originals := ledger.originals_of(tenant, event);
            original := originals[1];
            member := original.member_id;
            transfer.kind := CASE
                WHEN event.kind <> 'reversal' THEN event.kind
                WHEN original.kind = 'accrual' THEN 'accrual_reversal'
                WHEN original.kind IN ('redemption', 'capture') THEN 'redemption_reversal' END;
    END CASE;
    SELECT * INTO wallet FROM ledger.wallets WHERE tenant_id = tenant AND member_id = member FOR NO KEY UPDATE;
    IF member IS NOT NULL AND (NOT FOUND OR wallet.merged_into_member_id IS NOT NULL) THEN
        wallet := ledger.lock_wallet(tenant, member);
    END IF;
    IF event.kind = 'capture' THEN
        event.order_ref := coalesce(event.order_ref, original.order_ref);
    END IF;

    -- What has been posted already under this key, or else for this order: one statement for both look-ups.
    SELECT * INTO earlier FROM (
        SELECT * FROM ledger.transfers
        WHERE tenant_id = tenant AND terminal_id = event.terminal_id AND idempotency_key = event.idempotency_key
        UNION ALL
        SELECT * FROM ledger.transfers
        WHERE tenant_id = tenant AND store_id = event.store_id
          AND order_ref = event.order_ref AND kind = transfer.kind
    ) AS posted LIMIT 1;
    IF earlier.idempotency_key = event.idempotency_key AND earlier.terminal_id = event.terminal_id THEN
        IF earlier.request_hash = event.request_hash THEN
            RETURN ROW('replayed', NULL, NULL, earlier, event.card)::ledger.posting_result;
        END IF;
        RETURN ledger.refused('idempotency_key_reused', jsonb_build_object('transfer_id', earlier.transfer_id));
    END IF;

    IF member IS NULL THEN
        RETURN ledger.refused(CASE
            WHEN event.hold_id IS NOT NULL THEN 'hold_unknown'
            WHEN event.kind = 'reversal' THEN 'transfer_unknown'
            WHEN event.payment_token_hash IS NOT NULL THEN 'payment_token_unknown'
            ELSE 'card_unknown' END);
    END IF;
    IF cardinality(originals) > 1 THEN
        RETURN ledger.refused('several_transfers', (
            SELECT jsonb_build_object('transfers', jsonb_agg(jsonb_build_object(
                'transfer_id', o.transfer_id, 'kind', o.kind)))
            FROM unnest(originals) AS o));
    END IF;
    IF event.refusal IS NOT NULL THEN
        RETURN ledger.refused(event.refusal, event.refusal_detail);
    END IF;
    -- A hold that has been captured says so itself.
    IF earlier.transfer_id IS NOT NULL AND coalesce(earlier.refers_to_transfer_id <> event.hold_id, true) THEN
        RETURN ledger.refused('order_already_posted', jsonb_build_object('transfer_id', earlier.transfer_id));
    END IF;

    IF wallet.held > 0 AND event.kind NOT IN ('accrual', 'expiry', 'hold_expiry') THEN
        wallet := ledger.release_overdue_holds(books, wallet, event);
    END IF;

    transfer.tenant_id := tenant;
    transfer.transfer_id := event.transfer_id;
    transfer.store_id := event.store_id;
    transfer.terminal_id := event.terminal_id;
    transfer.order_ref := event.order_ref;
    transfer.amount := event.amount;
    transfer.points := event.points;
    transfer.programme_version := event.programme_version;
    transfer.occurred_at := event.occurred_at;
    transfer.business_date := event.business_date;
    transfer.settlement_month := greatest(date_trunc('month', event.business_date)::date, books.first_open_month);
    transfer.idempotency_key := event.idempotency_key;
    transfer.request_hash := event.request_hash;

    IF event.kind IN ('accrual', 'redemption', 'hold') THEN
        IF card.status <> 'active' THEN
            RETURN ledger.refused('card_' || card.status);
        END IF;
        transfer.card_id := card.card_id;
    END IF;

    CASE event.kind
        WHEN 'accrual' THEN
            lines := ledger.post_accrual(tenant, event, wallet);
        WHEN 'redemption', 'hold' THEN
            draft := ledger.redeem(tenant, event, wallet, transfer);
            wallet.last_code_step := coalesce(event.code_step, wallet.last_code_step);
        WHEN 'capture', 'void', 'hold_expiry' THEN
            draft := ledger.resolve_hold(tenant, event, wallet, original, transfer);
        WHEN 'reversal' THEN
            IF transfer.kind IS NULL THEN
                RETURN ledger.refused('not_reversible', jsonb_build_object('kind', original.kind));
            END IF;
            draft := ledger.reverse(tenant, event, wallet, original, transfer);
        WHEN 'expiry' THEN
            draft := ledger.expire_lots(tenant, wallet.member_id, event.expires_on, transfer);
    END CASE;
    IF draft.code IS NOT NULL THEN
        RETURN ledger.refused(draft.code, draft.detail);
    -- All that a draft writes, it writes as it reads the original's postings: of these there were none to read. A month
    -- that is posted into is there.
    ELSIF original.settlement_month <> transfer.settlement_month
          AND NOT ledger.is_attached(original.settlement_month) THEN
        RETURN ledger.refused('month_detached', jsonb_build_object(
            'month', to_char(original.settlement_month, 'YYYY-MM')));
    ELSIF event.kind <> 'accrual' THEN
        transfer := draft.transfer;
        lines := draft.lines;
    END IF;

    transfer := ledger.write_transfer(books, transfer, wallet, lines);
    IF event.kind IN ('hold', 'capture', 'void', 'hold_expiry') THEN
        PERFORM ledger.write_hold(event, transfer);
    ELSIF event.purchase_lines IS NOT NULL AND event.kind = 'accrual' THEN
        PERFORM ledger.write_purchase_lines(transfer, event.purchase_lines);
    ELSIF event.purchase_lines IS NOT NULL THEN
        PERFORM ledger.write_returned_lines(transfer, event.purchase_lines);
    END IF;
    RETURN ROW('posted', NULL, NULL, transfer, event.card)::ledger.posting_result;
END $$;
