-- Rows that pages look for and that are few among many others.

-- Updates of assets that wait for a DAG's next run, among those that were used.
CREATE INDEX asset_use_waiting ON asset_use (dag_id, asset_event_id) WHERE run_key IS NULL;

-- Events that are about no run: changes of pools, variables, connections, users, DAGs. Runs and their tasks, which are
-- nearly all of the history, cost nothing by it.
CREATE INDEX event_of_no_run ON event (seq) WHERE run_key IS NULL;
