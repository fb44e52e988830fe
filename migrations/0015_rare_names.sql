-- The history by name, without the names that every run and every task brings: these are nearly all of it, so that the pace of
-- the engine is the same with this index as without, and they are soon found newest first. Whatever else is looked for by its
-- name, such as who marked what, is found at once, also where there is none in millions.
-- The DAG stands in it so that the events of one DAG are told apart without a look at each.
-- The names stand in engine/store/src/read/lists/events.rs too, in the same order.
CREATE INDEX event_by_rare_name ON event (name, seq, dag_id) WHERE name NOT IN ('task.scheduled', 'task.started', 'task.succeeded',
    'run.created', 'run.queued', 'run.started', 'run.ended', 'xcom.set');
