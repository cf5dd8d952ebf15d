-- Who may come in, whose personal data can be read, and which installation this is.
-- migrate:up

CREATE TABLE access_tokens (
    token_sha256 bytea PRIMARY KEY CHECK (length(token_sha256) = 32),
    party_id uuid,
    device_id uuid,
    roles text[] NOT NULL,
    label text,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX access_tokens_device ON access_tokens (device_id);

-- A subject's key, wrapped; NULL once the person was erased.
CREATE TABLE subject_keys (
    subject_id uuid PRIMARY KEY,
    wrapped bytea,
    created_at timestamptz NOT NULL
);

-- One row: what must not change under a log that exists.
CREATE TABLE installation (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    origin text NOT NULL,
    issuer_kid text NOT NULL,
    keys_fingerprint text NOT NULL,
    created_at timestamptz NOT NULL
);

-- migrate:down

DROP TABLE installation;
DROP TABLE subject_keys;
DROP TABLE access_tokens;
