-- Why an event can't be posted.
CREATE OR REPLACE FUNCTION ledger.refused(code text, detail jsonb DEFAULT NULL) RETURNS ledger.posting_result
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ROW('refused', code, detail, NULL)::ledger.posting_result;
END $$;

-- The transfer that an event wants reversed: by its id, or by store, order and kind.
CREATE OR REPLACE FUNCTION ledger.original_of(tenant uuid, event ledger.posting_event) RETURNS ledger.transfers
LANGUAGE plpgsql STABLE AS $$
DECLARE
    original ledger.transfers;
BEGIN
    IF event.original_transfer_id IS NOT NULL THEN
        SELECT * INTO original FROM ledger.transfers
        WHERE tenant_id = tenant AND transfer_id = event.original_transfer_id;
    ELSE
        SELECT * INTO original FROM ledger.transfers
        WHERE tenant_id = tenant AND store_id = event.original_store_id
          AND order_ref = event.original_order_ref AND kind = event.original_kind::ledger.transfer_kind;
    END IF;
    RETURN original;
END $$;

-- Post one event. The order of the checks is part of the interface (docs/ledger.md):
--   1 idempotency   idempotency_key_reused (or the stored result, replayed)
--   2 subject       card_unknown, payment_token_unknown, transfer_unknown
--   3 the event     what the caller found wrong with it, in event.refusal
--   4 natural key   order_already_posted
--   5 state         card_blocked, card_replaced, not_reversible, already_reversed
--   6 points        insufficient_points, nothing_to_redeem, nothing_to_expire
-- After the last check the transfer must succeed.
CREATE OR REPLACE FUNCTION ledger.post_event(tenant uuid, first_open_month date, event ledger.posting_event)
RETURNS ledger.posting_result
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    card record;
    original ledger.transfers;
    earlier ledger.transfers;
    wallet ledger.wallets;
    transfer ledger.transfers;
    lines ledger.posting_line[];
    member uuid;
    available bigint;
BEGIN
    -- Whose wallet: it is locked before anything else is read of this member.
    CASE event.kind
        WHEN 'expiry' THEN
            member := event.member_id;
            transfer.kind := 'expiry';
        WHEN 'reversal' THEN
            original := ledger.original_of(tenant, event);
            member := original.member_id;
            transfer.kind := CASE original.kind WHEN 'accrual' THEN 'accrual_reversal'
                                                WHEN 'redemption' THEN 'redemption_reversal' END;
        ELSE
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
    END CASE;
    SELECT * INTO wallet FROM ledger.wallets WHERE tenant_id = tenant AND member_id = member FOR NO KEY UPDATE;
    IF NOT FOUND AND member IS NOT NULL THEN
        -- The member's first event.
        INSERT INTO ledger.wallets (tenant_id, member_id) VALUES (tenant, member) ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT wallet FROM ledger.wallets
        WHERE tenant_id = tenant AND member_id = member FOR NO KEY UPDATE;
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
            RETURN ROW('replayed', NULL, NULL, earlier)::ledger.posting_result;
        END IF;
        RETURN ledger.refused('idempotency_key_reused', jsonb_build_object('transfer_id', earlier.transfer_id));
    END IF;

    IF member IS NULL THEN
        RETURN ledger.refused(CASE
            WHEN event.kind = 'reversal' THEN 'transfer_unknown'
            WHEN event.payment_token_hash IS NOT NULL THEN 'payment_token_unknown'
            ELSE 'card_unknown' END);
    END IF;
    IF event.refusal IS NOT NULL THEN
        RETURN ledger.refused(event.refusal);
    END IF;
    IF earlier.transfer_id IS NOT NULL THEN
        RETURN ledger.refused('order_already_posted', jsonb_build_object('transfer_id', earlier.transfer_id));
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
    transfer.settlement_month := greatest(date_trunc('month', event.business_date)::date, first_open_month);
    transfer.idempotency_key := event.idempotency_key;
    transfer.request_hash := event.request_hash;

    IF event.kind IN ('accrual', 'redemption') THEN
        IF card.status <> 'active' THEN
            RETURN ledger.refused('card_' || card.status);
        END IF;
        transfer.card_id := card.card_id;
    END IF;

    CASE event.kind
        WHEN 'accrual' THEN
            lines := ledger.post_accrual(tenant, event, wallet);

        WHEN 'redemption' THEN
            available := wallet.balance - ledger.expired_but_open(tenant, member, event.business_date);
            IF event.at_most THEN
                transfer.points := least(event.points, available);
                IF transfer.points = 0 THEN
                    RETURN ledger.refused('nothing_to_redeem', jsonb_build_object('available', 0));
                END IF;
                transfer.amount := transfer.points * event.amount / event.points;
            ELSIF event.points > available THEN
                RETURN ledger.refused('insufficient_points', jsonb_build_object(
                    'available', available, 'missing', event.points - available));
            END IF;
            lines := ledger.consume_lots(
                tenant, member, event.business_date, transfer.points, 'recovered', event.store_id);

        WHEN 'reversal' THEN
            IF transfer.kind IS NULL THEN
                RETURN ledger.refused('not_reversible', jsonb_build_object('kind', original.kind));
            END IF;
            SELECT * INTO earlier FROM ledger.transfers
            WHERE tenant_id = tenant AND reverses_transfer_id = original.transfer_id;
            IF FOUND THEN
                RETURN ledger.refused('already_reversed', jsonb_build_object('transfer_id', earlier.transfer_id));
            END IF;
            transfer.card_id := original.card_id;
            transfer.reverses_transfer_id := original.transfer_id;
            transfer.amount := original.amount;
            transfer.points := original.points;
            transfer.programme_version := original.programme_version;
            IF original.kind = 'accrual' THEN
                lines := ledger.reverse_accrual(tenant, event, wallet, original);
            ELSE
                lines := ledger.reverse_redemption(tenant, event, wallet, original);
            END IF;

        WHEN 'expiry' THEN
            lines := ledger.expire_lots(tenant, member, event.expires_on);
            IF lines = '{}' THEN
                RETURN ledger.refused('nothing_to_expire');
            END IF;
            transfer.points := (SELECT sum(points) FROM unnest(lines));
    END CASE;

    RETURN ROW('posted', NULL, NULL, ledger.write_transfer(transfer, wallet, lines))::ledger.posting_result;
END $$;
