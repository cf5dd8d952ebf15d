-- What is for sale, what was sold on and elsewhere, and what coupons were used for.
-- migrate:up

-- Which side of a gift a party is on. Rows that exist do not say: the view begins anew.
DELETE FROM gifts;
DELETE FROM projection_stops WHERE name = 'gifts';
DELETE FROM projection_tracking WHERE application_name = 'gifts';
ALTER TABLE gifts ADD sent boolean NOT NULL;

-- market: every ticket, and what is asked for it while it is listed.
CREATE TABLE market (
    ticket_id uuid PRIMARY KEY,
    offering_id uuid NOT NULL,
    title text NOT NULL,
    says text NOT NULL,  -- What it is a right to, as in the wallet.
    category text,
    currency text NOT NULL,
    owner_id uuid NOT NULL,
    not_after timestamptz NOT NULL,
    uses_left bigint NOT NULL,
    frozen_by uuid[] NOT NULL,  -- The cases that keep the title from moving.
    listing_id uuid UNIQUE,  -- NULL: it is not listed, nor is anything below said.
    position bigint,  -- Of its listing.
    price_minor bigint,
    cap_minor bigint,
    to_party_id uuid,
    until timestamptz,
    sale_id uuid  -- Whose payment is under way.
);
CREATE INDEX market_position ON market (position) WHERE listing_id IS NOT NULL;
CREATE INDEX market_offering ON market (offering_id, position)
    WHERE listing_id IS NOT NULL;
CREATE INDEX market_owner ON market (owner_id, position) WHERE listing_id IS NOT NULL;
CREATE INDEX market_named ON market (to_party_id, position)
    WHERE listing_id IS NOT NULL;

-- sales: every sale of listed tickets, for its two parties.
CREATE TABLE sales (
    sale_id uuid PRIMARY KEY,
    position bigint NOT NULL UNIQUE,  -- Of its beginning.
    buyer_id uuid NOT NULL,
    seller_id uuid NOT NULL,
    currency text NOT NULL,
    price_minor bigint NOT NULL,
    state text NOT NULL,
    lines_left integer NOT NULL,
    begun_at timestamptz NOT NULL,
    payout_position bigint UNIQUE,  -- NULL: not paid out, nor is what is below said.
    payout_minor bigint,  -- The seller's share.
    paid_out_at timestamptz
);
CREATE INDEX sales_buyer ON sales (buyer_id, position);
CREATE INDEX sales_seller ON sales (seller_id, position);
CREATE INDEX sales_payout ON sales (seller_id, payout_position)
    WHERE payout_position IS NOT NULL;

-- elsewhere: who may sell for whom in a shop of his own, and what he has told.
CREATE TABLE elsewhere_mandates (
    mandate_id uuid PRIMARY KEY,
    position bigint NOT NULL UNIQUE,  -- Of its being given first.
    issuer_id uuid NOT NULL,
    seller_id uuid NOT NULL,
    commission_percent integer NOT NULL,
    in_force boolean NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE INDEX elsewhere_mandates_issuer ON elsewhere_mandates (issuer_id, position);
CREATE INDEX elsewhere_mandates_seller ON elsewhere_mandates (seller_id, position);
CREATE TABLE elsewhere_sales (
    sale_id uuid PRIMARY KEY,
    position bigint NOT NULL UNIQUE,
    seller_id uuid NOT NULL,
    issuer_id uuid NOT NULL,
    offering_id uuid NOT NULL,
    reference text NOT NULL,
    tickets integer NOT NULL,
    price_minor bigint NOT NULL,
    commission_minor bigint NOT NULL,
    currency text NOT NULL,
    state text NOT NULL,
    registered_at timestamptz NOT NULL
);
CREATE INDEX elsewhere_sales_issuer ON elsewhere_sales (issuer_id, position);
CREATE INDEX elsewhere_sales_seller ON elsewhere_sales (seller_id, position);

-- redemptions: every use of a coupon, with the till and the shop that took it.
CREATE TABLE redemptions (
    ticket_id uuid NOT NULL,
    session_id uuid NOT NULL,
    position bigint NOT NULL,
    issuer_id uuid NOT NULL,
    shop_id uuid,  -- NULL: the till was never enrolled here.
    device_id uuid NOT NULL,
    receipt text NOT NULL,
    unit text NOT NULL,  -- A currency, or "uses".
    amount bigint NOT NULL,
    reversed bigint NOT NULL CHECK (reversed BETWEEN 0 AND amount),
    at timestamptz NOT NULL,
    PRIMARY KEY (ticket_id, session_id)
);
CREATE INDEX redemptions_issuer ON redemptions (issuer_id, at);
CREATE INDEX redemptions_shop ON redemptions (shop_id, at);
CREATE INDEX redemptions_at ON redemptions (at);
CREATE TABLE redemptions_coupons (
    ticket_id uuid PRIMARY KEY,
    issuer_id uuid NOT NULL,
    unit text NOT NULL
);
CREATE TABLE redemptions_tills (
    device_id uuid PRIMARY KEY,
    keeper_id uuid NOT NULL
);
INSERT INTO projection_tables (name, view) VALUES
    ('market', 'market'),
    ('sales', 'sales'),
    ('elsewhere_mandates', 'elsewhere'),
    ('elsewhere_sales', 'elsewhere'),
    ('redemptions', 'redemptions'),
    ('redemptions_coupons', 'redemptions'),
    ('redemptions_tills', 'redemptions');

-- migrate:down

DELETE FROM projection_tables
    WHERE view IN ('market', 'sales', 'elsewhere', 'redemptions');
DROP TABLE redemptions_tills;
DROP TABLE redemptions_coupons;
DROP TABLE redemptions;
DROP TABLE elsewhere_sales;
DROP TABLE elsewhere_mandates;
DROP TABLE sales;
DROP TABLE market;
ALTER TABLE gifts DROP sent;
