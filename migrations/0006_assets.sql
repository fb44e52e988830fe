-- Assets: updates of data, and the updates that wait for the DAGs that are run for them.
CREATE TABLE asset (
    asset_id INTEGER PRIMARY KEY,
    uri      TEXT    NOT NULL UNIQUE
) STRICT;

-- Every update: by a task, or from outside (then there is no source).
CREATE TABLE asset_event (
    asset_event_id INTEGER PRIMARY KEY,
    uri            TEXT    NOT NULL,
    at             INTEGER NOT NULL,
    extra          TEXT    NOT NULL,
    dag_id         TEXT    NOT NULL DEFAULT '',
    run_id         TEXT    NOT NULL DEFAULT '',
    task_id        TEXT    NOT NULL DEFAULT '',
    map_index      INTEGER NOT NULL DEFAULT -1
) STRICT;

-- What a run was started for. run_key is none while the update waits for the DAG's next run.
CREATE TABLE asset_use (
    dag_id         TEXT    NOT NULL,
    asset_event_id INTEGER NOT NULL,
    run_key        INTEGER,
    PRIMARY KEY (dag_id, asset_event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX asset_use_by_run ON asset_use (run_key) WHERE run_key IS NOT NULL;

-- Webhooks: a secret for each DAG that has one, as SHA-256 in hex.
CREATE TABLE webhook (
    dag_id      TEXT    PRIMARY KEY,
    secret_hash TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
