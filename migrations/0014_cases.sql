-- Cases as operators look for them, and the content of the evidence given in them.
-- migrate:up

-- cases: every dispute by its state, the newest first.
CREATE TABLE cases (
    case_id uuid PRIMARY KEY,
    position bigint NOT NULL UNIQUE,  -- Of its opening.
    type text NOT NULL,
    state text NOT NULL,
    opened_by text NOT NULL,  -- A party's id, or a word for what opened it of itself.
    opened_at timestamptz NOT NULL,
    reviewer text,
    changed_at timestamptz NOT NULL
);
CREATE INDEX cases_state ON cases (state, position);
CREATE INDEX cases_opened_by ON cases (opened_by, position);
CREATE TABLE cases_tickets (
    case_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    PRIMARY KEY (ticket_id, case_id)
);
INSERT INTO projection_tables (name, view) VALUES
    ('cases', 'cases'),
    ('cases_tickets', 'cases');

-- Sealed under the giver's own key; the log has the hash of what is inside.
CREATE TABLE case_evidence (
    evidence_id uuid PRIMARY KEY,
    case_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    sealed text NOT NULL
);

-- migrate:down

DROP TABLE case_evidence;
DELETE FROM projection_tables WHERE view = 'cases';
DROP TABLE cases_tickets;
DROP TABLE cases;
