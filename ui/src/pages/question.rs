//! What a task asks people: the form on the page of its instance, and the answer that comes from it.

use super::instance::{self, Wanted};
use crate::access::PageActor;
use crate::error_pages::PageError;
use crate::frame::Visitor;
use crate::param_form::{self, Field, FieldFaults, Typed};
use crate::show::Instant;
use crate::{AppState, links, t, t1, tn};
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use esteira_core::ids::TaskId;
use esteira_core::run::{Answer, Question};
use esteira_runtime::{AnswerEffect, AnswerRequest, CommandError};
use esteira_store::{QuestionRow, RunRow, TaskInstanceRow};
use jiff::Timestamp;
use serde_json::Value;

/// So many tasks that an answer touches are named.
const NAMED_MAX: usize = 8;

/// The name of the fields of options.
const OPTION: &str = "option";

/// A question with its form, or with its answer.
pub(crate) struct QuestionView {
    pub(super) subject: String,
    pub(super) body: String,
    pub(super) asked: Instant,
    pub(super) due: Option<Instant>,
    pub(super) is_open: bool,
    pub(super) multiple: bool,
    /// Each with whether it is chosen if nobody answers.
    pub(super) options: Vec<(String, bool)>,
    /// What comes of each, as far as it is known.
    pub(super) effects: Vec<(String, String)>,
    pub(super) defaults: String,
    pub(super) fields: Vec<Field>,
    /// Where the answer goes.
    pub(super) url: String,
    pub(super) fault: Option<String>,
    pub(super) answer: Option<AnswerView>,
}

pub(super) struct AnswerView {
    pub(super) chosen: String,
    pub(super) by: String,
    pub(super) at: Instant,
    /// What was filled in, by name.
    pub(super) filled: Vec<(String, String)>,
}

/// What was typed, and what is wrong with it.
#[derive(Default)]
pub(crate) struct Given {
    typed: Typed,
    faults: FieldFaults,
    whole: Option<String>,
}

/// What an attempt asks or has asked, if it has.
pub(crate) async fn view(
    state: &AppState,
    run: &RunRow,
    instance: &TaskInstanceRow,
    try_number: u32,
    given: &Given,
) -> Result<Option<QuestionView>, PageError> {
    let Some(row) = find(state, run, instance, Some(try_number)).await? else { return Ok(None) };
    let now = Timestamp::now();
    let (dag_id, run_id, task_id) = (run.dag_id.as_str(), run.run_id.as_str(), instance.task_id.as_str());
    let map_index = if instance.map_index < 0 { String::new() } else { instance.map_index.to_string() };
    let path = format!("{}/answer", links::instance(dag_id, run_id, task_id, -1));
    let params = row.question.fields().unwrap_or_default();
    let effects = if row.is_open { effects(state, run, instance).await } else { Vec::new() };
    let Question { subject, body, options, defaults, multiple, .. } = row.question;
    let defaults = defaults.unwrap_or_default();
    Ok(Some(QuestionView {
        subject,
        body: body.unwrap_or_default(),
        asked: Instant::new(row.created_at, now),
        due: row.due_at.map(|at| Instant::new(at, now)),
        is_open: row.is_open,
        multiple,
        effects,
        defaults: defaults.join(", "),
        options: options
            .into_iter()
            .map(|option| {
                let is_default = defaults.contains(&option);
                (option, is_default)
            })
            .collect(),
        fields: param_form::fields(&params, &given.typed, &given.faults),
        url: links::with_query(&path, &[("map_index", &map_index)]),
        fault: given.whole.clone(),
        answer: row.answer.map(|answer| answer_view(answer, now)),
    }))
}

/// What comes of each option, in words.
async fn effects(state: &AppState, run: &RunRow, instance: &TaskInstanceRow) -> Vec<(String, String)> {
    let asking = (instance.task_id.clone(), instance.map_index);
    // Whoever answers has the question all the same.
    let effects = state.handle.preview_answer(run.dag_id.clone(), run.run_id.clone(), asking).await;
    effects.unwrap_or_default().into_iter().map(|effect| (effect.option.clone(), told(&effect))).collect()
}

fn told(effect: &AnswerEffect) -> String {
    let fails = effect.fails.then(|| t("The task fails.").to_owned());
    let skipped = (!effect.skipped.is_empty()).then(|| t1("Skips {}.", names(&effect.skipped)));
    let goes_on = (!effect.goes_on.is_empty()).then(|| t1("Goes on with {}.", names(&effect.goes_on)));
    let parts: Vec<String> = [fails, goes_on, skipped].into_iter().flatten().collect();
    if parts.is_empty() { t("Nothing comes after it.").to_owned() } else { parts.join(" ") }
}

/// The first of these tasks, and how many more there are.
fn names(tasks: &[TaskId]) -> String {
    let named: Vec<&str> = tasks.iter().take(NAMED_MAX).map(TaskId::as_str).collect();
    match tasks.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} {}", named.join(", "), tn(more as u64, "and 1 more", "and {} more")),
    }
}

fn answer_view(answer: Answer, now: Timestamp) -> AnswerView {
    let shown = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    AnswerView {
        chosen: answer.chosen_options.join(", "),
        by: answer.responded_by,
        at: Instant::new(answer.responded_at, now),
        filled: answer.params_input.into_iter().map(|(name, value)| (name, shown(value))).collect(),
    }
}

/// The question of an attempt, or the last of the instance.
async fn find(
    state: &AppState,
    run: &RunRow,
    instance: &TaskInstanceRow,
    try_number: Option<u32>,
) -> Result<Option<QuestionRow>, PageError> {
    let address = (run.dag_id.as_str(), run.run_id.as_str(), instance.task_id.as_str());
    Ok(state.handle.reader().question(address, instance.map_index, try_number).await?)
}

/// Takes an answer, and goes back to the page of the instance. What does not fit is said there, and nothing that was typed
/// is lost.
pub(crate) async fn submit(
    State(state): State<AppState>,
    Path((dag_id, run_id, task_id)): Path<(String, String, String)>,
    Query(wanted): Query<Wanted>,
    visitor: Visitor,
    PageActor(actor): PageActor,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, PageError> {
    let (run, instance) = instance::find(&state, &dag_id, &run_id, &task_id, &wanted).await?;
    let (options, typed): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(name, _)| name == OPTION);
    let mut given = Given { typed: typed.into_iter().collect(), ..Given::default() };
    let row = find(&state, &run, &instance, None).await?;
    let params = row.and_then(|row| row.question.fields().ok()).unwrap_or_default();
    let params_input = param_form::values(&params, &given.typed, &mut given.faults);
    if given.faults.is_empty() {
        let request = AnswerRequest {
            dag_id: dag_id.as_str().into(),
            run_id: run_id.as_str().into(),
            task_id: task_id.as_str().into(),
            map_index: instance.map_index,
            chosen_options: options.into_iter().map(|(_, option)| option).collect(),
            params_input,
            actor,
        };
        match state.handle.answer(request).await {
            Ok(_) => {
                let page = links::instance(&dag_id, &run_id, &task_id, instance.map_index);
                return Ok(Redirect::to(&page).into_response());
            }
            Err(error @ CommandError::Invalid(_)) => given.whole = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    let page = instance::shown(&state, &run, &instance, &wanted, &visitor, &given).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}
