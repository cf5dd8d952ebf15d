-- People who sign in at an OpenID provider: whom it knows as whom, and who is on his way.
--
-- What the provider calls somebody stands here as a keyed hash. Of a sign-in under way
-- there is the hash of its browser's secret, from which all else about it is made.
-- migrate:up

CREATE TABLE people_links (
    party_id uuid PRIMARY KEY,
    subject_index bytea NOT NULL UNIQUE CHECK (length(subject_index) = 32),  -- HMAC.
    roles text[] NOT NULL,
    linked_at timestamptz NOT NULL
);

CREATE TABLE people_departures (
    secret_sha256 bytea PRIMARY KEY CHECK (length(secret_sha256) = 32),
    invitation_sha256 bytea CHECK (length(invitation_sha256) = 32),
    return_to text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX people_departures_over ON people_departures (expires_at);

-- migrate:down

DROP TABLE people_departures;
DROP TABLE people_links;
