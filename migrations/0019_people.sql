-- How people sign in: their accounts, invitations, resets, sessions and attempts.
--
-- A login name stands here sealed under its party's key, and as a keyed hash to be found
-- by. Whatever opens something (invitation, reset, session) is kept as its hash alone.
-- migrate:up

CREATE TABLE people_logins (
    party_id uuid PRIMARY KEY,
    name_index bytea NOT NULL UNIQUE CHECK (length(name_index) = 32),  -- HMAC-SHA256.
    name_sealed text NOT NULL,
    roles text[] NOT NULL,
    password_hash text NOT NULL,  -- Argon2id, with its parameters.
    opened_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL  -- The password.
);

CREATE TABLE people_invitations (
    invitation_sha256 bytea PRIMARY KEY CHECK (length(invitation_sha256) = 32),
    party_id uuid NOT NULL,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX people_invitations_party ON people_invitations (party_id);
CREATE INDEX people_invitations_over ON people_invitations (expires_at);

CREATE TABLE people_resets (
    reset_id uuid PRIMARY KEY,
    code_sha256 bytea NOT NULL UNIQUE CHECK (length(code_sha256) = 32),
    party_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX people_resets_party ON people_resets (party_id, created_at);
CREATE INDEX people_resets_over ON people_resets (expires_at);

CREATE TABLE people_sessions (
    session_sha256 bytea PRIMARY KEY CHECK (length(session_sha256) = 32),
    party_id uuid NOT NULL,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX people_sessions_party ON people_sessions (party_id);
CREATE INDEX people_sessions_over ON people_sessions (expires_at);

-- Attempts that failed: of a name, of an address, of both together; as keyed hashes.
CREATE TABLE people_attempts (
    key bytea PRIMARY KEY CHECK (length(key) = 32),
    failures integer NOT NULL,
    last_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    known_until timestamptz  -- Whoever signed in from there waits for no stranger.
);
CREATE INDEX people_attempts_last_at ON people_attempts (last_at);

-- migrate:down

DROP TABLE people_attempts;
DROP TABLE people_sessions;
DROP TABLE people_resets;
DROP TABLE people_invitations;
DROP TABLE people_logins;
