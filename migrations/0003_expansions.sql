-- What mapped tasks and mapped groups are expanded over in a run: the arguments of all their instances, encoded as XCom
-- values are. owner: the task's or the group's name.
CREATE TABLE expansion (
    run_key  INTEGER NOT NULL,
    owner    TEXT    NOT NULL,
    size     INTEGER NOT NULL,
    encoding INTEGER NOT NULL,
    value    BLOB    NOT NULL,
    PRIMARY KEY (run_key, owner)
) STRICT, WITHOUT ROWID;

-- The name of a mapped instance, by its task's map_index_template.
ALTER TABLE task_instance ADD COLUMN label TEXT;
