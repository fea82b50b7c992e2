-- What a member can use on a day, what is set aside and what is owed. Holds that have run out count as released, as they
-- are for whoever posts next.
CREATE OR REPLACE FUNCTION ledger.points_now(tenant uuid, member uuid, on_date date)
RETURNS TABLE (available bigint, held bigint, deficit bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    wallet ledger.wallets;
    overdue record;
BEGIN
    SELECT * INTO wallet FROM ledger.wallets WHERE tenant_id = tenant AND member_id = member;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 0::bigint, 0::bigint, 0::bigint;
        RETURN;
    END IF;
    SELECT coalesce(sum(postings.points), 0)::bigint AS points,
           coalesce(sum(postings.points) FILTER (WHERE lots.expires_on >= on_date), 0)::bigint AS usable
    INTO overdue
    FROM ledger.holds
    JOIN ledger.transfers placed ON placed.tenant_id = tenant AND placed.transfer_id = holds.hold_id
    JOIN ledger.postings ON postings.tenant_id = tenant AND postings.settlement_month = placed.settlement_month
        AND postings.transfer_id = placed.transfer_id AND postings.target = 'held'
    JOIN ledger.lots ON lots.tenant_id = tenant AND lots.lot_id = postings.target_id
    WHERE wallet.held > 0 AND holds.tenant_id = tenant AND holds.member_id = member
      AND holds.state = 'held' AND holds.expires_at <= clock_timestamp();
    RETURN QUERY SELECT
        wallet.balance - (SELECT points FROM ledger.expired_points(tenant, member, on_date))
            + greatest(overdue.usable - wallet.deficit, 0),
        wallet.held - overdue.points,
        greatest(wallet.deficit - overdue.points, 0);
END $$;

-- The same of a card's member, with the card's status; no row for an unknown card. For workers of the release before.
CREATE OR REPLACE FUNCTION ledger.card_points_now(tenant uuid, card text, on_date date)
RETURNS TABLE (status text, available bigint, held bigint, deficit bigint)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    RETURN QUERY SELECT cards.status, now.available, now.held, now.deficit
        FROM tenants.cards CROSS JOIN LATERAL ledger.points_now(tenant, cards.member_id, on_date) AS now
        WHERE cards.tenant_id = tenant AND cards.number = card;
END $$;

-- The same, with those of the points that expire first, and when: 0 and NULL when there are none that ever do.
CREATE OR REPLACE FUNCTION ledger.balance(tenant uuid, member uuid, on_date date)
RETURNS TABLE (available bigint, held bigint, deficit bigint, expiring_next bigint, expires_on date)
LANGUAGE sql STABLE AS $$
    SELECT now.available, now.held, now.deficit, coalesce(next.points, 0), next.expires_on
    FROM ledger.points_now(tenant, member, on_date) AS now
    LEFT JOIN (
        SELECT sum(remaining)::bigint AS points, lots.expires_on FROM ledger.lots
        WHERE tenant_id = tenant AND member_id = member AND is_open
          -- The last day that there is stands for never.
          AND lots.expires_on >= on_date AND lots.expires_on < date '9999-12-31'
        GROUP BY lots.expires_on ORDER BY lots.expires_on LIMIT 1
    ) AS next ON true
$$;

-- All that a till is told of a card, whatever its status; no row for an unknown one.
CREATE OR REPLACE FUNCTION ledger.card_balance(tenant uuid, card text, on_date date)
RETURNS TABLE (status text, is_registered boolean,
               available bigint, held bigint, deficit bigint, expiring_next bigint, expires_on date)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    RETURN QUERY SELECT cards.status, members.registered_at IS NOT NULL, balance.*
        FROM tenants.cards
        JOIN tenants.members ON members.tenant_id = cards.tenant_id AND members.member_id = cards.member_id
        CROSS JOIN LATERAL ledger.balance(tenant, cards.member_id, on_date) AS balance
        WHERE cards.tenant_id = tenant AND cards.number = card;
END $$;
