-- What no leaf can say is not taken in as an event: nothing could ever remove it again,
-- and without its leaf there is no export, no backup and no proof of what follows it.
-- migrate:up

-- As in ledger/log/leaf.py: a topic is a line of printable ASCII; and a short one, for an
-- entry under a tile has 64 KiB at most. What is there already is not looked at: it stays.
ALTER TABLE ledger_events
    ADD CONSTRAINT ledger_events_topic_check CHECK (
        octet_length(topic) BETWEEN 1 AND 255 AND topic COLLATE "C" !~ '[^ -~]'
    ) NOT VALID;

-- migrate:down

ALTER TABLE ledger_events DROP CONSTRAINT ledger_events_topic_check;
