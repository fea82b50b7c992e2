-- The cut-off between months. A posting holds the network's advisory lock shared until it has committed, and
-- reads the open month after it has the lock; closing a month takes it exclusively. A lock on the row of
-- ledger.books instead would leave the postings that queued behind a close with the month they had read before.
CREATE OR REPLACE FUNCTION ledger.cut_off_key(tenant uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN hashtextextended(tenant::text, 0);
