//! Attempts that ask people: no slot while they wait, one answer that fits, and none that is lost.

use crate::world::{World, rerun, tester, wait_for};
use esteira_core::ids::RunId;
use esteira_core::run::Answer;
use esteira_core::states::RunState;
use esteira_runtime::{AnswerRequest, CommandError};
use esteira_store::{Listing, QuestionColumn, QuestionRow};
use serde_json::{Value, json};

const DAG: &str = "
dag_id: d
max_active_tasks: 1
tasks:
  asks: {operator: ask, with: {subject: may I say hunter2?}}
  other: {operator: act}
";

async fn answer(world: &World, run_id: &RunId, option: &str, params: Value) -> Result<Answer, CommandError> {
    let request = AnswerRequest {
        dag_id: "d".into(),
        run_id: run_id.clone(),
        task_id: "asks".into(),
        map_index: -1,
        chosen_options: vec![option.to_owned()],
        params_input: params.as_object().cloned().unwrap(),
        actor: tester(),
    };
    world.handle().answer(request).await
}

async fn questions(world: &World, is_open: bool) -> Vec<QuestionRow> {
    let mut listing = Listing::default();
    listing.any_number.push((QuestionColumn::IsOpen, vec![i64::from(is_open)]));
    listing.order.push((QuestionColumn::CreatedAt, true));
    world.handle().reader().list(&listing).await.unwrap().rows
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_ends_the_wait_and_what_does_not_fit_is_refused() {
    let world = World::with(DAG).await;
    world.masker.add("hunter2");
    let (notices, other, end) =
        (world.handle().subscribe(), world.handle().subscribe(), world.handle().subscribe());
    let run = world.trigger(json!({})).await.unwrap();
    wait_for(notices, |event| event.name == "task.rescheduled").await;
    // The only slot is free for the other task.
    wait_for(other, |event| event.name == "task.succeeded" && event.task_id == "other").await;
    assert_eq!(world.states(&run).await[0], "asks awaiting_input 1");
    let waiting = world.handle().why_waiting("d".into(), run.run_id.clone()).await.unwrap();
    assert_eq!(waiting[0].reason, "it waits for an answer: may I say ***?");
    let why = |task: &str| {
        let asked = (task.into(), -1);
        world.handle().why_instance_waits("d".into(), run.run_id.clone(), asked)
    };
    assert_eq!(why("asks").await.unwrap().as_ref(), Some(&waiting[0].reason));
    assert_eq!(why("other").await.unwrap(), None);
    let asked = |task: &str| world.handle().preview_answer("d".into(), run.run_id.clone(), (task.into(), -1));
    let effects = asked("asks").await.unwrap();
    let told: Vec<_> = effects.iter().map(|it| (it.option.as_str(), it.fails, it.goes_on.len())).collect();
    assert_eq!(told, [("yes", false, 0), ("no", false, 0)]);
    assert!(matches!(asked("other").await.unwrap_err(), CommandError::NotAsked { .. }));
    assert!(matches!(asked("none").await.unwrap_err(), CommandError::UnknownTask { .. }));
    let open = questions(&world, true).await;
    assert_eq!((open.len(), open[0].question.subject.as_str(), open[0].due_at), (1, "may I say ***?", None));
    assert_eq!(world.handle().reader().open_question_count().await.unwrap(), 1);

    for (option, params) in [("maybe", json!({})), ("yes", json!({"days": "x"})), ("yes", json!({"x": 1}))] {
        let refused = answer(&world, &run.run_id, option, params).await.unwrap_err();
        assert!(matches!(refused, CommandError::Invalid(_)), "{refused}");
    }
    let given = answer(&world, &run.run_id, "yes", json!({})).await.unwrap();
    assert_eq!(
        (given.responded_by.as_str(), Value::Object(given.params_input.clone())),
        ("tester", json!({"days": 1}))
    );
    let run = world.ended(end, &run.run_id).await;
    assert_eq!(run.state, RunState::Success);
    let told = world.xcom(&run, "asks").await.unwrap();
    assert_eq!(told, json!({"state": null, "answer": given}));
    let again = answer(&world, &run.run_id, "no", json!({})).await.unwrap_err();
    assert!(matches!(again, CommandError::NotAsked { .. }));
    let closed = questions(&world, false).await;
    assert_eq!(closed[0].answer.as_ref(), Some(&given));
    assert_eq!(world.attempts(&run, "asks").await.len(), 1);
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_still_asked_after_a_restart_and_anew_after_a_clear() {
    let mut world = World::with(DAG).await;
    let (notices, other) = (world.handle().subscribe(), world.handle().subscribe());
    let run = world.trigger(json!({})).await.unwrap();
    wait_for(notices, |event| event.name == "task.rescheduled").await;
    wait_for(other, |event| event.name == "task.succeeded" && event.task_id == "other").await;
    world.stop().await;
    world.start().await;
    assert_eq!(questions(&world, true).await.len(), 1);
    let notices = world.handle().subscribe();
    world.handle().rerun(rerun(&run, &["asks"])).await.unwrap();
    wait_for(notices, |event| event.name == "task.rescheduled").await;
    let (open, closed) = (questions(&world, true).await, questions(&world, false).await);
    assert_eq!((open[0].try_number, closed[0].try_number, closed[0].answer.is_none()), (2, 1, true));
    let notices = world.handle().subscribe();
    answer(&world, &run.run_id, "no", json!({"days": 3})).await.unwrap();
    let run = world.ended(notices, &run.run_id).await;
    assert_eq!(world.xcom(&run, "asks").await.unwrap()["answer"]["params_input"], json!({"days": 3}));
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_nobody_answers_in_time_or_whose_run_is_cancelled_is_asked_no_more() {
    let world = World::with(
        "dag_id: d\ntasks: {asks: {operator: ask, with: {subject: s, timeout_ms: \"{{ params.timeout }}\"}}}\n\
         params: {timeout: 10}\n",
    )
    .await;
    let run = world.run(json!({})).await;
    assert_eq!(run.state, RunState::Success);
    assert_eq!(world.xcom(&run, "asks").await.unwrap(), json!({"state": null, "answer": null}));

    let (notices, end) = (world.handle().subscribe(), world.handle().subscribe());
    let run = world.trigger(json!({"timeout": 3_600_000})).await.unwrap();
    wait_for(notices, |event| event.name == "task.rescheduled").await;
    assert_eq!(questions(&world, true).await.len(), 1);
    world.cancel(&run.run_id).await.unwrap();
    let run = world.ended(end, &run.run_id).await;
    assert_eq!(world.states(&run).await, ["asks skipped 1"]);
    assert!(questions(&world, true).await.is_empty());
    let late = answer(&world, &run.run_id, "yes", json!({})).await.unwrap_err();
    assert!(matches!(late, CommandError::NotAsked { .. }));
    let unknown = answer(&world, &"nope".into(), "yes", json!({})).await.unwrap_err();
    assert!(matches!(unknown, CommandError::UnknownRun { .. }));
    world.is_sound().await;
}
