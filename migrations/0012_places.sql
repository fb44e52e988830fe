-- What the history is narrowed down by, and updates of assets. An index on every event costs a twelfth of the engine's pace,
-- so there is none by name or by time: those lists read the history in its order, newest first.
CREATE INDEX event_by_dag ON event (dag_id, seq);
-- What people did is a small part of the history.
CREATE INDEX event_by_person ON event (actor, seq) WHERE actor <> 'engine';
CREATE INDEX asset_event_by_uri ON asset_event (uri, asset_event_id);
