-- Which machines and cards there are, and what moved on every account.
-- migrate:up

-- devices: every machine that was enrolled, and what it did without the line.
CREATE TABLE devices (
    device_id uuid PRIMARY KEY,
    position bigint NOT NULL UNIQUE,  -- Of its enrolment.
    kind text NOT NULL,
    keeper_id uuid NOT NULL,
    label text NOT NULL,
    offline boolean NOT NULL,
    enrolled_at timestamptz NOT NULL,
    revoked_at timestamptz  -- NULL: it is trusted.
);
CREATE INDEX devices_kind ON devices (kind, position);
CREATE INDEX devices_keeper ON devices (keeper_id, position);
CREATE TABLE devices_facts (
    fact_id uuid PRIMARY KEY,
    position bigint NOT NULL UNIQUE,
    device_id uuid NOT NULL,
    device_seq bigint NOT NULL,
    device_time timestamptz NOT NULL,
    known_position bigint NOT NULL,
    kind text NOT NULL,
    ticket_id uuid NOT NULL,
    said jsonb NOT NULL,
    agrees boolean NOT NULL,
    case_ids uuid[] NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX devices_facts_device ON devices_facts (device_id, position);

-- media: every card, whether machines take it, and what was suspicious about it.
CREATE TABLE media (
    uid text PRIMARY KEY,
    medium_id uuid NOT NULL UNIQUE,
    position bigint NOT NULL UNIQUE,  -- Of its personalisation.
    holder_id uuid NOT NULL,
    profile text NOT NULL,
    status text NOT NULL,
    personalised_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,  -- When it came to its status.
    denied boolean NOT NULL,
    denied_position bigint  -- Where that changed last; NULL: it was always taken.
);
CREATE INDEX media_holder ON media (holder_id, position);
CREATE INDEX media_status ON media (status, position);
CREATE INDEX media_denied ON media (denied_position)
    WHERE denied_position IS NOT NULL;
CREATE TABLE media_taps (
    position bigint PRIMARY KEY,
    medium_id uuid NOT NULL,
    verdict text NOT NULL,
    seen jsonb NOT NULL,
    case_id uuid,
    at timestamptz NOT NULL
);
CREATE INDEX media_taps_medium ON media_taps (medium_id, position);

-- entries: what every entry moved on every account that it names.
CREATE TABLE entries (
    account text NOT NULL,
    position bigint NOT NULL,
    currency text NOT NULL,
    entry_id uuid NOT NULL,
    reason text NOT NULL,
    reference text NOT NULL,
    amount_minor bigint NOT NULL,
    balance_minor bigint NOT NULL,  -- Afterwards.
    at timestamptz NOT NULL,
    PRIMARY KEY (account, position, currency)
);
INSERT INTO projection_tables (name, view) VALUES
    ('devices', 'devices'),
    ('devices_facts', 'devices'),
    ('media', 'media'),
    ('media_taps', 'media'),
    ('entries', 'entries');

-- migrate:down

DELETE FROM projection_tables WHERE view IN ('devices', 'media', 'entries');
DROP TABLE entries;
DROP TABLE media_taps;
DROP TABLE media;
DROP TABLE devices_facts;
DROP TABLE devices;
