-- A side of the inbox is emptied only by whoever sees all that is in it.
--
-- An older snapshot does not show the append of a writer that has committed since, and
-- TRUNCATE would take it all the same: an event that never gets a position.
-- migrate:up

CREATE OR REPLACE FUNCTION ledger_empty_inbox(idle regclass) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    holds_some boolean;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RETURN;  -- Its snapshot may be older than the lock.
    END IF;
    EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE NOWAIT', idle);
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', idle) INTO holds_some;
    IF NOT holds_some THEN
        EXECUTE format('TRUNCATE ONLY %s', idle);
    END IF;
EXCEPTION WHEN lock_not_available THEN
    NULL;  -- The next batch tries again.
END;
$$;

-- migrate:down

CREATE OR REPLACE FUNCTION ledger_empty_inbox(idle regclass) RETURNS void
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
