//! `hitl`, `approval` and `hitl_branch`: ask people, and go on with what one answers (Airflow's `HITLOperator`,
//! `HITLEntryOperator`, `ApprovalOperator` and `HITLBranchOperator`).
//!
//! The attempt holds no slot while it waits. The result is Airflow's: `chosen_options`, `params_input`, `responded_at`,
//! `responded_by_user` and `timedout`.

use super::support::{optional_duration, text_list};
use async_trait::async_trait;
use esteira_operator::{
    Answer, Argument, ArgumentKind, Consequence, Follow, Operator, Question, Signature, TaskContext,
    TaskError, TaskErrorKind, TaskOutput, Waiting, parse_arguments, read_params,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Asks for one or more of some options, and what else is to be filled in.
pub(crate) struct Hitl;

/// Asks for approval: what comes after it is skipped when it is refused.
pub(crate) struct Approval;

/// Asks which of the tasks directly after it go on.
pub(crate) struct HitlBranch;

const APPROVE: &str = "Approve";
const REJECT: &str = "Reject";

/// What all of them are given.
#[derive(Deserialize)]
struct Asked {
    subject: String,
    body: Option<String>,
    #[serde(default, deserialize_with = "text_list")]
    options: Vec<String>,
    #[serde(default, deserialize_with = "text_list")]
    defaults: Vec<String>,
    #[serde(default)]
    multiple: bool,
    #[serde(default)]
    params: Map<String, Value>,
    #[serde(default, deserialize_with = "optional_duration")]
    response_timeout: Option<Duration>,
    #[serde(default)]
    ignore_downstream_trigger_rules: bool,
    #[serde(default)]
    fail_on_reject: bool,
    #[serde(default)]
    options_mapping: Map<String, Value>,
}

#[async_trait]
impl Operator for Hitl {
    fn signature(&self) -> Signature {
        let mut arguments = question_arguments();
        arguments.extend(option_arguments());
        Signature {
            name: "hitl",
            summary: "Asks people to choose, and to fill in what is asked for.",
            arguments,
        }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        check(argument, value)
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        match ask(context, parse_arguments(arguments)?, |_| None)? {
            Step::Wait(wait) => Ok(TaskOutput::waiting(wait)),
            Step::Answered(response) => Ok(TaskOutput::returning(response.result())),
        }
    }
}

#[async_trait]
impl Operator for Approval {
    fn signature(&self) -> Signature {
        let mut arguments = question_arguments();
        arguments.push(
            Argument::optional(
                "ignore_downstream_trigger_rules",
                ArgumentKind::Boolean,
                "When it is rejected, skip everything after the task; false skips only what is directly after it.",
            )
            .with_default(false),
        );
        let help = "When it is rejected, fail instead of skipping what comes after.";
        arguments.push(Argument::optional("fail_on_reject", ArgumentKind::Boolean, help).with_default(false));
        let summary = "Asks people to approve; what comes after it is skipped when somebody rejects.";
        Signature { name: "approval", summary, arguments }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        let words = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let is_one = |word: &Value| word == APPROVE || word == REJECT;
        if argument == "defaults" && !words.iter().all(is_one) {
            return Err(format!("it is {APPROVE} or {REJECT}"));
        }
        check(argument, value)
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let mut asked: Asked = parse_arguments(arguments)?;
        asked.options = vec![APPROVE.to_owned(), REJECT.to_owned()];
        asked.multiple = false;
        let (fails, ignores) = (asked.fail_on_reject, asked.ignore_downstream_trigger_rules);
        let follow = if ignores { Follow::NothingAfter } else { Follow::Nothing };
        let rejection = if fails { Consequence::Fails } else { Consequence::Follow(follow.clone()) };
        let response = match ask(context, asked, |option| (option == REJECT).then(|| rejection.clone()))? {
            Step::Wait(wait) => return Ok(TaskOutput::waiting(wait)),
            Step::Answered(response) => response,
        };
        let by = response.by();
        if response.chosen_options.iter().any(|option| option == APPROVE) {
            context.info(format!("approved{by}"));
            return Ok(TaskOutput::returning(response.result()));
        }
        if fails {
            return Err(TaskError::fatal(format!("rejected{by}")));
        }
        context.info(format!("rejected{by}: what comes after this task is skipped"));
        Ok(TaskOutput::returning(response.result()).following(follow))
    }
}

#[async_trait]
impl Operator for HitlBranch {
    fn signature(&self) -> Signature {
        let mut arguments = question_arguments();
        arguments.extend(option_arguments());
        let help =
            "The task or group that an option stands for, by option; one that is not here is its own name.";
        arguments.push(Argument::optional("options_mapping", ArgumentKind::Map, help));
        let summary = "Asks people which of the tasks directly after it go on; the others are skipped.";
        Signature { name: "hitl_branch", summary, arguments }
    }

    fn check(&self, argument: &str, value: &Value) -> Result<(), String> {
        check(argument, value)
    }

    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError> {
        let asked: Asked = parse_arguments(arguments)?;
        let mapping = asked.options_mapping.clone();
        let task = |option: &str| mapping.get(option).and_then(Value::as_str).unwrap_or(option).to_owned();
        let way = |option: &str| Some(Consequence::Follow(Follow::Only(vec![task(option).into()])));
        let response = match ask(context, asked, way)? {
            Step::Wait(wait) => return Ok(TaskOutput::waiting(wait)),
            Step::Answered(response) => response,
        };
        let tasks: Vec<String> = response.chosen_options.iter().map(|option| task(option)).collect();
        context.info(format!("going on with {}{}", tasks.join(", "), response.by()));
        let follow = Follow::Only(tasks.into_iter().map(Into::into).collect());
        Ok(TaskOutput::returning(response.result()).following(follow))
    }
}

fn question_arguments() -> Vec<Argument> {
    vec![
        Argument::required("subject", ArgumentKind::Text, "What is asked, in one line."),
        Argument::optional("body", ArgumentKind::Text, "What is needed to decide."),
        Argument::optional(
            "defaults",
            ArgumentKind::TextList,
            "What counts as chosen when nobody answers in time; without it, the task fails then.",
        ),
        Argument::optional(
            "params",
            ArgumentKind::Map,
            "What is to be filled in besides, written like the params of a DAG.",
        ),
        Argument::optional(
            "response_timeout",
            ArgumentKind::Duration,
            "How long an answer is waited for; for ever if not given.",
        ),
    ]
}

fn option_arguments() -> [Argument; 2] {
    [
        Argument::optional("options", ArgumentKind::TextList, "What may be chosen.")
            .with_default(json!(["OK"])),
        Argument::optional("multiple", ArgumentKind::Boolean, "Whether several options may be chosen.")
            .with_default(false),
    ]
}

fn check(argument: &str, value: &Value) -> Result<(), String> {
    match (argument, value) {
        ("params", Value::Object(params)) => read_params(params).map(drop),
        _ => Ok(()),
    }
}

/// Where a question stands.
enum Step {
    Wait(Waiting),
    Answered(Response),
}

/// What was answered, or taken for an answer.
struct Response {
    chosen_options: Vec<String>,
    params_input: Map<String, Value>,
    /// None when nobody answered in time.
    answer: Option<Answer>,
}

impl Response {
    fn result(&self) -> Value {
        let by = self
            .answer
            .as_ref()
            .map(|answer| json!({ "id": answer.responded_by, "name": answer.responded_by }));
        let at = self.answer.as_ref().map_or_else(jiff::Timestamp::now, |answer| answer.responded_at);
        json!({
            "chosen_options": self.chosen_options,
            "params_input": self.params_input,
            "responded_at": at.to_string(),
            "responded_by_user": by,
            "timedout": self.answer.is_none(),
        })
    }

    fn by(&self) -> String {
        match &self.answer {
            Some(answer) => format!(" by {}", answer.responded_by),
            None => ", since nobody answered in time".to_owned(),
        }
    }
}

/// Asks, or reads what was answered when the attempt goes on after its wait. `consequence` says what comes of an option.
fn ask(
    context: &TaskContext,
    asked: Asked,
    consequence: impl Fn(&str) -> Option<Consequence>,
) -> Result<Step, TaskError> {
    let options = if asked.options.is_empty() { vec!["OK".to_owned()] } else { asked.options };
    let of_option = |option: &String| Some((option.clone(), consequence(option)?));
    let consequences: BTreeMap<_, _> = options.iter().filter_map(of_option).collect();
    let question = Question {
        subject: asked.subject,
        body: asked.body,
        options,
        defaults: Some(asked.defaults).filter(|defaults| !defaults.is_empty()),
        multiple: asked.multiple,
        params: asked.params,
        consequences,
    };
    question.check().map_err(TaskError::fatal)?;
    let Some(told) = &context.resumed else {
        context.info(format!("asks: {}", question.subject));
        let longest = asked.response_timeout.unwrap_or(Duration::MAX);
        return Ok(Step::Wait(Waiting::for_answer(question, longest)));
    };
    let answer: Option<Answer> = serde_json::from_value(told["answer"].clone())
        .map_err(|error| TaskError::fatal(format!("the answer cannot be read: {error}")))?;
    if let Some(answer) = answer {
        let (chosen_options, params_input) = (answer.chosen_options.clone(), answer.params_input.clone());
        return Ok(Step::Answered(Response { chosen_options, params_input, answer: Some(answer) }));
    }
    let Some(chosen_options) = question.defaults.clone() else {
        let message = format!("nobody answered in time: {}", question.subject);
        return Err(
            TaskError::new(TaskErrorKind::TimedOut, message).hint("defaults says what counts as chosen then")
        );
    };
    context.info(format!("nobody answered in time, which counts as {}", chosen_options.join(", ")));
    let params_input = question.accept(&chosen_options, &Map::new()).map_err(TaskError::fatal)?;
    Ok(Step::Answered(Response { chosen_options, params_input, answer: None }))
}

#[cfg(test)]
mod tests {
    use crate::operators::tests::Bench;
    use esteira_operator::{Follow, TaskError, TaskErrorKind, TaskOutput};
    use serde_json::{Value, json};

    /// Asks, and goes on with this answer; null for none.
    async fn answered(operator: &str, arguments: Value, answer: Value) -> Result<TaskOutput, TaskError> {
        let bench = Bench::new();
        let operator = bench.registry.operator(operator).unwrap();
        let mut context = bench.context("asks");
        let wait = operator.execute(&context, arguments.clone()).await?.wait.expect("it asks");
        assert!(wait.question.is_some());
        context.resumed = Some(json!({ "state": null, "answer": answer }));
        operator.execute(&context, arguments).await
    }

    fn chosen(options: &[&str]) -> Value {
        json!({ "chosen_options": options, "params_input": {"a": 1}, "responded_by": "ana", "responded_at": 0 })
    }

    #[tokio::test]
    async fn an_answer_is_the_result_in_airflows_words() {
        let arguments = json!({"subject": "s", "options": ["a", "b"], "params": {"a": 0}});
        let output = answered("hitl", arguments, chosen(&["b"])).await.unwrap();
        assert_eq!(
            output.into_return_value(),
            json!({
                "chosen_options": ["b"],
                "params_input": {"a": 1},
                "responded_at": "1970-01-01T00:00:00Z",
                "responded_by_user": {"id": "ana", "name": "ana"},
                "timedout": false,
            })
        );
    }

    #[tokio::test]
    async fn no_answer_is_the_default_or_a_failure() {
        let arguments =
            json!({"subject": "s", "defaults": "OK", "response_timeout": "1s", "params": {"a": 5}});
        let result = answered("hitl", arguments, Value::Null).await.unwrap().into_return_value();
        assert_eq!((&result["chosen_options"], &result["params_input"]), (&json!(["OK"]), &json!({"a": 5})));
        assert_eq!((&result["timedout"], &result["responded_by_user"]), (&json!(true), &Value::Null));
        let error =
            answered("hitl", json!({"subject": "s", "response_timeout": 1}), Value::Null).await.unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (TaskErrorKind::TimedOut, "nobody answered in time: s")
        );
    }

    #[tokio::test]
    async fn a_rejection_skips_what_comes_after_or_fails() {
        let ask = |more: Value| {
            let mut arguments = json!({"subject": "s"});
            arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            arguments
        };
        let rejected = |more| answered("approval", ask(more), chosen(&["Reject"]));
        let approved = answered("approval", ask(json!({})), chosen(&["Approve"])).await.unwrap();
        assert_eq!(approved.follow, None);
        assert_eq!(rejected(json!({})).await.unwrap().follow, Some(Follow::Nothing));
        let all = rejected(json!({"ignore_downstream_trigger_rules": true})).await.unwrap();
        assert_eq!(all.follow, Some(Follow::NothingAfter));
        let error = rejected(json!({"fail_on_reject": true})).await.unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (TaskErrorKind::Fatal, "rejected by ana"));
    }

    #[tokio::test]
    async fn a_question_says_what_comes_of_its_options() {
        let bench = Bench::new();
        let asks = async |operator: &str, arguments: Value| {
            let operator = bench.registry.operator(operator).unwrap();
            let output = operator.execute(&bench.context("asks"), arguments).await.unwrap();
            let consequences = output.wait.unwrap().question.unwrap().consequences;
            serde_json::to_value(consequences).unwrap()
        };
        assert_eq!(asks("hitl", json!({"subject": "s"})).await, json!({}), "all goes on");
        assert_eq!(asks("approval", json!({"subject": "s"})).await, json!({"Reject": {"follow": "nothing"}}));
        let all = json!({"subject": "s", "ignore_downstream_trigger_rules": true});
        assert_eq!(asks("approval", all).await, json!({"Reject": {"follow": "nothing_after"}}));
        let fails = json!({"subject": "s", "fail_on_reject": true});
        assert_eq!(asks("approval", fails).await, json!({"Reject": "fails"}));
        let ways = json!({"subject": "s", "options": ["left", "b"], "options_mapping": {"left": "a"}});
        let expected = json!({"left": {"follow": {"only": ["a"]}}, "b": {"follow": {"only": ["b"]}}});
        assert_eq!(asks("hitl_branch", ways).await, expected);
    }

    #[tokio::test]
    async fn a_choice_of_ways_is_a_branch() {
        let arguments = json!({
            "subject": "s",
            "options": ["left", "b"],
            "multiple": true,
            "options_mapping": {"left": "a"},
        });
        let output = answered("hitl_branch", arguments, chosen(&["left", "b"])).await.unwrap();
        assert_eq!(output.follow, Some(Follow::Only(vec!["a".into(), "b".into()])));
    }

    #[tokio::test]
    async fn what_nobody_could_answer_is_refused() {
        let bench = Bench::new();
        for (operator, arguments) in [
            ("hitl", json!({"subject": "s", "options": ["a"], "defaults": "b"})),
            ("hitl", json!({"subject": "s", "params": {"a": {"type": "int"}}})),
            ("approval", json!({"subject": "s", "defaults": ["Approve", "Reject"]})),
        ] {
            let error = bench.run(operator, arguments.clone()).await.unwrap_err();
            assert_eq!(error.kind, TaskErrorKind::Fatal, "{arguments}");
        }
        let check = |operator: &str, argument: &str, value: Value| {
            bench.registry.operator(operator).unwrap().check(argument, &value)
        };
        assert!(check("approval", "defaults", json!("Maybe")).is_err());
        assert!(check("approval", "defaults", json!(["Approve"])).is_ok());
        assert!(check("hitl", "params", json!({"a": {"type": "int"}})).unwrap_err().contains("integer"));
    }
}
