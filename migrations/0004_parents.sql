-- The run whose task asked for this one, and whether a cancel of that run cancels this one too.
ALTER TABLE dag_run ADD COLUMN parent_run_key INTEGER;
ALTER TABLE dag_run ADD COLUMN is_cancelled_with_parent INTEGER NOT NULL DEFAULT 0;
CREATE INDEX dag_run_by_logical_date ON dag_run (dag_id, logical_date) WHERE logical_date IS NOT NULL;
