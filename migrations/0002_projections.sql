-- What is so now: views of the log, each with its bookmark. All can be rebuilt.
-- migrate:up

-- One bookmark a view: application_name is the view's name.
CREATE TABLE projection_tracking (
    application_name text,
    notification_id bigint,
    PRIMARY KEY (application_name)
) WITH (
    -- A row a view, rewritten with every batch: it is vacuumed like any busy table.
    fillfactor = 50
);

-- Views that met an event which does not fit them, and wait to be rebuilt.
CREATE TABLE projection_stops (
    name text PRIMARY KEY,
    position bigint NOT NULL,
    error text NOT NULL,
    stopped_at timestamptz NOT NULL DEFAULT now()
);

-- ownership: who owned a ticket when, and by which event.
CREATE TABLE ownership (
    ticket_id uuid NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,
    owner_id uuid NOT NULL,
    event text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    PRIMARY KEY (ticket_id, version)
);
CREATE UNIQUE INDEX ownership_one_owner ON ownership (ticket_id) WHERE until IS NULL;

-- freshness: all that judging a tapped medium needs.
CREATE TABLE freshness_media (
    uid text PRIMARY KEY,
    medium_id uuid NOT NULL UNIQUE,
    holder_id uuid NOT NULL,
    status text NOT NULL,
    seq bigint NOT NULL,
    digest text NOT NULL,
    next_seq bigint,  -- Of a write that was not answered for yet, as is next_digest.
    next_digest text
);
CREATE TABLE freshness_slots (
    medium_id uuid NOT NULL,
    slot smallint NOT NULL,
    pending boolean NOT NULL,  -- As a prepared write will leave it.
    status smallint NOT NULL,
    epoch integer NOT NULL,
    uses_left integer NOT NULL,
    ticket_id uuid,
    PRIMARY KEY (medium_id, pending, slot)
);
CREATE TABLE freshness_tickets (
    ticket_id uuid PRIMARY KEY,
    epoch integer NOT NULL,
    life text NOT NULL,
    medium_uid text,
    slot smallint,
    serial text,
    uses_left integer NOT NULL CHECK (uses_left >= 0)
);

-- wallet: a ticket as its owner sees it.
CREATE TABLE wallet (
    ticket_id uuid PRIMARY KEY,
    offering_id uuid NOT NULL,
    title text NOT NULL,
    issuer_id uuid NOT NULL,
    kind text NOT NULL,
    says text NOT NULL,  -- What it is a right to; RIGHT is a word of SQL's.
    owner_id uuid NOT NULL,
    epoch integer NOT NULL,
    life text NOT NULL,
    lock_kind text,
    lock_ref uuid,
    lock_until timestamptz,
    form_kind text NOT NULL,
    medium_uid text,
    slot smallint,
    serial text,
    uses_limit integer NOT NULL,
    redeemed integer NOT NULL CHECK (redeemed BETWEEN 0 AND uses_limit),
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    question smallint,
    version bigint NOT NULL
);
CREATE INDEX wallet_owner ON wallet (owner_id);

-- notices: what a party is told.
CREATE TABLE notices (
    party_id uuid NOT NULL,
    position bigint NOT NULL,
    kind text NOT NULL,
    ticket_id uuid NOT NULL,
    at timestamptz NOT NULL,
    detail jsonb NOT NULL,
    PRIMARY KEY (party_id, position, kind)
);
CREATE TABLE notices_tickets (
    ticket_id uuid PRIMARY KEY,
    owner_id uuid NOT NULL,
    offered_to uuid,
    medium_uid text
);

-- accounts: the balance of every account that a posting names.
CREATE TABLE accounts (
    account text NOT NULL,
    currency text NOT NULL,
    party_id uuid,  -- None for accounts that are the house's own.
    kind text NOT NULL,
    balance_minor bigint NOT NULL,
    PRIMARY KEY (account, currency)
);
CREATE INDEX accounts_party ON accounts (party_id);

-- migrate:down

DROP TABLE accounts;
DROP TABLE notices_tickets;
DROP TABLE notices;
DROP TABLE wallet;
DROP TABLE freshness_tickets;
DROP TABLE freshness_slots;
DROP TABLE freshness_media;
DROP TABLE ownership;
DROP TABLE projection_stops;
DROP TABLE projection_tracking;
