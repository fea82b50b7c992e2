-- A UUIDv7 (RFC 9562) for the transfers that the ledger makes itself: holds that have run out.
CREATE OR REPLACE FUNCTION ledger.new_id() RETURNS uuid
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
    ), 52, 1), 53, 1), 'hex')::uuid;
END $$;

-- The smallest UUIDv7 of a moment: ids made from then on are greater.
CREATE OR REPLACE FUNCTION ledger.first_id_of(moment timestamptz) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN rpad(lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0'), 32, '0')::uuid;
END $$;
