-- The next delivery is found by walking an index, however many wait.
-- migrate:up

DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (due_at, position) WHERE state = 'waiting';
CREATE INDEX outbox_leased ON outbox (target_id, leased_until)
    WHERE state = 'waiting' AND leased_until IS NOT NULL;

-- migrate:down

DROP INDEX outbox_leased;
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'waiting';
