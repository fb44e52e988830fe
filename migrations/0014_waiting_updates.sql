-- Updates of assets that wait for a DAG's next run: few among many that were used, and pages count them.
CREATE INDEX asset_use_waiting ON asset_use (dag_id, asset_event_id) WHERE run_key IS NULL;
