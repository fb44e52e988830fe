-- What tasks have asked people, and what was answered (Airflow's human in the loop). The events task.rescheduled and
-- task.answered say the same; this is for lists.

-- question: as JSON. due_at: when nobody's answer counts any more; NULL for never. answer: as JSON, once there is one.
CREATE TABLE hitl_detail (
    run_key     INTEGER NOT NULL REFERENCES dag_run,
    task_id     TEXT    NOT NULL,
    map_index   INTEGER NOT NULL,
    try_number  INTEGER NOT NULL,
    question    TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    due_at      INTEGER,
    answer      TEXT,
    PRIMARY KEY (run_key, task_id, map_index, try_number)
) STRICT, WITHOUT ROWID;

CREATE INDEX hitl_detail_by_time ON hitl_detail (created_at);
CREATE INDEX task_instance_awaiting ON task_instance (run_key) WHERE state = 'awaiting_input';
