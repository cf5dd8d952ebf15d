-- Appends without a table lock; gapless positions given by a sequencer, after commit.
--
--     append ──► ledger_events + ledger_inbox ── sequencer ──► ledger_log, ledger_head
--
-- All writing goes through the functions below. They run as the owner of the tables, so
-- that whoever may call them need not be allowed to write anything else.
-- migrate:up

-- RFC 6962 leaf hash of an event; the leaf itself is that of ledger/log/leaf.py.
CREATE FUNCTION leaf_hash_of(originator_id uuid, version bigint, topic text, state bytea)
RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sha256('\x00'::bytea || convert_to(
        E'eticket-ledger/leaf/2\n' || originator_id || E'\n' || version || E'\n'
        || topic || E'\n' || encode(sha256(state), 'hex') || E'\n', 'UTF8'))
$$;

-- The order of the log: position = leaf index + 1, without a gap.
CREATE TABLE ledger_log (
    position bigint PRIMARY KEY CHECK (position > 0),
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    leaf_hash bytea NOT NULL CHECK (length(leaf_hash) = 32),
    UNIQUE (originator_id, originator_version)
) WITH (
    -- Rows never die here either; statistics are wanted all the same.
    autovacuum_vacuum_threshold = 100000000,
    autovacuum_vacuum_scale_factor = 0.5,
    autovacuum_analyze_threshold = 1000,
    autovacuum_analyze_scale_factor = 0.01
);

-- How long the log is, and the side of the inbox that takes new appends.
CREATE TABLE ledger_head (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    size bigint NOT NULL CHECK (size >= 0),
    side smallint NOT NULL DEFAULT 0 CHECK (side IN (0, 1))
) WITH (fillfactor = 10);

-- Committed appends that have no positions yet: one row an append, so that its events
-- stay together. Two sides in turn: the idle one is emptied for good by TRUNCATE, for
-- deleted rows stay on disk while any old transaction is open.
CREATE SEQUENCE ledger_tickets CACHE 1;  -- The order within a stream depends on it.
CREATE TABLE ledger_inbox (
    side smallint NOT NULL,
    ticket bigint NOT NULL,
    originator_ids uuid[] NOT NULL,
    versions bigint[] NOT NULL,
    leaf_hashes bytea[] NOT NULL,
    received_at timestamptz NOT NULL
) PARTITION BY LIST (side);
ALTER TABLE ledger_inbox  -- Soon gone, so not worth compressing.
    ALTER originator_ids SET STORAGE EXTERNAL,
    ALTER versions SET STORAGE EXTERNAL,
    ALTER leaf_hashes SET STORAGE EXTERNAL;
CREATE TABLE ledger_inbox_0 PARTITION OF ledger_inbox FOR VALUES IN (0);
CREATE TABLE ledger_inbox_1 PARTITION OF ledger_inbox FOR VALUES IN (1);

-- Commands that were carried out: an actor's key stands for one request, once.
CREATE TABLE ledger_commands (
    actor text NOT NULL,
    key text NOT NULL,
    request bytea NOT NULL CHECK (length(request) = 32),  -- SHA-256.
    originator_id uuid NOT NULL,  -- The last event that it recorded.
    originator_version bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (actor, key)
);

-- While there is a row, nothing is appended.
CREATE TABLE ledger_stop (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    why text NOT NULL,
    stopped_at timestamptz NOT NULL DEFAULT now()
);

-- What was recorded under the table's lock is sequenced in its order.
INSERT INTO ledger_log (position, originator_id, originator_version, leaf_hash)
    SELECT row_number() OVER (ORDER BY notification_id), originator_id,
        originator_version,
        leaf_hash_of(originator_id, originator_version, topic, state)
    FROM ledger_events;
INSERT INTO ledger_head (size) SELECT count(*) FROM ledger_log;
UPDATE projection_tracking t SET notification_id =
    (SELECT count(*) FROM ledger_events e WHERE e.notification_id <= t.notification_id);
UPDATE projection_stops s SET position =
    (SELECT count(*) FROM ledger_events e WHERE e.notification_id <= s.position);
ALTER TABLE ledger_events
    DROP COLUMN notification_id,
    ALTER topic SET NOT NULL,
    ALTER state SET NOT NULL;

CREATE TRIGGER ledger_log_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER ledger_commands_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_commands
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();

