-- Alerts that people have acknowledged, until they take that back. The alerts are messages in a queue that other programs
-- read too; here is only who has seen which, so that the queue stays as it is. The history has it as events besides.
CREATE TABLE alert_acknowledgement (
    message_id      TEXT    PRIMARY KEY,
    acknowledged_by TEXT    NOT NULL,
    acknowledged_at INTEGER NOT NULL,
    note            TEXT    NOT NULL
) STRICT;
