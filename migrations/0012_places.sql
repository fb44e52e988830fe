-- What the history and task instances over all DAGs are narrowed down and ordered by. Each costs a write an event or two a
-- task instance: docs/performance.md says how much.
CREATE INDEX event_by_dag ON event (dag_id, seq);
CREATE INDEX event_by_name ON event (name, seq);
CREATE INDEX event_by_time ON event (at);
-- What people did is a small part of the history.
CREATE INDEX event_by_person ON event (actor, seq) WHERE actor <> 'engine';
CREATE INDEX task_instance_by_start ON task_instance (started_at);
CREATE INDEX asset_event_by_uri ON asset_event (uri, asset_event_id);
