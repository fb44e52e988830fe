//! The operations that Airflow does not have: users and tokens, webhooks, keys, live events, and the data API.

use super::Operation;
use super::schema::{
    any, body, boolean, collection, instant, integer, list, map, maybe, number, object, one_of, reference,
    text,
};
use esteira_core::access::Role;
use serde_json::{Value, json};

const USERS: &str = "Users";
const DATA: &str = "Readings";
const LIVE: &str = "Live";

fn role() -> Value {
    let labels: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
    one_of(&labels)
}

fn credentials() -> Value {
    let named = || json!({ "type": "string", "minLength": 1 });
    body(&["username", "password"], [("username", named()), ("password", named())])
}

fn token() -> Value {
    object([("access_token", text())])
}

/// `POST /auth/token`.
pub(crate) fn login() -> Operation {
    Operation::new("create_token", "Login", "A token for a name and a password; it lasts for a day")
        .body(credentials())
        .answers_with(201, token())
}

/// `POST /auth/token/cli`.
pub(crate) fn login_of_command_line() -> Operation {
    Operation::new("create_token_cli", "Login", "The same; it lasts for an hour")
        .body(credentials())
        .answers_with(201, token())
}

/// `GET /auth/token`.
pub(crate) fn login_for_nothing() -> Operation {
    Operation::new("create_token_all_admins", "Login", "A token for nothing, while there are no users")
        .answers_with(201, token())
}

/// `GET /api/me`.
pub(crate) fn me() -> Operation {
    Operation::new("get_me", USERS, "Who asks, and what they may do").answers(object([
        ("name", text()),
        ("role", role()),
        ("dag_ids", maybe(list(text()))),
        ("credential", one_of(&["session", "token", "home", "none"])),
        ("created_at", maybe(instant())),
    ]))
}

/// `PUT /api/me/password`.
pub(crate) fn change_password() -> Operation {
    let fields = [("password", maybe(text())), ("new_password", maybe(text()))];
    Operation::new("change_password", USERS, "Another password, which ends every session of the user")
        .body(body(&[], fields))
        .answers_nothing(204)
}

/// `GET /api/users`.
pub(crate) fn list_users() -> Operation {
    Operation::new("get_users", USERS, "The users").window().answers(collection("users", "User"))
}

/// `POST /api/users`.
pub(crate) fn create_user() -> Operation {
    let fields = [("name", text()), ("password", text()), ("role", maybe(role()))];
    Operation::new("post_user", USERS, "Make a user")
        .body(body(&["name", "password"], fields))
        .answers_with(201, reference("User"))
}

/// `GET /api/users/{name}`.
pub(crate) fn one_user() -> Operation {
    Operation::new("get_user", USERS, "A user").answers(reference("User"))
}

/// `PATCH /api/users/{name}`.
pub(crate) fn patch_user() -> Operation {
    Operation::new("patch_user", USERS, "Another role, another password, or both")
        .body(body(&[], [("role", maybe(role())), ("password", maybe(text()))]))
        .answers(reference("User"))
}

/// `DELETE /api/users/{name}`.
pub(crate) fn remove_user() -> Operation {
    Operation::new("delete_user", USERS, "Remove a user with all sessions and tokens").answers_nothing(204)
}

/// `GET /api/tokens`.
pub(crate) fn list_tokens() -> Operation {
    Operation::new("get_tokens", USERS, "One's own tokens; an admin's list has those of all")
        .window()
        .answers(collection("tokens", "Token"))
}

/// `POST /api/tokens`.
pub(crate) fn create_token() -> Operation {
    let fields = [
        ("label", json!({ "type": "string", "minLength": 1, "maxLength": 100 })),
        ("role", maybe(role())),
        ("dag_ids", json!({ "type": ["array", "null"], "items": text(), "minItems": 1 })),
        ("expires_at", maybe(instant())),
        ("user", maybe(text())),
    ];
    Operation::new("post_token", USERS, "Make a token; it is told this once")
        .body(body(&["label"], fields))
        .answers_with(201, reference("NewToken"))
}

/// `DELETE /api/tokens/{token_id}`.
pub(crate) fn revoke_token() -> Operation {
    Operation::new("delete_token", USERS, "Revoke a token").answers_nothing(204)
}