-- SQLSTATE LG001: the log is stopped; LG002: the command was carried out before.
CREATE FUNCTION ledger_admit(
    by_actor text, by_key text, by_request bytea, last_id uuid, last_version bigint
) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    stopped text := (SELECT why FROM ledger_stop);
BEGIN
    IF stopped IS NOT NULL THEN
        RAISE EXCEPTION '%', stopped USING ERRCODE = 'LG001';
    END IF;
    IF by_key IS NOT NULL THEN
        INSERT INTO ledger_commands
        VALUES (by_actor, by_key, by_request, last_id, last_version, now())
        ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the command was carried out before'
                USING ERRCODE = 'LG002';
        END IF;
    END IF;
END;
$$;

-- Append events, all or nothing. They have positions once they are sequenced.
-- SQLSTATE 23505: another writer has such a version; 23514: a version is jumped over;
-- and those of ledger_admit.
CREATE FUNCTION ledger_append(
    ids uuid[], versions bigint[], topics text[], states bytea[],
    by_actor text DEFAULT NULL, by_key text DEFAULT NULL, by_request bytea DEFAULT NULL
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    last integer := cardinality(ids);
    missing record;
BEGIN
    PERFORM ledger_admit(by_actor, by_key, by_request, ids[last], versions[last]);
    INSERT INTO ledger_events (originator_id, originator_version, topic, state)
        SELECT * FROM unnest(ids, versions, topics, states);
    SELECT e.id, e.version INTO missing FROM unnest(ids, versions) AS e (id, version)
        WHERE e.version > 1 AND NOT EXISTS (
            SELECT FROM ledger_events p WHERE p.originator_id = e.id
                AND p.originator_version = e.version - 1)
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'stream % has no version before %', missing.id, missing.version
            USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO ledger_inbox
        SELECT (SELECT side FROM ledger_head), nextval('ledger_tickets'), ids, versions,
            array_agg(leaf_hash_of(e.id, e.version, e.topic, e.state) ORDER BY e.nr),
            clock_timestamp()
        FROM unnest(ids, versions, topics, states)
            WITH ORDINALITY AS e (id, version, topic, state, nr);
END;
$$;

-- The same for one event, which most appends have: arrays cost more than the rest.
CREATE FUNCTION ledger_append_one(
    id uuid, version bigint, topic text, state bytea,
    by_actor text DEFAULT NULL, by_key text DEFAULT NULL, by_request bytea DEFAULT NULL
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF by_key IS NOT NULL OR EXISTS (SELECT FROM ledger_stop) THEN
        PERFORM ledger_admit(by_actor, by_key, by_request, id, version);
    END IF;
    INSERT INTO ledger_events VALUES (id, version, topic, state);
    IF version > 1 AND NOT EXISTS (SELECT FROM ledger_events
        WHERE originator_id = id AND originator_version = version - 1)
    THEN
        RAISE EXCEPTION 'stream % has no version before %', id, version
            USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO ledger_inbox VALUES (
        (SELECT side FROM ledger_head), nextval('ledger_tickets'), ARRAY[id],
        ARRAY[version], ARRAY[leaf_hash_of(id, version, topic, state)],
        clock_timestamp());
END;
$$;

-- One sequencer at a time; whoever holds this to the end of its transaction is it.
-- Should two ever work at once, the keys of ledger_log let only one of them commit.
CREATE FUNCTION ledger_sequencer_lock() RETURNS bigint
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT hashtextextended('eticket-ledger sequencer ' || current_schema(), 0)
$$;

-- For the holder of the lock: give positions to what waits longest; return how many
-- events that was.
CREATE FUNCTION ledger_give_positions(batch_max integer) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    before bigint;
    given bigint;
    active regclass;
    idle regclass;
BEGIN
    SELECT size, CASE side WHEN 0 THEN 'ledger_inbox_0' ELSE 'ledger_inbox_1' END,
        CASE side WHEN 0 THEN 'ledger_inbox_1' ELSE 'ledger_inbox_0' END
        INTO before, active, idle FROM ledger_head;
    WITH taken AS (
        DELETE FROM ledger_inbox WHERE ticket <= (
            SELECT max(ticket) FROM (
                SELECT ticket FROM ledger_inbox ORDER BY ticket LIMIT batch_max) AS due)
        RETURNING ticket, originator_ids, versions, leaf_hashes
    ), placed AS (
        INSERT INTO ledger_log (position, originator_id, originator_version, leaf_hash)
            SELECT before + row_number() OVER (ORDER BY t.ticket, e.nr), e.id, e.version,
                e.leaf_hash
            FROM taken AS t, unnest(t.originator_ids, t.versions, t.leaf_hashes)
                WITH ORDINALITY AS e (id, version, leaf_hash, nr)
        RETURNING 1
    ) SELECT count(*) INTO given FROM placed;
    IF given > 0 THEN
        UPDATE ledger_head SET size = before + given;
        PERFORM pg_notify(current_schema() || '_log', '');
        IF pg_relation_size(idle) > 0 THEN
            PERFORM ledger_empty_inbox(idle);
        ELSIF pg_relation_size(active) > 1048576 THEN
            UPDATE ledger_head SET side = 1 - side;
        END IF;
    END IF;
    RETURN given;
END;
$$;

-- Give back the disk space of the idle side, unless a writer is still at it.
CREATE FUNCTION ledger_empty_inbox(idle regclass) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    holds_some boolean;
BEGIN
    EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE NOWAIT', idle);
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', idle) INTO holds_some;
    IF NOT holds_some THEN
        EXECUTE format('TRUNCATE ONLY %s', idle);
    END IF;
EXCEPTION WHEN lock_not_available THEN
    NULL;  -- The next batch tries again.
END;
$$;

-- Sequence a batch; return how many events, NULL while somebody else is at it.
CREATE FUNCTION ledger_sequence(batch_max integer DEFAULT 10000) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(ledger_sequencer_lock()) THEN
        RETURN NULL;
    END IF;
    RETURN ledger_give_positions(batch_max);
END;
$$;

-- Return the position of a committed event; if it has none yet, sequence. Whoever waits
-- for a sequencer at work finds his own event placed when his turn comes, mostly.
-- NULL: there is no such event.
CREATE FUNCTION ledger_place(stream uuid, version bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    found_at bigint;
BEGIN
    SELECT position INTO found_at FROM ledger_log
        WHERE originator_id = stream AND originator_version = version;
    IF NOT FOUND THEN
        PERFORM pg_advisory_xact_lock(ledger_sequencer_lock());
        LOOP
            SELECT position INTO found_at FROM ledger_log
                WHERE originator_id = stream AND originator_version = version;
            EXIT WHEN FOUND OR ledger_give_positions(10000) = 0;
        END LOOP;
    END IF;
    RETURN found_at;
END;
$$;

REVOKE ALL ON FUNCTION
    ledger_admit(text, text, bytea, uuid, bigint),
    ledger_append(uuid[], bigint[], text[], bytea[], text, text, bytea),
    ledger_append_one(uuid, bigint, text, bytea, text, text, bytea),
    ledger_sequencer_lock(), ledger_give_positions(integer),
    ledger_empty_inbox(regclass), ledger_sequence(integer), ledger_place(uuid, bigint)
    FROM PUBLIC;

-- migrate:down

ALTER TABLE ledger_events
    ADD notification_id bigint,
    ALTER topic DROP NOT NULL,
    ALTER state DROP NOT NULL;
ALTER TABLE ledger_events DISABLE TRIGGER ledger_events_append_only;
UPDATE ledger_events e SET notification_id = l.position FROM ledger_log l
    WHERE (l.originator_id, l.originator_version)
        = (e.originator_id, e.originator_version);
ALTER TABLE ledger_events ENABLE TRIGGER ledger_events_append_only;
CREATE SEQUENCE ledger_events_notification_id_seq OWNED BY ledger_events.notification_id;
SELECT setval('ledger_events_notification_id_seq', size + 1, false) FROM ledger_head;
ALTER TABLE ledger_events
    ALTER notification_id SET DEFAULT nextval('ledger_events_notification_id_seq'),
    ALTER notification_id SET NOT NULL;
CREATE UNIQUE INDEX ledger_events_notification_id_idx
    ON ledger_events (notification_id ASC);
DROP FUNCTION ledger_place(uuid, bigint);
DROP FUNCTION ledger_sequence(integer);
DROP FUNCTION ledger_empty_inbox(regclass);
DROP FUNCTION ledger_give_positions(integer);
DROP FUNCTION ledger_sequencer_lock();
DROP FUNCTION ledger_append_one(uuid, bigint, text, bytea, text, text, bytea);
DROP FUNCTION ledger_append(uuid[], bigint[], text[], bytea[], text, text, bytea);
DROP FUNCTION ledger_admit(text, text, bytea, uuid, bigint);
DROP TABLE ledger_stop;
DROP TABLE ledger_commands;
DROP TABLE ledger_inbox;
DROP SEQUENCE ledger_tickets;
DROP TABLE ledger_head;
DROP TABLE ledger_log;
DROP FUNCTION leaf_hash_of(uuid, bigint, text, bytea);
