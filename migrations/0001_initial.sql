-- The audited history, and the summaries that pages read. Times are microseconds since 1970 in UTC.

-- What happened, in order, with who caused it. The only truth: every other table can be made again from it and from
-- dag_version. Rows are chained by hash (engine/core/src/history.rs) and cannot be changed or removed.
CREATE TABLE event (
    seq        INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    run_key    INTEGER,
    dag_id     TEXT    NOT NULL DEFAULT '',
    run_id     TEXT    NOT NULL DEFAULT '',
    task_id    TEXT    NOT NULL DEFAULT '',
    task_index INTEGER,
    map_index  INTEGER NOT NULL DEFAULT -1,
    try_number INTEGER NOT NULL DEFAULT 0,
    actor      TEXT    NOT NULL,
    via        TEXT    NOT NULL,
    body       TEXT    NOT NULL DEFAULT '',
    hash       TEXT    NOT NULL
) STRICT;
CREATE INDEX event_by_run ON event (run_key, seq) WHERE run_key IS NOT NULL;

CREATE TRIGGER event_is_never_updated BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the audit history is append-only'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the audit history is append-only'); END;

-- Each distinct content that a DAG file had, once. A run keeps the version it started with.
CREATE TABLE dag_version (
    version_id     INTEGER PRIMARY KEY,
    dag_id         TEXT    NOT NULL,
    version_number INTEGER NOT NULL,
    source_hash    TEXT    NOT NULL,
    file           TEXT    NOT NULL,
    source         TEXT    NOT NULL,
    definition     TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    UNIQUE (dag_id, version_number),
    UNIQUE (dag_id, source_hash)
) STRICT;

-- Every DAG that was ever loaded; one whose file is gone is stale.
CREATE TABLE dag (
    dag_id      TEXT    PRIMARY KEY,
    version_id  INTEGER NOT NULL REFERENCES dag_version,
    file        TEXT    NOT NULL,
    is_paused   INTEGER NOT NULL,
    is_stale    INTEGER NOT NULL,
    loaded_at   INTEGER NOT NULL
) STRICT;

-- Files that do not make a DAG at the moment, with their diagnostics as JSON.
CREATE TABLE import_error (
    file        TEXT    PRIMARY KEY,
    at          INTEGER NOT NULL,
    diagnostics TEXT    NOT NULL
) STRICT;

CREATE TABLE dag_run (
    run_key             INTEGER PRIMARY KEY,
    dag_id              TEXT    NOT NULL,
    run_id              TEXT    NOT NULL,
    version_id          INTEGER NOT NULL REFERENCES dag_version,
    state               TEXT    NOT NULL,
    run_type            TEXT    NOT NULL,
    triggered_by        TEXT    NOT NULL,
    triggering_user     TEXT    NOT NULL,
    logical_date        INTEGER,
    data_interval_start INTEGER,
    data_interval_end   INTEGER,
    run_after           INTEGER NOT NULL,
    queued_at           INTEGER NOT NULL,
    started_at          INTEGER,
    ended_at            INTEGER,
    conf                TEXT    NOT NULL,
    note                TEXT,
    UNIQUE (dag_id, run_id)
) STRICT;
CREATE INDEX dag_run_by_dag ON dag_run (dag_id, run_key);
CREATE INDEX dag_run_unfinished ON dag_run (run_key) WHERE state IN ('queued', 'running');

CREATE TABLE task_instance (
    run_key      INTEGER NOT NULL REFERENCES dag_run,
    task_index   INTEGER NOT NULL,
    map_index    INTEGER NOT NULL,
    task_id      TEXT    NOT NULL,
    state        TEXT,
    try_number   INTEGER NOT NULL,
    scheduled_at INTEGER,
    started_at   INTEGER,
    ended_at     INTEGER,
    retry_at     INTEGER,
    PRIMARY KEY (run_key, task_index, map_index)
) STRICT, WITHOUT ROWID;

-- Attempts that have ended. The one that runs is in task_instance.
CREATE TABLE attempt (
    run_key    INTEGER NOT NULL,
    task_index INTEGER NOT NULL,
    map_index  INTEGER NOT NULL,
    try_number INTEGER NOT NULL,
    outcome    TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    error      TEXT,
    arguments  TEXT,
    PRIMARY KEY (run_key, task_index, map_index, try_number)
) STRICT, WITHOUT ROWID;

-- encoding 0: JSON text; 1: the same, compressed with zstd. size: of the JSON text, in bytes.
CREATE TABLE xcom (
    run_key    INTEGER NOT NULL,
    task_index INTEGER NOT NULL,
    map_index  INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    encoding   INTEGER NOT NULL,
    value      BLOB    NOT NULL,
    PRIMARY KEY (run_key, task_index, map_index, key)
) STRICT;
