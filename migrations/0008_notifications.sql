-- Callbacks that are to be run, or were: an outbox. A row is written with the change that it tells of, so that none is
-- lost with the engine, and says how often it was tried.

-- task_id, map_index and try_number: what the callback's templates see as ti; is_of_task: whether it tells of that. kind, state: labels of the engine.
-- callback: as JSON, from the DAG's version at that time. variables: what its templates see besides, as JSON.
CREATE TABLE notification (
    notification_id INTEGER PRIMARY KEY,
    run_key         INTEGER NOT NULL REFERENCES dag_run,
    is_of_task      INTEGER NOT NULL,
    task_id         TEXT    NOT NULL,
    map_index       INTEGER NOT NULL,
    try_number      INTEGER NOT NULL,
    kind            TEXT    NOT NULL,
    callback        TEXT    NOT NULL,
    variables       TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    failures        INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    ended_at        INTEGER,
    error           TEXT
) STRICT;

CREATE INDEX notification_of_run ON notification (run_key);
CREATE INDEX notification_pending ON notification (notification_id) WHERE state = 'pending';
