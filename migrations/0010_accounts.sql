-- Who may come in. While there is no user, whoever reaches the server on loopback may do everything.

-- role: see engine/core/src/access.rs. password_hash: Argon2id, in the PHC format.
CREATE TABLE user (
    name          TEXT    PRIMARY KEY,
    role          TEXT    NOT NULL,
    password_hash TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Somebody who is signed in: a browser by its cookie, a program by what /auth/token gave it. secret_hash: SHA-256 in hex.
CREATE TABLE session (
    secret_hash TEXT    PRIMARY KEY,
    user_name   TEXT    NOT NULL REFERENCES user,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_user ON session (user_name);

-- API tokens: they act for their user, with that role or a smaller one, on all DAGs or some. dag_ids: as JSON, or NULL
-- for all. token_id: the beginning of the hash. expires_at: NULL for never.
CREATE TABLE api_token (
    token_id    TEXT    PRIMARY KEY,
    user_name   TEXT    NOT NULL REFERENCES user,
    label       TEXT    NOT NULL,
    secret_hash TEXT    NOT NULL UNIQUE,
    role        TEXT    NOT NULL,
    dag_ids     TEXT,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_token_by_user ON api_token (user_name);
