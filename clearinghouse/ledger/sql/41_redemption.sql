-- Which of the network's velocity limits `wanted` more points would break, or NULL. Limits are
-- {"member" or "store": {"hour" or "day": {"count": …, "points": …}}}. A member's count is exact, under the wallet's
-- lock; redemptions of the same store at the same moment do not see each other.
CREATE OR REPLACE FUNCTION ledger.broken_velocity_limit(
    tenant uuid, member uuid, store uuid, limits jsonb, wanted bigint
) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    per record;
    spent record;
BEGIN
    FOR per IN
        SELECT who.key AS who, span.key AS span, (span.value ->> 'count')::bigint AS count,
               (span.value ->> 'points')::bigint AS points, clock_timestamp() - ('1 ' || span.key)::interval AS since
        FROM jsonb_each(limits) AS who CROSS JOIN jsonb_each(who.value) AS span
    LOOP
        IF per.who = 'member' THEN
            SELECT count(*) AS count, coalesce(sum(points), 0) AS points INTO spent FROM ledger.transfers
            WHERE tenant_id = tenant AND member_id = member
              AND kind IN ('redemption', 'hold') AND posted_at > per.since;
        ELSE
            SELECT count(*) AS count, coalesce(sum(points), 0) AS points INTO spent FROM ledger.transfers
            WHERE tenant_id = tenant AND store_id = store AND transfer_id >= ledger.first_id_of(per.since)
              AND kind IN ('redemption', 'hold') AND posted_at > per.since;
        END IF;
        IF spent.count + 1 > per.count OR spent.points + wanted > per.points THEN
            RETURN jsonb_build_object('limit', per.who || ' per ' || per.span,
                'redemptions_left', greatest(per.count - spent.count, 0),
                'points_left', greatest(per.points - spent.points, 0));
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- Take points out of the member's lots, for good (redemption) or for a while (hold), but none of the `expired` ones. What
-- an offline till has given away already is honoured up to the network's limit: what no lot covers, the member owes or
-- the store bears.
CREATE OR REPLACE FUNCTION ledger.redeem(
    event ledger.posting_event, wallet ledger.wallets, transfer ledger.transfers, expired bigint
) RETURNS ledger.transfer_draft
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lines ledger.posting_line[];
    broken jsonb;
    uncovered bigint;
    available bigint := wallet.balance - expired;
BEGIN
    IF event.code_step <= wallet.last_code_step THEN
        RETURN ledger.refusal('code_used');
    END IF;
    IF event.velocity_limits IS NOT NULL THEN
        broken := ledger.broken_velocity_limit(
            wallet.tenant_id, wallet.member_id, event.store_id, event.velocity_limits, event.points);
        IF broken IS NOT NULL THEN
            RETURN ledger.refusal('velocity_exceeded', broken);
        END IF;
    END IF;
    IF event.at_most THEN
        transfer.points := least(event.points, available);
        IF transfer.points = 0 THEN
            RETURN ledger.refusal('nothing_to_redeem', jsonb_build_object('available', 0));
        END IF;
        transfer.amount := transfer.points * event.amount / event.points;
    END IF;
    uncovered := greatest(transfer.points - available, 0);
    IF uncovered > 0 AND coalesce(transfer.points > event.beyond_limit, true) THEN
        RETURN ledger.refusal(
            CASE WHEN event.beyond_limit IS NULL THEN 'insufficient_points' ELSE 'offline_limit_exceeded' END,
            jsonb_strip_nulls(jsonb_build_object(
                'available', available, 'missing', uncovered, 'offline_limit', event.beyond_limit)));
    END IF;

    IF event.kind = 'hold' THEN
        lines := ledger.consume_lots(
            wallet.tenant_id, wallet.member_id, event.business_date, transfer.points, 'held', NULL);
    ELSE
        lines := ledger.consume_lots(
            wallet.tenant_id, wallet.member_id, event.business_date, transfer.points, 'recovered', event.store_id);
        IF uncovered > 0 AND event.beyond_charged_to = 'store' THEN
            lines := lines || ROW('borne', event.store_id, 'recovered', event.store_id, event.store_id, uncovered,
                                  NULL)::ledger.posting_line;
        ELSIF uncovered > 0 THEN
            -- Head office advances what a later accrual of the member will repay.
            lines := lines || ROW('deficit', wallet.member_id, 'recovered', event.store_id, wallet.tenant_id, uncovered,
                                  NULL)::ledger.posting_line;
        END IF;
    END IF;
    wallet.last_code_step := coalesce(event.code_step, wallet.last_code_step);
    RETURN ROW('posted', NULL, NULL, transfer, lines, wallet, NULL)::ledger.transfer_draft;
END $$;