/// `POST /hooks/{dag_id}`.
pub(crate) fn call_webhook() -> Operation {
    let conf = json!({ "type": "object", "description": "The conf of the run" });
    Operation::new(
        "call_webhook",
        "Webhook",
        "Start a run of a DAG; Authorization: Bearer holds the webhook's own secret",
    )
    .optional_body(conf)
    .answers_with(202, object([("dag_id", text()), ("dag_run_id", text()), ("state", text())]))
}

/// `PUT /api/dags/{dag_id}/webhook`.
pub(crate) fn renew_webhook() -> Operation {
    Operation::new("put_webhook", "Webhook", "Give a DAG's webhook a new secret, which is told this once")
        .answers(object([("dag_id", text()), ("path", text()), ("secret", text())]))
}

/// `DELETE /api/dags/{dag_id}/webhook`.
pub(crate) fn remove_webhook() -> Operation {
    Operation::new("delete_webhook", "Webhook", "Take a DAG's webhook away").answers_nothing(204)
}

/// `POST /api/secrets/rotate`.
pub(crate) fn rotate() -> Operation {
    Operation::new("rotate_secrets", "Secrets", "Seal variables and connections with the newest key")
        .answers(object([("sealed_anew", integer())]))
}

/// `POST /api/audit/verify`.
pub(crate) fn verify() -> Operation {
    let problem = object([("row", text()), ("message", text())]);
    Operation::new("verify_audit_history", "Event Log", "Whether the history was altered; may take a while")
        .answers(object([("events", integer()), ("runs", integer()), ("problem", maybe(problem))]))
}

/// `GET /api/events`.
pub(crate) fn events() -> Operation {
    Operation::new("stream_events", LIVE, "The audit history as it happens, as server-sent events")
        .query("dag_id", text(), "About this DAG")
        .query("run_id", text(), "About this run")
        .query("after", integer(), "After this event; Last-Event-ID goes over it")
        .or_text("text/event-stream")
}

/// `GET /openapi.json`.
pub(crate) fn document() -> Operation {
    Operation::new("get_openapi", "OpenAPI", "This document").answers(map(any()))
}

/// `GET /api/cache/{key}`.
pub(crate) fn one_hash() -> Operation {
    Operation::new("get_cached", DATA, "The hash at a key").answers(map(text())).of_data_api()
}

/// `GET /api/cache/`: the same with an empty name, which there is not.
pub(crate) fn empty_key() -> Operation {
    Operation::new("get_cached_nameless", DATA, "A key without a name, which there is not")
        .answers(map(text()))
        .of_data_api()
}

/// `GET /api/cache`.
pub(crate) fn list_keys() -> Operation {
    paged(Operation::new("get_cache", DATA, "Keys, a page at a time"))
        .answers(object([("keys", list(text())), ("next", maybe(text()))]))
}

fn paged(operation: Operation) -> Operation {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000 });
    operation
        .query("prefix", text(), "What they begin with")
        .query("limit", limit, "How many: 100 unless given")
        .query("after", text(), "The next of the page before")
        .of_data_api()
}

/// `GET /api/history/{name}`.
pub(crate) fn one_document() -> Operation {
    Operation::new("get_document", DATA, "A document that the pipeline stored").answers(any()).of_data_api()
}

/// `GET /api/history/`: the same with an empty name, which there is not.
pub(crate) fn empty_document() -> Operation {
    Operation::new("get_document_nameless", DATA, "A document without a name, which there is not")
        .answers(any())
        .of_data_api()
}

/// `GET /api/history`.
pub(crate) fn list_documents() -> Operation {
    paged(Operation::new("get_history", DATA, "Names of documents, a page at a time"))
        .answers(object([("names", list(text())), ("next", maybe(text()))]))
}

fn alert_limit(operation: Operation) -> Operation {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000 });
    operation.query("limit", limit, "How many").of_data_api()
}

/// `GET /api/alerts`.
pub(crate) fn look_at_alerts() -> Operation {
    let first = object([("alert", any())]);
    let several = object([("alerts", list(any())), ("waiting", integer())]);
    alert_limit(Operation::new(
        "get_alerts",
        DATA,
        "The first alert that waits, or with a limit the first of them",
    ))
    .answers(json!({ "anyOf": [first, several] }))
}

