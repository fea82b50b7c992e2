-- The lines of a purchase with what has not come back yet of each, in minor units.
CREATE OR REPLACE FUNCTION ledger.lines_left(tenant uuid, purchase uuid)
RETURNS TABLE (line text, rate numeric, amount_left bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
        SELECT bought.line, bought.rate, bought.amount - coalesce((
            SELECT sum(returned.amount) FROM ledger.transfers reversals
            JOIN ledger.purchase_lines returned USING (tenant_id, transfer_id)
            WHERE reversals.tenant_id = tenant AND reversals.reverses_transfer_id = purchase
              AND returned.line = bought.line), 0)::bigint
        FROM ledger.purchase_lines bought WHERE bought.tenant_id = tenant AND bought.transfer_id = purchase;
END $$;

-- How many points and how much money a reversal undoes, in transfer.points and transfer.amount: by lines, by amount,
-- by points, or all that is left. Counted on the total, so that many small returns come to the same as a large one:
-- of an accrual the points kept are rounded down, of a redemption the points given back.
CREATE OR REPLACE FUNCTION ledger.size_of_reversal(
    event ledger.posting_event, wallet ledger.wallets, original ledger.transfers, transfer ledger.transfers,
    points_left bigint, amount_left bigint
) RETURNS ledger.transfer_draft
LANGUAGE plpgsql STABLE AS $$
DECLARE
    kept bigint;
    wrong record;
BEGIN
    IF event.purchase_lines IS NOT NULL THEN
        SELECT wanted.line, wanted.amount, bought.amount_left INTO wrong
        FROM jsonb_to_recordset(event.purchase_lines) AS wanted (line text, amount bigint)
        LEFT JOIN ledger.lines_left(wallet.tenant_id, original.transfer_id) AS bought USING (line)
        WHERE bought.line IS NULL OR bought.amount_left = 0 OR wanted.amount > bought.amount_left
        ORDER BY bought.line NULLS FIRST LIMIT 1;
        IF FOUND AND wrong.amount_left IS NULL THEN
            RETURN ledger.refusal('line_unknown', jsonb_build_object('line', wrong.line));
        ELSIF FOUND THEN
            RETURN ledger.refusal('more_than_left', jsonb_build_object(
                'line', wrong.line, 'amount_left', wrong.amount_left));
        END IF;
        SELECT coalesce(sum(coalesce(wanted.amount, bought.amount_left)) FILTER (WHERE wanted.line IS NOT NULL), 0),
               floor(sum(bought.rate * CASE WHEN wanted.line IS NULL THEN bought.amount_left
                         ELSE bought.amount_left - coalesce(wanted.amount, bought.amount_left) END))
        INTO transfer.amount, kept
        FROM ledger.lines_left(wallet.tenant_id, original.transfer_id) AS bought
        LEFT JOIN jsonb_to_recordset(event.purchase_lines) AS wanted (line text, amount bigint) USING (line);
        transfer.points := greatest(points_left - kept, 0);
    ELSIF event.amount IS NOT NULL THEN
        transfer.amount := event.amount;
        IF event.amount <= amount_left THEN
            transfer.points := CASE original.kind
                WHEN 'accrual' THEN
                    points_left - div(original.points::numeric * (amount_left - event.amount), original.amount)
                ELSE
                    div(original.points::numeric * (original.amount - amount_left + event.amount), original.amount)
                    - (original.points - points_left)
                END;
            transfer.points := greatest(transfer.points, 0);
        END IF;
    ELSIF event.points IS NOT NULL THEN
        transfer.points := event.points;
        transfer.amount := div(amount_left::numeric * least(event.points, points_left), greatest(points_left, 1));
    ELSE
        transfer.points := points_left;
        transfer.amount := amount_left;
    END IF;
    IF transfer.amount > amount_left OR transfer.points > points_left THEN
        RETURN ledger.refusal('more_than_left', jsonb_build_object(
            'points_left', points_left, 'amount_left', amount_left));
    END IF;
    RETURN ROW('posted', NULL, NULL, transfer, NULL, wallet, NULL)::ledger.transfer_draft;
END $$;

-- Take `wanted` points of an accrual back, of which `undone` were taken back before: what is left of its own lots,
-- what of them has expired unused, the member's other live lots, soonest expiry first; what has been spent the member
-- owes, or the store that returned the goods bears (policy 'clamp'). Of several lots the one opened first goes first.
CREATE OR REPLACE FUNCTION ledger.take_back(
    tenant uuid, event ledger.posting_event, wallet ledger.wallets, original ledger.transfers,
    undone bigint, wanted bigint
) RETURNS ledger.posting_line[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lines ledger.posting_line[] := '{}';
    others ledger.posting_line[];
    spent ledger.posting_line[] := '{}';
    missing ledger.posting_line;
    lot ledger.lots;
    share bigint;
    part bigint;
BEGIN
    -- All own lots first, so that none of them counts as another's other lot.
    FOR lot IN SELECT lots.* FROM ledger.opened_lots(tenant, original) AS lots LOOP
        share := least(greatest(lot.points - undone, 0), wanted);
        undone := greatest(undone - lot.points, 0);
        wanted := wanted - share;
        CONTINUE WHEN share = 0;
        part := least(share, lot.remaining);
        IF part > 0 THEN
            UPDATE ledger.lots SET remaining = remaining - part WHERE tenant_id = tenant AND lot_id = lot.lot_id;
            lines := lines || ROW('lot', lot.lot_id, 'issued', lot.funder_id, lot.funder_id, part,
                                  NULL)::ledger.posting_line;
            share := share - part;
        END IF;
        part := least(share, lot.expired);
        IF part > 0 THEN
            UPDATE ledger.lots SET expired = expired - part WHERE tenant_id = tenant AND lot_id = lot.lot_id;
            lines := lines || ROW('expired', lot.lot_id, 'issued', lot.funder_id, lot.funder_id, part,
                                  NULL)::ledger.posting_line;
            share := share - part;
        END IF;
        IF share > 0 THEN
            spent := spent || ROW('issued', lot.funder_id, NULL, NULL, lot.funder_id, share, NULL)::ledger.posting_line;
        END IF;
    END LOOP;

    FOREACH missing IN ARRAY spent LOOP
        others := ledger.consume_lots(
            tenant, wallet.member_id, event.business_date, missing.points, 'issued', missing.funder_id);
        lines := lines || others;
        part := missing.points - coalesce((SELECT sum(points) FROM unnest(others)), 0);
        IF part > 0 AND event.return_policy = 'clamp' THEN
            lines := lines || ROW('borne', event.store_id, 'issued', missing.funder_id, missing.funder_id, part,
                                  NULL)::ledger.posting_line;
        ELSIF part > 0 THEN
            lines := lines || ROW('deficit', wallet.member_id, 'issued', missing.funder_id, missing.funder_id, part,
                                  NULL)::ledger.posting_line;
        END IF;
    END LOOP;
    RETURN lines;
END $$;

-- Undo `wanted` points of a redemption or capture, of which `undone` were undone before: last consumed, first given
-- back, so that the member gets first what keeps longest. What no lot had covered is undone before any lot: a store
-- that bore it bears it no more; a member who owed it owes it no more, and has a new lot where that was repaid since.
CREATE OR REPLACE FUNCTION ledger.undo_redemption(
    tenant uuid, event ledger.posting_event, wallet ledger.wallets, original ledger.transfers,
    undone bigint, wanted bigint
) RETURNS ledger.posting_line[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lines ledger.posting_line[] := '{}';
    given_back ledger.posting_line[];
    posting ledger.postings;
    owed bigint := wallet.deficit;
    part bigint;
    repaid bigint;
BEGIN
    FOR posting IN
        SELECT * FROM ledger.postings
        WHERE tenant_id = tenant AND settlement_month = original.settlement_month
          AND transfer_id = original.transfer_id AND target = 'recovered'
        ORDER BY line DESC
    LOOP
        part := least(greatest(posting.points - undone, 0), wanted);
        undone := greatest(undone - posting.points, 0);
        wanted := wanted - part;
        CONTINUE WHEN part = 0;
        IF posting.source = 'borne' THEN
            given_back := ARRAY[ROW('recovered', posting.target_id, 'borne', posting.source_id, posting.funder_id, part,
                                    NULL)::ledger.posting_line];
        ELSIF posting.source = 'deficit' THEN
            repaid := least(owed, part);
            given_back := ledger.cancel_advance(tenant, event, wallet, posting, part, repaid);
            owed := owed - repaid;
        ELSE
            given_back := ledger.give_back(tenant, wallet.member_id, event.business_date, event.grace_days, owed,
                'recovered', posting.target_id, posting.source_id, part);
            owed := owed - ledger.repaid_by(given_back);
        END IF;
        lines := lines || given_back;
    END LOOP;
    RETURN lines;
END $$;

-- Undo `part` points that head office had advanced: `still_owed` of them the member owes no more; the others have been
-- repaid since, and come back as a lot that head office funds.
CREATE OR REPLACE FUNCTION ledger.cancel_advance(
    tenant uuid, event ledger.posting_event, wallet ledger.wallets, advance ledger.postings,
    part bigint, still_owed bigint
) RETURNS ledger.posting_line[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lines ledger.posting_line[] := '{}';
    lot_id uuid := ledger.new_id();
BEGIN
    IF still_owed > 0 THEN
        lines := lines || ROW('recovered', advance.target_id, 'deficit', wallet.member_id, advance.funder_id,
                              still_owed, NULL)::ledger.posting_line;
    END IF;
    IF part > still_owed THEN
        INSERT INTO ledger.lots
            (tenant_id, lot_id, member_id, funder_id, transfer_id, issued_on, expires_on, points, remaining)
        VALUES (tenant, lot_id, wallet.member_id, advance.funder_id, event.transfer_id, event.business_date,
                event.expires_on, part - still_owed, part - still_owed);
        lines := lines || ROW('recovered', advance.target_id, 'lot', lot_id, advance.funder_id, part - still_owed,
                              event.expires_on)::ledger.posting_line;
    END IF;
    RETURN lines;
END $$;

CREATE OR REPLACE FUNCTION ledger.reverse(
    event ledger.posting_event, wallet ledger.wallets, original ledger.transfers, transfer ledger.transfers
) RETURNS ledger.transfer_draft
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    draft ledger.transfer_draft;
    undone record;
BEGIN
    SELECT coalesce(sum(points), 0)::bigint AS points, coalesce(sum(amount), 0)::bigint AS amount,
           (array_agg(transfer_id ORDER BY sequence DESC))[1] AS last_id
    INTO undone FROM ledger.transfers
    WHERE tenant_id = wallet.tenant_id AND reverses_transfer_id = original.transfer_id;
    IF undone.last_id IS NOT NULL AND undone.points = original.points AND undone.amount = original.amount THEN
        RETURN ledger.refusal('already_reversed', jsonb_build_object('transfer_id', undone.last_id));
    END IF;

    transfer.card_id := original.card_id;
    transfer.reverses_transfer_id := original.transfer_id;
    transfer.programme_version := original.programme_version;
    draft := ledger.size_of_reversal(
        event, wallet, original, transfer, original.points - undone.points, original.amount - undone.amount);
    IF draft.code IS NOT NULL THEN
        RETURN draft;
    END IF;
    IF original.kind = 'accrual' THEN
        draft.lines := ledger.take_back(
            wallet.tenant_id, event, wallet, original, undone.points, (draft.transfer).points);
    ELSE
        draft.lines := ledger.undo_redemption(
            wallet.tenant_id, event, wallet, original, undone.points, (draft.transfer).points);
    END IF;
    RETURN draft;
END $$;

-- The lines that came back, under the reversal's own id; called when the transfer has been written.
CREATE OR REPLACE FUNCTION ledger.write_returned_lines(transfer ledger.transfers, wanted jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO ledger.purchase_lines (tenant_id, transfer_id, line, amount, rate)
    SELECT transfer.tenant_id, transfer.transfer_id, line, coalesce(returned.amount, bought.amount_left), bought.rate
    FROM jsonb_to_recordset(wanted) AS returned (line text, amount bigint)
    JOIN ledger.lines_left(transfer.tenant_id, transfer.reverses_transfer_id) AS bought USING (line);
END $$;

CREATE OR REPLACE FUNCTION ledger.write_purchase_lines(transfer ledger.transfers, bought jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO ledger.purchase_lines (tenant_id, transfer_id, line, amount, rate)
    SELECT transfer.tenant_id, transfer.transfer_id, line, amount, rate
    FROM jsonb_to_recordset(bought) AS bought (line text, amount bigint, rate numeric);
END $$;
