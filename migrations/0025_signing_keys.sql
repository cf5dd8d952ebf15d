-- Keys by which devices say who they are, and assertions that were used.
-- migrate:up

CREATE TABLE device_signing_keys (
    device_id uuid NOT NULL,
    kid text NOT NULL,  -- The key's RFC 7638 thumbprint.
    jwk jsonb NOT NULL,  -- The public key alone.
    enrolled_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (device_id, kid)
);

-- Each assertion opens the door once (RFC 7523 section 3, `jti`).
CREATE TABLE device_assertions (
    assertion_sha256 bytea PRIMARY KEY CHECK (length(assertion_sha256) = 32),
    expires_at timestamptz NOT NULL
);
CREATE INDEX device_assertions_over ON device_assertions (expires_at);

-- migrate:down

DROP TABLE device_assertions;
DROP TABLE device_signing_keys;
