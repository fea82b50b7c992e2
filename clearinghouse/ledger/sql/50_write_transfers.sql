-- What a draft becomes once it is posted: its transfer with what it left the member, chained to the one before, and the
-- wallet as it is then.
CREATE OR REPLACE FUNCTION ledger.chained(draft ledger.transfer_draft) RETURNS ledger.transfer_draft
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    transfer ledger.transfers := draft.transfer;
    wallet ledger.wallets := draft.wallet;
    line ledger.posting_line;
BEGIN
    FOREACH line IN ARRAY draft.lines LOOP
        wallet.balance := wallet.balance + CASE WHEN line.target = 'lot' THEN line.points ELSE 0 END
                          - CASE WHEN line.source = 'lot' THEN line.points ELSE 0 END;
        wallet.deficit := wallet.deficit + CASE WHEN line.source = 'deficit' THEN line.points ELSE 0 END
                          - CASE WHEN line.target = 'deficit' THEN line.points ELSE 0 END;
        wallet.held := wallet.held + CASE WHEN line.target = 'held' THEN line.points ELSE 0 END
                       - CASE WHEN line.source = 'held' THEN line.points ELSE 0 END;
    END LOOP;
    wallet.chain_length := wallet.chain_length + 1;

    transfer.member_id := wallet.member_id;
    transfer.sequence := wallet.chain_length;
    transfer.deficit_change := wallet.deficit - (draft.wallet).deficit;
    transfer.available_after := wallet.balance - draft.expired;
    transfer.deficit_after := wallet.deficit;
    transfer.posted_at := clock_timestamp();
    transfer.hash := ledger.transfer_hash(wallet.chain_head, transfer, draft.lines);
    wallet.chain_head := transfer.hash;
    RETURN ROW(draft.outcome, NULL, NULL, transfer, draft.lines, wallet, NULL)::ledger.transfer_draft;
END $$;

-- The one place where transfers, their postings and lots, the wallets and what the outbox says of them are written: at
-- most one transfer of each wallet. Every check has passed before. The drafts as they were posted; the others as given.
CREATE OR REPLACE FUNCTION ledger.write_transfers(books ledger.books, drafts ledger.transfer_draft[])
RETURNS ledger.transfer_draft[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    transfers ledger.transfers[] := '{}';
BEGIN
    FOR number IN 1 .. cardinality(drafts) LOOP
        IF drafts[number].outcome = 'posted' THEN
            drafts[number] := ledger.chained(drafts[number]);
            transfers := transfers || drafts[number].transfer;
        END IF;
    END LOOP;
    IF transfers = '{}' THEN
        RETURN drafts;
    END IF;

    PERFORM ledger.open_lots(drafts);
    INSERT INTO ledger.transfers SELECT * FROM unnest(transfers);
    INSERT INTO ledger.postings
        (tenant_id, settlement_month, transfer_id, line, business_date,
         source, source_id, target, target_id, funder_id, points, expires_on)
    SELECT books.tenant_id, (transfer).settlement_month, (transfer).transfer_id, number, (transfer).business_date,
           line.source, line.source_id, line.target, line.target_id, line.funder_id, line.points, line.expires_on
    FROM unnest(drafts)
    CROSS JOIN LATERAL unnest(lines) WITH ORDINALITY
        AS line (source, source_id, target, target_id, funder_id, points, expires_on, number);
    UPDATE ledger.wallets
    SET balance = (after.wallet).balance, deficit = (after.wallet).deficit, held = (after.wallet).held,
        last_code_step = (after.wallet).last_code_step, chain_length = (after.wallet).chain_length,
        chain_head = (after.wallet).chain_head
    FROM unnest(drafts) AS after
    WHERE wallets.tenant_id = books.tenant_id AND wallets.member_id = (after.wallet).member_id;
    IF books.events_wanted THEN
        INSERT INTO ledger.outbox (tenant_id, event_id, transfer_id, created_at)
        SELECT tenant_id, transfer_id, transfer_id, posted_at FROM unnest(transfers);
    END IF;
    RETURN drafts;
END $$;

-- What some kinds write besides: what becomes of a hold, and lines that were bought or came back.
CREATE OR REPLACE FUNCTION ledger.write_details(event ledger.posting_event, transfer ledger.transfers) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF event.kind IN ('hold', 'capture', 'void', 'hold_expiry') THEN
        PERFORM ledger.write_hold(event, transfer);
    ELSIF event.purchase_lines IS NOT NULL AND event.kind = 'accrual' THEN
        PERFORM ledger.write_purchase_lines(transfer, event.purchase_lines);
    ELSIF event.purchase_lines IS NOT NULL THEN
        PERFORM ledger.write_returned_lines(transfer, event.purchase_lines);
    END IF;
END $$;
