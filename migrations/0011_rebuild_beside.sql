-- A view derived anew beside the one that is read, and put in its place at the end.
--
--     <schema>.wallet  is read, and follows    projection_tracking: its bookmark
--     <schema>-anew.wallet  is being filled    projection_rebuilds: its bookmark
--
-- The second schema is a workroom: it is made when the first rebuild begins and goes
-- when the last one has ended. No log has such a name. The functions run as the owner
-- of the tables, since whoever moves views may neither make nor drop them.
-- migrate:up

-- The tables of each view: only these are ever made anew.
CREATE TABLE projection_tables (
    name text PRIMARY KEY,
    view text NOT NULL
);
INSERT INTO projection_tables (name, view) VALUES
    ('ownership', 'ownership'),
    ('freshness_media', 'freshness'),
    ('freshness_slots', 'freshness'),
    ('freshness_tickets', 'freshness'),
    ('freshness_holds', 'freshness'),
    ('wallet', 'wallet'),
    ('wallet_holds', 'wallet'),
    ('notices', 'notices'),
    ('notices_tickets', 'notices'),
    ('accounts', 'accounts'),
    ('gifts', 'gifts');

-- Rebuilds that have begun and not ended.
CREATE TABLE projection_rebuilds (
    name text PRIMARY KEY,
    position bigint NOT NULL,  -- Of the last event taken in.
    code text NOT NULL,  -- SHA-256 of the code that fills it, in hex.
    shape text NOT NULL,  -- Of the tables when it began.
    error text,  -- The event that did not fit.
    started_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION projection_workroom() RETURNS text
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT current_schema() || '-anew'
$$;

-- The workroom is made, filled and left by one transaction at a time.
CREATE FUNCTION projection_workroom_lock() RETURNS void
LANGUAGE sql VOLATILE SET search_path FROM CURRENT AS $$
    SELECT pg_advisory_xact_lock(
        hashtextextended('eticket-ledger workroom ' || current_schema(), 0))
$$;

-- Everything that makes a view's tables what they are, but for who may do what.
CREATE FUNCTION projection_shape(view_name text) RETURNS text
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    WITH its AS (
        SELECT c.oid, c.relname::text, c.reloptions
        FROM projection_tables t JOIN pg_class c ON c.relname = t.name
            AND c.relnamespace = current_schema()::regnamespace
        WHERE t.view = view_name
    ), said (line) AS (
        SELECT format('%s options %s', relname, reloptions) FROM its
        UNION ALL
        SELECT format('%s column %s %s %s null:%s %s', relname,
            row_number() OVER (PARTITION BY its.oid ORDER BY attnum), attname,
            format_type(atttypid, atttypmod), NOT attnotnull,
            pg_get_expr(adbin, adrelid))
        FROM its JOIN pg_attribute a ON a.attrelid = its.oid
            LEFT JOIN pg_attrdef ON adrelid = its.oid AND adnum = attnum
        WHERE attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT format('%s %s %s', relname, conname, pg_get_constraintdef(x.oid))
        FROM its JOIN pg_constraint x ON x.conrelid = its.oid
        UNION ALL
        SELECT format('%s %s', relname, pg_get_indexdef(indexrelid))
        FROM its JOIN pg_index ON indrelid = its.oid
    )
    SELECT string_agg(line, E'\n' ORDER BY line) FROM said
$$;

-- Owner and grants of one table become those of another.
CREATE FUNCTION projection_same_rights(new_table regclass, old_table regclass)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    owners_name text;
    change text;
BEGIN
    SELECT o.relowner::regrole INTO owners_name FROM pg_class o, pg_class n
        WHERE o.oid = old_table AND n.oid = new_table AND o.relowner <> n.relowner;
    IF FOUND THEN
        EXECUTE format('ALTER TABLE %s OWNER TO %s', new_table, owners_name);
    END IF;
    FOR change IN
        WITH old AS (SELECT a.grantee, a.privilege_type, a.is_grantable
            FROM pg_class, aclexplode(relacl) a WHERE oid = old_table),
        new AS (SELECT a.grantee, a.privilege_type, a.is_grantable
            FROM pg_class, aclexplode(relacl) a WHERE oid = new_table)
        SELECT format('REVOKE %s ON %s FROM %s', privilege_type, new_table,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
        FROM (SELECT * FROM new EXCEPT SELECT * FROM old) AS extra
        UNION ALL
        SELECT format('GRANT %s ON %s TO %s%s', privilege_type, new_table,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
            CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END)
        FROM (SELECT * FROM old EXCEPT SELECT * FROM new) AS missing
        ORDER BY 1 DESC  -- What is revoked may be granted again in another way.
    LOOP
        EXECUTE change;
    END LOOP;
END;
$$;

-- Give up what was rebuilt of a view so far. The one that is read stays as it is.
CREATE FUNCTION projection_rebuild_drop(view_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    workroom text := projection_workroom();
    its_name text;
BEGIN
    PERFORM projection_workroom_lock();
    DELETE FROM projection_rebuilds WHERE name = view_name;
    FOR its_name IN SELECT name FROM projection_tables WHERE view = view_name LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I.%I', workroom, its_name);
    END LOOP;
    -- Who may not make it again had it from an administrator, and keeps it.
    IF to_regnamespace(quote_ident(workroom)) IS NOT NULL
        AND has_database_privilege(current_database(), 'CREATE')
        AND NOT EXISTS (SELECT FROM pg_class JOIN pg_namespace n
            ON n.oid = relnamespace WHERE nspname = workroom)
    THEN
        EXECUTE format('DROP SCHEMA %I', workroom);
    END IF;
END;
$$;

-- Make a view's tables again, empty, beside those that are read; or find them as the
-- same code left them. Return the position after which to go on.
CREATE FUNCTION projection_rebuild_begin(view_name text, by_code text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    home text := current_schema();
    workroom text := projection_workroom();
    its_shape text := projection_shape(view_name);
    reached bigint;
    its_name text;
    old_table text;
    new_table text;
    change text;
BEGIN
    PERFORM projection_workroom_lock();
    IF its_shape IS NULL THEN
        RAISE EXCEPTION 'there is no view %', view_name USING ERRCODE = '22023';
    END IF;
    SELECT r.position INTO reached FROM projection_rebuilds r
        WHERE name = view_name AND code = by_code AND shape = its_shape
        AND NOT EXISTS (SELECT FROM projection_tables t WHERE t.view = view_name
            AND to_regclass(format('%I.%I', workroom, t.name)) IS NULL);
    IF FOUND THEN
        UPDATE projection_rebuilds SET error = NULL WHERE name = view_name;
        RETURN reached;
    END IF;
    PERFORM projection_rebuild_drop(view_name);
    IF to_regnamespace(quote_ident(workroom)) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', workroom);
    ELSIF NOT (SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace
        WHERE nspname = workroom)
    THEN
        RAISE EXCEPTION 'the schema % belongs to somebody else', workroom
            USING ERRCODE = '42501';
    END IF;
    FOR change IN
        SELECT format('GRANT USAGE ON SCHEMA %I TO %s', workroom,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
        FROM pg_namespace, aclexplode(nspacl) a
        WHERE nspname = home AND a.privilege_type = 'USAGE' AND a.grantee <> nspowner
    LOOP
        EXECUTE change;
    END LOOP;
    FOR its_name IN SELECT name FROM projection_tables WHERE view = view_name LOOP
        old_table := format('%I.%I', home, its_name);
        new_table := format('%I.%I', workroom, its_name);
        EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING INDEXES)',
            new_table, old_table);
        -- Not by LIKE: indexes and their constraints keep their names.
        FOR change IN
            SELECT format('ALTER TABLE %s SET (%s)', new_table,
                array_to_string(reloptions, ', '))
            FROM pg_class WHERE oid = old_table::regclass AND reloptions IS NOT NULL
            UNION ALL
            SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', new_table, conname,
                pg_get_constraintdef(oid))
            FROM pg_constraint
            WHERE conrelid = old_table::regclass AND contype IN ('p', 'u', 'x')
            UNION ALL
            SELECT replace(pg_get_indexdef(indexrelid), ' ON ' || old_table || ' ',
                ' ON ' || new_table || ' ')
            FROM pg_index WHERE indrelid = old_table::regclass AND NOT EXISTS (
                SELECT FROM pg_constraint
                WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
        LOOP
            EXECUTE change;
        END LOOP;
        PERFORM projection_same_rights(new_table::regclass, old_table::regclass);
    END LOOP;
    INSERT INTO projection_rebuilds (name, position, code, shape)
        VALUES (view_name, 0, by_code, its_shape);
    RETURN 0;
END;
$$;

-- Let the planner know what has been filled in, before anybody reads it.
CREATE FUNCTION projection_rebuild_analyze(view_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    its_name text;
BEGIN
    FOR its_name IN SELECT name FROM projection_tables WHERE view = view_name LOOP
        EXECUTE format('ANALYZE %I.%I', projection_workroom(), its_name);
    END LOOP;
END;
$$;

-- Put the rebuilt tables in the place of those that are read, and the bookmark with
-- them. Return the bookmark. The caller sets a lock_timeout: whoever reads is waited
-- for, and whoever comes to read waits behind.
-- SQLSTATE 55000: what was rebuilt does not fit in, and is to be begun again.
CREATE FUNCTION projection_rebuild_swap(view_name text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    home text := current_schema();
    workroom text := projection_workroom();
    old_tables text := (SELECT string_agg(format('%I.%I', home, name), ', ')
        FROM projection_tables WHERE view = view_name);
    live bigint;
    rebuilt record;
    its_name text;
BEGIN
    -- The bookmark first, as whoever follows does.
    SELECT notification_id INTO live FROM projection_tracking
        WHERE application_name = view_name FOR UPDATE;
    PERFORM projection_workroom_lock();
    EXECUTE 'LOCK TABLE ' || old_tables || ' IN ACCESS EXCLUSIVE MODE';
    SELECT position, shape INTO rebuilt FROM projection_rebuilds
        WHERE name = view_name FOR UPDATE;
    IF NOT FOUND OR rebuilt.shape IS DISTINCT FROM projection_shape(view_name) THEN
        RAISE EXCEPTION 'the tables of % have changed since its rebuild began',
            view_name USING ERRCODE = '55000';
    END IF;
    IF rebuilt.position < live THEN
        RAISE EXCEPTION 'the rebuild of % is at %, the view at % already',
            view_name, rebuilt.position, live USING ERRCODE = '55000';
    END IF;
    FOR its_name IN SELECT name FROM projection_tables WHERE view = view_name LOOP
        PERFORM projection_same_rights(
            format('%I.%I', workroom, its_name)::regclass,
            format('%I.%I', home, its_name)::regclass);
    END LOOP;
    EXECUTE 'DROP TABLE ' || old_tables;
    FOR its_name IN SELECT name FROM projection_tables WHERE view = view_name LOOP
        EXECUTE format('ALTER TABLE %I.%I SET SCHEMA %I', workroom, its_name, home);
    END LOOP;
    INSERT INTO projection_tracking VALUES (view_name, rebuilt.position)
        ON CONFLICT (application_name)
        DO UPDATE SET notification_id = excluded.notification_id;
    DELETE FROM projection_stops WHERE name = view_name;
    PERFORM projection_rebuild_drop(view_name);
    RETURN rebuilt.position;
END;
$$;

REVOKE ALL ON FUNCTION
    projection_workroom(), projection_workroom_lock(), projection_shape(text),
    projection_same_rights(regclass, regclass), projection_rebuild_drop(text),
    projection_rebuild_begin(text, text), projection_rebuild_analyze(text),
    projection_rebuild_swap(text)
    FROM PUBLIC;

-- migrate:down

DO $$
BEGIN
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', projection_workroom());
END;
$$;
DROP FUNCTION projection_rebuild_swap(text);
DROP FUNCTION projection_rebuild_analyze(text);
DROP FUNCTION projection_rebuild_begin(text, text);
DROP FUNCTION projection_rebuild_drop(text);
DROP FUNCTION projection_same_rights(regclass, regclass);
DROP FUNCTION projection_shape(text);
DROP FUNCTION projection_workroom_lock();
DROP FUNCTION projection_workroom();
DROP TABLE projection_rebuilds;
DROP TABLE projection_tables;
