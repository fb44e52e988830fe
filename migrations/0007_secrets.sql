-- Variables and connections. Their values are sealed with a key that is not in this file (engine/store/src/keyring.rs).

CREATE TABLE variable (
    key         TEXT    PRIMARY KEY,
    value       BLOB    NOT NULL,
    is_secret   INTEGER NOT NULL,
    description TEXT    NOT NULL,
    changed_at  INTEGER NOT NULL
) STRICT;

-- value: the URL, with its credentials.
CREATE TABLE connection (
    connection_id TEXT    PRIMARY KEY,
    value         BLOB    NOT NULL,
    description   TEXT    NOT NULL,
    changed_at    INTEGER NOT NULL
) STRICT;
