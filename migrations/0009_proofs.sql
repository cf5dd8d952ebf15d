-- The tree over the log in tiles, the checkpoints that were signed, and who cosigned.
-- migrate:up

-- C2SP tlog-tiles, full tiles only: a level's hashes are the roots of the one below.
CREATE TABLE ledger_tiles (
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
    index bigint NOT NULL CHECK (index >= 0),
    hashes bytea NOT NULL CHECK (length(hashes) = 8192),
    root bytea NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (level, index)
);
ALTER TABLE ledger_tiles ALTER hashes SET STORAGE EXTERNAL;  -- Hashes do not compress.

-- Every size the log was signed at. Published: the newest one with a quorum of
-- cosignatures, as the policy has it that is in force.
CREATE TABLE ledger_checkpoints (
    size bigint PRIMARY KEY CHECK (size >= 0),
    root bytea NOT NULL CHECK (length(root) = 32),
    note text NOT NULL,  -- With the log's own signatures.
    signed_at timestamptz NOT NULL
);
CREATE TABLE ledger_cosignatures (
    size bigint NOT NULL REFERENCES ledger_checkpoints (size),
    witness text NOT NULL,  -- The name of its key.
    line text NOT NULL,  -- As it stands under the note.
    cosigned_at timestamptz NOT NULL,
    PRIMARY KEY (size, witness)
);
CREATE INDEX ledger_cosignatures_witness_idx ON ledger_cosignatures (witness, size);

CREATE TRIGGER ledger_tiles_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_tiles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER ledger_checkpoints_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER ledger_cosignatures_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_cosignatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();

-- migrate:down

DROP TABLE ledger_cosignatures;
DROP TABLE ledger_checkpoints;
DROP TABLE ledger_tiles;
