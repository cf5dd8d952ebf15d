-- What is offered, and who reserved and bought it.
-- migrate:up

-- offerings: everything that was ever opened for sale.
CREATE TABLE offerings (
    offering_id uuid PRIMARY KEY,
    position bigint NOT NULL UNIQUE,  -- Of its opening.
    issuer_id uuid NOT NULL,
    title text NOT NULL,
    kind text NOT NULL,
    currency text NOT NULL,
    categories jsonb NOT NULL,  -- In their order: name, price_minor, fees_minor.
    capacity bigint NOT NULL,
    sale_from timestamptz NOT NULL,
    sale_until timestamptz NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    cancelled_at timestamptz  -- NULL: it is not cancelled.
);
CREATE INDEX offerings_issuer ON offerings (issuer_id, position);

-- orders: every reservation, and what became of it.
CREATE TABLE orders (
    order_id uuid PRIMARY KEY,
    position bigint NOT NULL UNIQUE,  -- Of its reservation.
    offering_id uuid NOT NULL,
    buyer_id uuid NOT NULL,
    places integer NOT NULL,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    state text NOT NULL,
    held_until timestamptz NOT NULL,
    tickets integer NOT NULL,  -- Issued for it.
    refunded_minor bigint NOT NULL,
    reserved_at timestamptz NOT NULL
);
CREATE INDEX orders_buyer ON orders (buyer_id, position);
CREATE INDEX orders_offering ON orders (offering_id, position);
INSERT INTO projection_tables (name, view) VALUES
    ('offerings', 'offerings'),
    ('orders', 'orders');

-- migrate:down

DELETE FROM projection_tables WHERE view IN ('offerings', 'orders');
DROP TABLE orders;
DROP TABLE offerings;
