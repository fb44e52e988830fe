-- What lists over all DAGs are narrowed down and ordered by. They cost a write or two a run, and so little; task instances,
-- of which there are many more, have one for those that failed only.
CREATE INDEX dag_run_by_state ON dag_run (state);
CREATE INDEX dag_run_by_dag_and_state ON dag_run (dag_id, state);
CREATE INDEX dag_run_by_start ON dag_run (started_at);
CREATE INDEX dag_run_by_due_date ON dag_run (run_after);
-- The state stands in it although it is always the same: so counting needs nothing else.
CREATE INDEX task_instance_failed ON task_instance (state, started_at) WHERE state = 'failed';
