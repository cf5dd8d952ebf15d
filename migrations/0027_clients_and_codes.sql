-- Programs that people let act for them: clients, consents, and what opens by them.
--
-- A consent is one person's to one client. Its codes and refresh tokens stand here as
-- hashes, used ones as well: one that comes twice ends the consent and all it gave.
-- migrate:up

CREATE TABLE oauth_clients (
    client_id uuid PRIMARY KEY,
    name text NOT NULL,
    redirect_uris text[] NOT NULL,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE oauth_consents (
    consent_id uuid PRIMARY KEY,
    client_id uuid NOT NULL REFERENCES oauth_clients ON DELETE CASCADE,
    party_id uuid NOT NULL,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oauth_consents_client ON oauth_consents (client_id);
CREATE INDEX oauth_consents_party ON oauth_consents (party_id);
CREATE INDEX oauth_consents_over ON oauth_consents (expires_at);

CREATE TABLE oauth_codes (
    code_sha256 bytea PRIMARY KEY CHECK (length(code_sha256) = 32),
    consent_id uuid NOT NULL REFERENCES oauth_consents ON DELETE CASCADE,
    redirect_uri text NOT NULL,
    challenge text NOT NULL,  -- S256 of RFC 7636.
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX oauth_codes_consent ON oauth_codes (consent_id);

CREATE TABLE oauth_refresh_tokens (
    token_sha256 bytea PRIMARY KEY CHECK (length(token_sha256) = 32),
    consent_id uuid NOT NULL REFERENCES oauth_consents ON DELETE CASCADE,
    used_at timestamptz
);
CREATE INDEX oauth_refresh_tokens_consent ON oauth_refresh_tokens (consent_id);

-- The access tokens of a consent, by their label, to be revoked with it.
CREATE INDEX access_tokens_consent ON access_tokens (label)
WHERE label LIKE 'consent %';

-- migrate:down

DROP INDEX access_tokens_consent;
DROP TABLE oauth_refresh_tokens;
DROP TABLE oauth_codes;
DROP TABLE oauth_consents;
DROP TABLE oauth_clients;
