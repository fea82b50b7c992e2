-- The one place where a transfer, its postings, the wallet and what the outbox says of it are written. Every check
-- has passed before.
CREATE OR REPLACE FUNCTION ledger.write_transfer(
    books ledger.books, transfer ledger.transfers, wallet ledger.wallets, lines ledger.posting_line[]
) RETURNS ledger.transfers
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    line ledger.posting_line;
    new_balance bigint := wallet.balance;
    new_deficit bigint := wallet.deficit;
    new_held bigint := wallet.held;
BEGIN
    FOREACH line IN ARRAY lines LOOP
        new_balance := new_balance + CASE WHEN line.target = 'lot' THEN line.points ELSE 0 END
                           - CASE WHEN line.source = 'lot' THEN line.points ELSE 0 END;
        new_deficit := new_deficit + CASE WHEN line.source = 'deficit' THEN line.points ELSE 0 END
                           - CASE WHEN line.target = 'deficit' THEN line.points ELSE 0 END;
        new_held := new_held + CASE WHEN line.target = 'held' THEN line.points ELSE 0 END
                     - CASE WHEN line.source = 'held' THEN line.points ELSE 0 END;
    END LOOP;

    transfer.member_id := wallet.member_id;
    transfer.sequence := wallet.chain_length + 1;
    transfer.deficit_change := new_deficit - wallet.deficit;
    transfer.available_after := new_balance
        - ledger.expired_but_open(transfer.tenant_id, wallet.member_id, transfer.business_date);
    transfer.deficit_after := new_deficit;
    transfer.posted_at := clock_timestamp();
    transfer.hash := ledger.transfer_hash(wallet.chain_head, transfer, lines);

    INSERT INTO ledger.transfers
        (tenant_id, transfer_id, kind, member_id, sequence, card_id, store_id, terminal_id, order_ref,
         reverses_transfer_id, refers_to_transfer_id, amount, points, deficit_change, programme_version,
         occurred_at, posted_at, business_date, settlement_month, idempotency_key, request_hash, available_after,
         deficit_after, hash)
    VALUES (transfer.tenant_id, transfer.transfer_id, transfer.kind, transfer.member_id,
        transfer.sequence, transfer.card_id, transfer.store_id, transfer.terminal_id,
        transfer.order_ref, transfer.reverses_transfer_id, transfer.refers_to_transfer_id, transfer.amount, transfer.points,
        transfer.deficit_change, transfer.programme_version, transfer.occurred_at,
        transfer.posted_at, transfer.business_date, transfer.settlement_month,
        transfer.idempotency_key, transfer.request_hash, transfer.available_after,
        transfer.deficit_after, transfer.hash);
    INSERT INTO ledger.postings
        (tenant_id, settlement_month, transfer_id, line, business_date,
         source, source_id, target, target_id, funder_id, points, expires_on)
    SELECT transfer.tenant_id, transfer.settlement_month, transfer.transfer_id, number, transfer.business_date,
           source, source_id, target, target_id, funder_id, points, expires_on
    FROM unnest(lines) WITH ORDINALITY
        AS line (source, source_id, target, target_id, funder_id, points, expires_on, number);
    UPDATE ledger.wallets
    SET balance = new_balance, deficit = new_deficit, held = new_held, last_code_step = wallet.last_code_step,
        chain_length = transfer.sequence, chain_head = transfer.hash
    WHERE tenant_id = transfer.tenant_id AND member_id = wallet.member_id;
    IF books.events_wanted THEN
        INSERT INTO ledger.outbox (tenant_id, event_id, transfer_id, created_at)
        VALUES (transfer.tenant_id, transfer.transfer_id, transfer.transfer_id, transfer.posted_at);
    END IF;
    RETURN transfer;
END $$;
