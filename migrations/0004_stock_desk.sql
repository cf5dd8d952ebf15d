-- Which allotment to try next: hints only. The streams decide; rows may be lost.
-- migrate:up

CREATE TABLE stock_desk (
    allotment_id uuid PRIMARY KEY,
    offering_id uuid NOT NULL,
    number integer NOT NULL,
    category text NOT NULL,
    version integer NOT NULL DEFAULT 0,
    free integer NOT NULL,
    longest_run integer NOT NULL,
    busy_until timestamptz NOT NULL DEFAULT '-infinity',
    seen_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX stock_desk_number ON stock_desk (offering_id, number);

-- Who holds places and has not paid, as far as is known.
CREATE TABLE stock_holds (
    allotment_id uuid NOT NULL,
    holder_id uuid NOT NULL,
    places integer NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (allotment_id, holder_id)
);
CREATE INDEX stock_holds_holder ON stock_holds (holder_id);

-- migrate:down

DROP TABLE stock_holds;
DROP TABLE stock_desk;