/// `DELETE /api/alerts`.
pub(crate) fn take_alerts() -> Operation {
    alert_limit(Operation::new("take_alerts", DATA, "Take alerts out of the queue"))
        .answers(object([("alerts", list(any())), ("waiting", maybe(integer()))]))
}

/// `GET /api/stats`.
pub(crate) fn data_stats() -> Operation {
    let count = || maybe(integer());
    let mut service = object([
        ("service", text()),
        ("connection", text()),
        ("embedded", boolean()),
        ("address", text()),
        ("healthy", boolean()),
        ("message", text()),
    ]);
    // Only of one that does not answer.
    service["properties"]["hint"] = text();
    Operation::new("get_stats", DATA, "How much there is, and how each service is")
        .answers(object([
            ("readings_cached", count()),
            ("objects_processed", count()),
            ("objects_raw", count()),
            ("alerts_waiting", count()),
            ("services", list(service)),
        ]))
        .of_data_api()
}

fn period(operation: Operation) -> Operation {
    operation
        .query("period", one_of(&["24h", "7d", "28d", "all"]), "Up to the last reading")
        .query("from", text(), "From this time on")
        .query("to", text(), "Up to this time")
        .of_data_api()
}

/// `GET /api/sensors/readings`.
pub(crate) fn readings() -> Operation {
    period(Operation::new("get_readings", DATA, "The readings as columns"))
        .answers(map(list(maybe(number()))))
}

/// `GET /api/sensors/series`.
pub(crate) fn series() -> Operation {
    let seconds = || list(integer());
    let pair = |of: Value| list(list(of));
    let field = object([
        ("time", seconds()),
        ("value", list(maybe(number()))),
        ("means", pair(maybe(number()))),
        ("count", integer()),
        ("low", maybe(number())),
        ("median", maybe(number())),
        ("high", maybe(number())),
        ("over", integer()),
        ("hours", pair(maybe(number()))),
    ]);
    let summary = "The readings as lines of few points that show the same picture, with sums";
    period(Operation::new("get_series", DATA, summary))
        .query("points", integer(), "How many pixels a chart is wide: 600 unless given, 50 to 4000")
        .query("series", text(), "Which quantities, with commas: CO,NO2; all unless given")
        .answers(object([
            ("version", text()),
            ("first", integer()),
            ("last", integer()),
            ("from", integer()),
            ("to", integer()),
            ("step", integer()),
            ("count", integer()),
            ("is_dense", boolean()),
            ("gaps", pair(integer())),
            ("fields", map(field)),
        ]))
}

/// `GET /api/sensors/alerts`.
pub(crate) fn known_alerts() -> Operation {
    let alert = object([
        ("message_id", text()),
        ("labels", list(text())),
        ("conditions", text()),
        ("time", maybe(text())),
        ("run_id", text()),
        ("copies", integer()),
        ("text", text()),
        ("acknowledged_by", maybe(text())),
        ("acknowledged_at", maybe(instant())),
        ("note", maybe(text())),
    ]);
    let summary = "Alerts among the first 1000 of the queue, each once, and who has acknowledged them";
    Operation::new("get_known_alerts", DATA, summary)
        .answers(object([("alerts", list(alert)), ("open", integer()), ("waiting", maybe(integer()))]))
        .of_data_api()
}

/// `POST /api/sensors/alerts/acknowledge`.
pub(crate) fn acknowledge_alerts() -> Operation {
    let names = json!({ "type": "array", "items": text(), "minItems": 1, "maxItems": 1000 });
    let note = json!({ "type": "string", "maxLength": 500 });
    let fields = [("message_ids", names), ("note", note), ("reopen", boolean())];
    Operation::new(
        "acknowledge_alerts",
        DATA,
        "Acknowledge alerts, or take that back; the queue stays as it is",
    )
    .body(body(&["message_ids"], fields))
    .answers(object([("changed", integer())]))
    .of_data_api()
}

/// `GET /api/sensors/export`.
pub(crate) fn export() -> Operation {
    period(Operation::new("export_readings", DATA, "The readings as a file"))
        .query("format", one_of(&["csv", "json"]), "csv unless given")
        .answers(list(map(any())))
        .or_text("text/csv")
}

/// `GET /api/sensors/stream`.
pub(crate) fn readings_stream() -> Operation {
    Operation::new("stream_readings", LIVE, "That readings have come, as server-sent events")
        .or_text("text/event-stream")
}
