-- What follows from events: who is told what, by which way, and what becomes due when.
--
-- Rows name parties, tickets and events by their ids. Where somebody is reached and what
-- is said to him is put together when it is sent, from what the log keeps sealed.
-- migrate:up

-- Up to which position each policy has drawn its conclusions.
CREATE TABLE policy_tracking (
    name text PRIMARY KEY,
    position bigint NOT NULL CHECK (position >= 0)
);
-- Nobody is told of what happened before there was an outbox.
INSERT INTO policy_tracking (name, position)
    SELECT 'notifications', size FROM ledger_head;

-- Where a party has its notifications sent. The secrets are wrapped.
CREATE TABLE webhook_subscriptions (
    subscription_id uuid PRIMARY KEY,
    party_id uuid NOT NULL,
    url text NOT NULL,
    kinds text[],  -- NULL: all.
    since_position bigint NOT NULL,  -- Of what happened before, nothing is sent.
    secret bytea NOT NULL,
    old_secret bytea,  -- Signs as well until `old_until`.
    old_until timestamptz,
    created_at timestamptz NOT NULL,
    failures integer NOT NULL DEFAULT 0,  -- In a row.
    quiet_until timestamptz,  -- Nothing is sent before: it failed lately.
    ended_at timestamptz,  -- The receiver said that it is gone.
    CHECK ((old_secret IS NULL) = (old_until IS NULL))
);
CREATE INDEX webhook_subscriptions_party ON webhook_subscriptions (party_id);

-- One row for each thing that one party is told by one way.
CREATE TABLE outbox (
    position bigint NOT NULL,
    party_id uuid NOT NULL,
    kind text NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'webhook')),
    target_id uuid NOT NULL,  -- The party itself, or the subscription.
    about_id uuid NOT NULL,  -- The ticket, gift or case.
    detail jsonb NOT NULL,  -- Ids, amounts and times alone.
    at timestamptz NOT NULL,  -- When it happened.
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'sent', 'dead', 'dropped')),
    attempts integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    lease_id uuid,
    leased_until timestamptz,
    settled_at timestamptz,
    said text,  -- What went wrong last, or why it was dropped.
    PRIMARY KEY (position, party_id, kind, target_id),
    CHECK ((lease_id IS NULL) = (leased_until IS NULL)),
    CHECK ((state = 'waiting') = (settled_at IS NULL))
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'waiting';
CREATE INDEX outbox_settled ON outbox (settled_at) WHERE state <> 'waiting';
CREATE INDEX outbox_target ON outbox (target_id) WHERE state = 'waiting';

-- What is to be looked at when, should nothing happen before: a hint for tidying up.
-- Every command judges the time itself.
CREATE TABLE deadlines (
    kind text NOT NULL,
    about_id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    said text,  -- Why it could not be tidied up the last time.
    PRIMARY KEY (kind, about_id)
);
CREATE INDEX deadlines_due ON deadlines (due_at);

-- Tickets whose validity is over are found in the wallet.
CREATE INDEX wallet_over ON wallet (not_after, ticket_id) WHERE life = 'OWNED';

-- The last run of each scheduled job, whichever process had it. While it is begun again,
-- what came of the last one stands.
CREATE TABLE job_runs (
    name text PRIMARY KEY,
    fence bigint NOT NULL,  -- One more with every run; an older one writes no more.
    runner text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text CHECK (outcome IN ('done', 'failed')),
    count bigint,
    said text,
    failures integer NOT NULL DEFAULT 0,  -- In a row.
    CHECK ((ended_at IS NULL) = (outcome IS NULL))
);

-- migrate:down

DROP TABLE job_runs;
DROP INDEX wallet_over;
DROP TABLE deadlines;
DROP TABLE outbox;
DROP TABLE webhook_subscriptions;
DROP TABLE policy_tracking;
