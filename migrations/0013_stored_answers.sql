-- What commands with an Idempotency-Key were answered, so that the same request gets
-- the same answer. Keys stand here as hashes, answers sealed under keys made from them.
-- migrate:up

CREATE TABLE stored_answers (
    actor text NOT NULL,
    key text NOT NULL,
    request bytea NOT NULL CHECK (length(request) = 32),  -- SHA-256.
    attempt integer NOT NULL DEFAULT 1,  -- Only the newest may store its answer.
    started_at timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    sealed bytea,  -- NULL: in flight.
    PRIMARY KEY (actor, key)
);
CREATE INDEX stored_answers_started_at ON stored_answers (started_at);

-- migrate:down

DROP TABLE stored_answers;
