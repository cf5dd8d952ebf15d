-- migrate:up

-- gifts: whom a gift concerns, from the position at which that was known.
CREATE TABLE gifts (
    party_id uuid NOT NULL,
    position bigint NOT NULL,
    offer_id uuid NOT NULL,
    PRIMARY KEY (party_id, offer_id),
    UNIQUE (party_id, position)
);

-- migrate:down

DROP TABLE gifts;
