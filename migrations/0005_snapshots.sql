-- Aggregates as they were after many events: a cache, rebuilt by whoever loads them.
-- migrate:up

-- Unlogged: nothing waits for the disk, and a crash of the server empties it.
CREATE UNLOGGED TABLE ledger_snapshots (
    stream_id uuid PRIMARY KEY,
    version bigint NOT NULL,
    code bytea NOT NULL CHECK (length(code) = 32),  -- SHA-256 of the code it is of.
    state bytea NOT NULL,
    sha256 bytea NOT NULL  -- Of the state.
);

-- migrate:down

DROP TABLE ledger_snapshots;
