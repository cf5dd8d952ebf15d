-- All six parts of a ticket in the views: what is held, offered, and used in part.
-- migrate:up

-- Rows that exist lack what is new, so these views begin anew: their keeper fills them.
DELETE FROM wallet;
DELETE FROM freshness_media;
DELETE FROM freshness_slots;
DELETE FROM freshness_tickets;
DELETE FROM notices;
DELETE FROM notices_tickets;
DELETE FROM projection_stops WHERE name IN ('wallet', 'freshness', 'notices');
DELETE FROM projection_tracking
    WHERE application_name IN ('wallet', 'freshness', 'notices');

-- A lease may stand before an open offer, a sale before its listing: both come back.
ALTER TABLE wallet
    ADD category text,
    ADD currency text NOT NULL,
    ADD points_spent bigint NOT NULL,
    ADD points_earned bigint NOT NULL,
    ADD uses_unit text NOT NULL,
    ADD reversed bigint NOT NULL,
    ADD offer_id uuid,
    ADD offer_until timestamptz,  -- NULL while a hold has stopped its clock.
    ADD listing_id uuid,
    ADD listing_until timestamptz,
    DROP CONSTRAINT wallet_check,
    ADD CONSTRAINT wallet_uses CHECK (redeemed - reversed BETWEEN 0 AND uses_limit),
    ALTER uses_limit TYPE bigint,
    ALTER redeemed TYPE bigint;

-- What cases forbid with a ticket: one row an effect.
CREATE TABLE wallet_holds (
    ticket_id uuid NOT NULL,
    case_id uuid NOT NULL,
    kind text NOT NULL,
    effect text NOT NULL,
    PRIMARY KEY (ticket_id, case_id, kind, effect)
);

ALTER TABLE freshness_tickets
    ADD kind text NOT NULL,
    ALTER uses_left TYPE bigint;

-- Only what forbids the use of a ticket of its kind.
CREATE TABLE freshness_holds (
    ticket_id uuid NOT NULL,
    case_id uuid NOT NULL,
    kind text NOT NULL,
    PRIMARY KEY (ticket_id, case_id, kind)
);

ALTER TABLE notices_tickets ADD issuer_id uuid NOT NULL;
CREATE INDEX notices_ticket ON notices (ticket_id) WHERE kind = 'frozen';

-- migrate:down

DROP INDEX notices_ticket;
ALTER TABLE notices_tickets DROP issuer_id;
DROP TABLE freshness_holds;
ALTER TABLE freshness_tickets
    DROP kind,
    ALTER uses_left TYPE integer;
DROP TABLE wallet_holds;
ALTER TABLE wallet
    ALTER uses_limit TYPE integer,
    ALTER redeemed TYPE integer,
    DROP CONSTRAINT wallet_uses,
    ADD CONSTRAINT wallet_check CHECK (redeemed >= 0 AND redeemed <= uses_limit),
    DROP listing_until,
    DROP listing_id,
    DROP offer_until,
    DROP offer_id,
    DROP reversed,
    DROP uses_unit,
    DROP points_earned,
    DROP points_spent,
    DROP currency,
    DROP category;
