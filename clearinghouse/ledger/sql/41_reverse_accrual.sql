-- Take back what an accrual issued: what is left of its own lots, what of them has expired unused, then the
-- member's other live lots, soonest expiry first; the rest has been spent and becomes a deficit.
CREATE OR REPLACE FUNCTION ledger.reverse_accrual(
    tenant uuid, event ledger.posting_event, wallet ledger.wallets, original ledger.transfers
) RETURNS ledger.posting_line[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lines ledger.posting_line[] := '{}';
    others ledger.posting_line[];
    lot ledger.lots;
    own_lots ledger.lots[] := '{}';
    spent bigint;
BEGIN
    -- All own lots first, so that none of them counts as another's other lot.
    FOR lot IN SELECT lots.* FROM ledger.opened_lots(tenant, original) AS lots LOOP
        UPDATE ledger.lots SET remaining = 0, expired = 0 WHERE tenant_id = tenant AND lot_id = lot.lot_id;
        own_lots := own_lots || lot;
        IF lot.remaining > 0 THEN
            lines := lines || ROW('lot', lot.lot_id, 'issued', lot.funder_id, lot.funder_id,
                                  lot.remaining, NULL)::ledger.posting_line;
        END IF;
        IF lot.expired > 0 THEN
            lines := lines || ROW('expired', lot.lot_id, 'issued', lot.funder_id, lot.funder_id,
                                  lot.expired, NULL)::ledger.posting_line;
        END IF;
    END LOOP;

    FOREACH lot IN ARRAY own_lots LOOP
        spent := lot.points - lot.remaining - lot.expired;
        others := ledger.consume_lots(tenant, wallet.member_id, event.business_date, spent, 'issued', lot.funder_id);
        lines := lines || others;
        spent := spent - coalesce((SELECT sum(points) FROM unnest(others)), 0);
        IF spent > 0 THEN
            lines := lines || ROW('deficit', wallet.member_id, 'issued', lot.funder_id, lot.funder_id,
                                  spent, NULL)::ledger.posting_line;
        END IF;
    END LOOP;
    RETURN lines;
END $$;
