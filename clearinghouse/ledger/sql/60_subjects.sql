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

-- What an event is about that shows no card: a payment token, an earlier transfer, or a member.
CREATE OR REPLACE FUNCTION ledger.subject_without_card(tenant uuid, event ledger.posting_event)
RETURNS ledger.posting_subject
LANGUAGE plpgsql STABLE AS $$
DECLARE
    subject ledger.posting_subject;
    original ledger.transfers;
    wallet ledger.wallets;
BEGIN
    subject.transfer_kind := CASE WHEN event.kind <> 'reversal' THEN event.kind END;
    subject.order_of := event.order_ref;
    IF event.payment_token_hash IS NOT NULL THEN
        -- No card was shown, so none is named; a member all of whose cards are out of use is blocked.
        SELECT bound.member_id, CASE WHEN EXISTS (
            SELECT FROM tenants.cards AS own WHERE own.tenant_id = tenant
                AND own.member_id = bound.member_id AND own.status = 'active'
        ) THEN 'active' ELSE 'blocked' END
        INTO subject.wallet_of, subject.card_status FROM tenants.payment_tokens AS bound
        WHERE bound.tenant_id = tenant AND bound.token_hash = event.payment_token_hash;
    ELSIF event.kind = 'expiry' THEN
        subject.wallet_of := event.member_id;
    ELSE
        subject.originals := ledger.originals_of(tenant, event);
        original := subject.originals[1];
        subject.wallet_of := original.member_id;
        IF event.kind = 'capture' THEN
            subject.order_of := coalesce(event.order_ref, original.order_ref);
        ELSIF event.kind = 'reversal' THEN
            subject.transfer_kind := CASE
                WHEN original.kind = 'accrual' THEN 'accrual_reversal'
                WHEN original.kind IN ('redemption', 'capture') THEN 'redemption_reversal' END;
        END IF;
    END IF;
    SELECT * INTO wallet FROM ledger.wallets WHERE tenant_id = tenant AND member_id = subject.wallet_of;
    subject.wallet_of := coalesce(wallet.merged_into_member_id, subject.wallet_of);
    subject.wallet_is_missing := wallet.member_id IS NULL;
    RETURN subject;
END $$;

-- What events are about, one each in the same order, with their wallets locked. A member's wallet is made at the first
-- event; that of one who has been merged into another is the other's.
CREATE OR REPLACE FUNCTION ledger.lock_subjects(tenant uuid, events ledger.posting_event[])
RETURNS ledger.posting_subject[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found record;
    subject ledger.posting_subject;
    subjects ledger.posting_subject[];
    members uuid[];
    without uuid[];
BEGIN
    FOR found IN
        SELECT ordinality, event.card, ROW(
            CASE WHEN kind <> 'reversal' THEN kind END, coalesce(wallet.merged_into_member_id, card.member_id),
            wallet.member_id IS NULL, card.card_id, card.status, order_ref, NULL)::ledger.posting_subject AS subject
        FROM unnest(events) WITH ORDINALITY AS event
        LEFT JOIN tenants.cards AS card ON card.tenant_id = tenant AND card.number = event.card
        LEFT JOIN ledger.wallets AS wallet ON wallet.tenant_id = tenant AND wallet.member_id = card.member_id
    LOOP
        subject := CASE WHEN found.card IS NOT NULL THEN found.subject
                        ELSE ledger.subject_without_card(tenant, events[found.ordinality]) END;
        subjects[found.ordinality] := subject;
        members := members || subject.wallet_of;
        IF subject.wallet_is_missing AND subject.wallet_of IS NOT NULL THEN
            without := without || subject.wallet_of;
        END IF;
    END LOOP;
    PERFORM ledger.lock_wallets(tenant, members, without);
    RETURN subjects;
END $$;
