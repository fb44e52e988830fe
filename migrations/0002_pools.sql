-- Pools: slots that task instances share, across DAGs. slots is -1 for as many as anyone wants.
CREATE TABLE pool (
    name        TEXT    PRIMARY KEY,
    slots       INTEGER NOT NULL,
    description TEXT    NOT NULL
) STRICT;
INSERT INTO pool (name, slots, description) VALUES ('default_pool', 128, 'Of tasks that name no other');
