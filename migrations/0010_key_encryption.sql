-- Which key wraps a person's key: these keys change, and several may be in use.
-- migrate:up

-- Until now there was one, of the installation's key file.
ALTER TABLE subject_keys ADD COLUMN kek text NOT NULL DEFAULT 'file';
CREATE INDEX subject_keys_kek ON subject_keys (kek, subject_id)
    WHERE wrapped IS NOT NULL;

-- migrate:down

DROP INDEX subject_keys_kek;
ALTER TABLE subject_keys DROP COLUMN kek;
