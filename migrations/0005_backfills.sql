-- Backfills: runs over a range of the past, started as there is room. last_date: the logical date that was looked at last.
CREATE TABLE backfill (
    backfill_id     INTEGER PRIMARY KEY,
    dag_id          TEXT    NOT NULL,
    from_date       INTEGER NOT NULL,
    to_date         INTEGER NOT NULL,
    reprocess       TEXT    NOT NULL,
    max_active_runs INTEGER NOT NULL,
    is_newest_first INTEGER NOT NULL,
    conf            TEXT    NOT NULL,
    is_paused       INTEGER NOT NULL,
    last_date       INTEGER,
    created_at      INTEGER NOT NULL,
    completed_at    INTEGER
) STRICT;
ALTER TABLE dag_run ADD COLUMN backfill_id INTEGER;
