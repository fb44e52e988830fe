//! What a route of the API takes and answers, for the OpenAPI document and for the check of queries.

use super::schema::{at_least, reference, text};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// A parameter of a query.
#[derive(Clone, Debug)]
struct Parameter {
    name: &'static str,
    schema: Value,
    description: Cow<'static, str>,
    is_needed: bool,
}

/// The body of an answer.
#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    /// `application/json` and its schema; nothing for an answer without a body.
    kinds: Vec<(&'static str, Value)>,
}

/// What a route of the API takes and answers.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    parameters: Vec<Parameter>,
    body: Option<(Value, bool)>,
    answers: Vec<Answer>,
    error: &'static str,
    is_strict: bool,
}

impl Operation {
    /// An operation by its name, unique in the document (Airflow's, where it is Airflow's), its group, and one line of what
    /// it does.
    pub(crate) fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            error: "Error",
            is_strict: true,
        }
    }

    /// It takes this parameter in the query.
    pub(crate) fn query(mut self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.parameters.push(Parameter { name, schema, description: description.into(), is_needed: false });
        self
    }

    /// It needs this parameter in the query.
    pub(crate) fn needs(mut self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.parameters.push(Parameter { name, schema, description: description.into(), is_needed: true });
        self
    }

    /// It answers with a part of a list.
    pub(crate) fn window(self) -> Self {
        self.query("limit", at_least(0), "How many: 50 unless given, 100 at the most")
            .query("offset", at_least(0), "How many are passed over before")
            .query(
                "cursor",
                text(),
                "Empty for the first page, then the next_cursor (or previous_cursor) of the page before; offset counts for nothing then",
            )
    }

    /// A text can be looked for: the names of `…_pattern` and `…_prefix_pattern`, and whose text it is.
    pub(crate) fn patterns(self, [pattern, prefix]: [&'static str; 2], whose: &'static str) -> Self {
        let schema = json!({ "type": "string", "maxLength": 1000 });
        let describe = |how: &str| format!("{whose} {how}, of several apart by |");
        self.described(
            pattern,
            schema.clone(),
            describe("holds this, whatever the case; % is any text, _ any character"),
        )
        .described(prefix, schema, describe("begins with this"))
    }

    fn described(mut self, name: &'static str, schema: Value, description: String) -> Self {
        self.parameters.push(Parameter { name, schema, description: description.into(), is_needed: false });
        self
    }

    /// The list can be ordered.
    pub(crate) fn ordered(self) -> Self {
        let order = json!({ "type": "array", "items": text() });
        self.query("order_by", order, "Columns to order by; - before one turns it round")
    }

    /// A range: the name with `_gte`, `_gt`, `_lte` and `_lt`.
    pub(crate) fn range(mut self, names: [&'static str; 4], schema: &Value) -> Self {
        let descriptions = ["This and more", "More than this", "This and less", "Less than this"];
        for (name, description) in names.into_iter().zip(descriptions) {
            self = self.query(name, schema.clone(), description);
        }
        self
    }

    /// It needs a body of JSON.
    pub(crate) fn body(mut self, schema: Value) -> Self {
        self.body = Some((schema, true));
        self
    }

    /// It takes a body of JSON.
    pub(crate) fn optional_body(mut self, schema: Value) -> Self {
        self.body = Some((schema, false));
        self
    }

    /// It answers 200 with JSON like this.
    pub(crate) fn answers(self, schema: Value) -> Self {
        self.answers_with(200, schema)
    }

    /// It answers with this status and JSON like this.
    pub(crate) fn answers_with(mut self, status: u16, schema: Value) -> Self {
        self.answers.push(Answer { status, kinds: vec![("application/json", schema)] });
        self
    }

    /// It answers with this status and nothing else.
    pub(crate) fn answers_nothing(mut self, status: u16) -> Self {
        self.answers.push(Answer { status, kinds: Vec::new() });
        self
    }

    /// The answer may also be text of this kind.
    pub(crate) fn or_text(mut self, kind: &'static str) -> Self {
        match self.answers.last_mut() {
            Some(answer) => answer.kinds.push((kind, text())),
            None => self.answers.push(Answer { status: 200, kinds: vec![(kind, text())] }),
        }
        self
    }

    /// It is one of the data API, which tells its errors in its own way and checks its query itself.
    pub(crate) fn of_data_api(mut self) -> Self {
        self.error = "DataError";
        self.is_strict = false;
        self
    }

    /// The name of a parameter that it does not take, among these.
    pub(crate) fn unknown<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        names.find(|name| self.is_strict && !self.parameters.iter().any(|known| known.name == *name))
    }

    /// The names of the parameters that it takes.
    pub(crate) fn parameters(&self) -> Vec<&'static str> {
        self.parameters.iter().map(|parameter| parameter.name).collect()
    }

    /// As the document has it. `path` is the route's, for the parameters in it; `role` is who may use it.
    pub(super) fn to_json(&self, path: &str, role: Option<&str>) -> Value {
        let in_path = path_parameters(path)
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": path_schema(name) }));
        let in_query = self.parameters.iter().map(Parameter::to_json);
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
            "responses": self.responses(),
        });
        if let Some((schema, is_needed)) = &self.body {
            operation["requestBody"] = json!({
                "required": is_needed,
                "content": { "application/json": { "schema": schema } },
            });
        }
        match role {
            Some(role) => {
                operation["description"] = json!(format!("For the role `{role}` and those above it."))
            }
            None => operation["security"] = json!([]),
        }
        operation
    }

    fn responses(&self) -> Value {
        let mut responses = Map::new();
        for Answer { status, kinds } in &self.answers {
            let content: Map<String, Value> = kinds
                .iter()
                .map(|(kind, schema)| ((*kind).to_owned(), json!({ "schema": schema })))
                .collect();
            let mut answer = json!({ "description": "Done" });
            if !content.is_empty() {
                answer["content"] = Value::Object(content);
            }
            responses.insert(status.to_string(), answer);
        }
        let error = json!({
            "description": "What is wrong, and where",
            "content": { "application/json": { "schema": reference(self.error) } },
        });
        responses.insert("default".to_owned(), error);
        Value::Object(responses)
    }
}

impl Parameter {
    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "in": "query",
            "required": self.is_needed,
            "description": self.description,
            "schema": self.schema,
        })
    }
}

/// The names in a route's path: `dag_id` of `/dags/{dag_id}`.
fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| Some(part.strip_prefix('{')?.strip_suffix('}')?.trim_start_matches('*')))
}

/// What stands in an address under this name.
fn path_schema(name: &str) -> Value {
    match name {
        "number" | "seq" | "backfill_id" | "asset_id" | "import_error_id" | "try_number" | "map_index" => {
            json!({ "type": "integer" })
        }
        _ => json!({ "type": "string", "minLength": 1 }),
    }
}
