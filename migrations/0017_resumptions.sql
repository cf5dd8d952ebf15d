-- A stop is an alarm: who lets the log go on says why, and that stays.
-- migrate:up

CREATE TABLE ledger_resumptions (
    why text NOT NULL,  -- It was stopped.
    stopped_at timestamptz NOT NULL,
    resumed_at timestamptz NOT NULL DEFAULT now(),
    login text NOT NULL DEFAULT session_user,
    because text NOT NULL CHECK (because ~ '\S')
);

CREATE TRIGGER ledger_resumptions_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_resumptions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();

-- Let appends go on; there is no other way for whoever is not the owner.
CREATE FUNCTION ledger_resume(because text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    WITH lifted AS (DELETE FROM ledger_stop RETURNING ledger_stop.*)
    INSERT INTO ledger_resumptions (why, stopped_at, because)
        SELECT l.why, l.stopped_at, ledger_resume.because FROM lifted l;
END;
$$;
REVOKE ALL ON FUNCTION ledger_resume(text) FROM PUBLIC;

-- migrate:down

DROP FUNCTION ledger_resume(text);
DROP TABLE ledger_resumptions;
