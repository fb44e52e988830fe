//! The engine over a real database: runs, retries, losses, cancels, DAG files, schedules, the audit check.
#![allow(clippy::unwrap_used)]

mod alerts;
mod answers;
mod mapping;
mod notifications;
mod orchestration;
mod removals;
mod secrets;
mod sensors;
mod versions;
mod world;

use esteira_core::run::AttemptErrorKind;
use esteira_core::states::RunState;
use esteira_operator::{Catalog, Registry, Signature};
use esteira_runtime::home::{self, Home};
use esteira_runtime::logs::LogKey;
use esteira_runtime::{CommandError, Notice, TriggerRequest, audit};
use esteira_store::EventFilter;
use serde_json::{Value, json};
use world::{World, tester, wait_for};

fn log_of(world: &World, run_id: &str, task_id: &str, try_number: u32) -> Vec<String> {
    let key = LogKey {
        dag_id: "d".into(),
        run_id: run_id.into(),
        task_id: task_id.into(),
        map_index: -1,
        try_number,
    };
    let page = world.handle().logs().read(&key, 0, u64::MAX).unwrap();
    page.lines.into_iter().map(|line| format!("{} {} {}", line.level, line.source, line.event)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn results_go_downstream_with_their_types_and_the_history_tells_it_all() {
    let world = World::with(
        "dag_id: d\nparams: {n: 3}\ntasks:\n  a: {operator: act, with: {push: {list: [1, '{{ params.n }}']}}}\n  \
         b: {operator: act, depends_on: a, with: {push: \"{{ ti.xcom_pull('a') }}\", say: 'n is {{ params.n }}'}}\n",
    )
    .await;
    let run = world.run(json!({"n": 7})).await;
    assert_eq!(run.state, RunState::Success);
    assert_eq!(world.xcom(&run, "b").await, Some(json!({"list": [1, 7]})));
    assert_eq!(log_of(&world, run.run_id.as_str(), "b", 1), ["info task n is 7"]);
    let events = world.handle().reader().events_of_run(run.run_key).await.unwrap();
    let told: Vec<String> =
        events.iter().map(|event| format!("{} {} {}", event.name, event.task_id, event.actor)).collect();
    assert_eq!(
        told,
        [
            "run.created  tester",
            "run.started  engine",
            "task.scheduled a engine",
            "task.started a engine",
            "task.succeeded a engine",
            "task.scheduled b engine",
            "task.started b engine",
            "task.succeeded b engine",
            "run.ended  engine",
        ]
    );
    let attempt = &world.attempts(&run, "b").await[0];
    assert_eq!(attempt.arguments, Some(json!({"push": {"list": [1, 7]}, "say": "n is 7"})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_kept_with_its_hint_and_stops_what_waits_for_it() {
    let world = World::with(
        "dag_id: d\ntasks:\n  a: {operator: act, with: {fail: 'no luck'}}\n  b: {operator: act, depends_on: a}\n  c: {operator: act}\n",
    )
    .await;
    let run = world.run(json!({})).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(world.states(&run).await, ["a failed 1", "b upstream_failed 0", "c success 1"]);
    let error = world.attempts(&run, "a").await[0].error.clone().unwrap();
    assert_eq!((error.message.as_str(), error.hint.as_deref()), ("no luck", Some("try harder")));
    assert_eq!(
        log_of(&world, run.run_id.as_str(), "a", 1),
        ["error engine no luck", "error engine hint: try harder"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_come_after_their_delay_and_a_fatal_failure_has_none() {
    let world = World::with(
        "dag_id: d\ndefault_args: {retries: 3, retry_delay: 20ms}\ntasks:\n  a: {operator: act, with: {succeed_from: 3}}\n  \
         b: {operator: act, with: {fatal: 'never'}}\n",
    )
    .await;
    let run = world.run(json!({})).await;
    assert_eq!(world.states(&run).await, ["a success 3", "b failed 1"]);
    let attempts = world.attempts(&run, "a").await;
    assert_eq!(
        attempts.iter().map(|attempt| attempt.outcome.as_str()).collect::<Vec<_>>(),
        ["failed", "failed", "success"]
    );
    for pair in attempts.windows(2) {
        assert!(pair[1].started_at.duration_since(pair[0].ended_at).as_millis() >= 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_takes_too_long_is_ended() {
    let world = World::with(
        "dag_id: d\ntasks:\n  a: {operator: act, execution_timeout: 50ms, with: {wait_for_file: /nowhere/never}}\n",
    )
    .await;
    let run = world.run(json!({})).await;
    let error = world.attempts(&run, "a").await[0].error.clone().unwrap();
    assert_eq!(error.kind, AttemptErrorKind::TimedOut);
    assert_eq!(error.message, "it took longer than its execution_timeout of 50ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_ends_what_runs_and_skips_the_rest() {
    let world = World::with(
        "dag_id: d\ntasks:\n  a: {operator: act, retries: 2, with: {wait_for_file: /nowhere/never}}\n  b: {operator: act, depends_on: a}\n",
    )
    .await;
    let notices = world.handle().subscribe();
    let run = world.trigger(json!({})).await.unwrap();
    world.cancel(&run.run_id).await.unwrap();
    let run = world.ended(notices, &run.run_id).await;
    assert_eq!(
        (run.state, world.states(&run).await),
        (RunState::Failed, vec!["a failed 1".into(), "b skipped 0".into()])
    );
    let refusal = world.cancel(&run.run_id).await.unwrap_err();
    assert_eq!(refusal, CommandError::RunIsOver { run_id: run.run_id.to_string(), state: "failed".into() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_and_a_value_too_large_fail_the_task_and_nothing_else() {
    let mut world = World::asleep();
    world.xcom_size_max = 100;
    let large = "x".repeat(200);
    world.write(
        "dag.yaml",
        &format!(
            "dag_id: d\ntasks:\n  a: {{operator: act, with: {{panic: 'a bug'}}}}\n  b: {{operator: act, with: {{push: {large}}}}}\n  c: {{operator: act}}\n"
        ),
    );
    world.start().await;
    let run = world.run(json!({})).await;
    assert_eq!(world.states(&run).await, ["a failed 1", "b failed 1", "c success 1"]);
    let error = |attempts: Vec<esteira_store::AttemptRow>| attempts[0].error.clone().unwrap().message;
    assert_eq!(error(world.attempts(&run, "a").await), "the operator stopped by a bug of its own: a bug");
    assert_eq!(
        error(world.attempts(&run, "b").await),
        "the XCom value \"return_value\" is 202 bytes of JSON, more than the limit of 100 bytes"
    );
    assert_eq!(world.xcom(&run, "b").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_after_a_restart_and_the_interrupted_attempt_costs_no_retry() {
    let mut world = World::asleep();
    let (gate, touched) = (world.file("gate"), world.file("touched"));
    world.write(
        "dag.yaml",
        &format!(
            "dag_id: d\ntasks:\n  a: {{operator: act, with: {{push: 1}}}}\n  \
             b: {{operator: act, depends_on: a, with: {{wait_for_file: {}, touch: {}}}}}\n  c: {{operator: act, depends_on: b}}\n",
            gate.display(),
            touched.display()
        ),
    );
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.trigger(json!({})).await.unwrap();
    wait_for(notices, |event| event.name == "task.started" && event.task_id == "b").await;
    world.stop().await;
    std::fs::write(&gate, "").unwrap();
    world.start().await;
    // The run may end before anybody can subscribe: then its row says so.
    let notices = world.handle().subscribe();
    let row = world.handle().reader().run("d", run.run_id.as_str()).await.unwrap().unwrap();
    let row = if row.state.is_terminal() { row } else { world.ended(notices, &run.run_id).await };
    assert_eq!(row.state, RunState::Success);
    assert_eq!(world.states(&row).await, ["a success 1", "b success 2", "c success 1"]);
    let outcomes: Vec<_> =
        world.attempts(&row, "b").await.into_iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, ["interrupted", "success"]);
    assert_eq!(std::fs::read_to_string(touched).unwrap(), "2");
    let check = audit::verify(world.handle().reader(), &NoOperators).await.unwrap();
    assert!(check.problem.is_some(), "a catalog without the operator cannot read the version");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_follow_the_commit_is_done_before_the_engine_stops() {
    let mut world = World::asleep();
    let file = world.file("committed");
    world.write(
        "dag.yaml",
        &format!("dag_id: d\ntasks:\n  a: {{operator: act, with: {{after_commit: {}}}}}\n", file.display()),
    );
    world.start().await;
    world.run(json!({})).await;
    world.stop().await;
    assert_eq!(std::fs::read_to_string(file).unwrap(), "committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_masked_in_logs_errors_and_arguments() {
    let world = World::with(
        "dag_id: d\ntasks:\n  a: {operator: act, with: {say: 'it is hunter2', fail: 'not hunter2'}}\n",
    )
    .await;
    world.masker.add("hunter2");
    let run = world.run(json!({})).await;
    let attempt = &world.attempts(&run, "a").await[0];
    let shown = format!("{:?} {:?}", log_of(&world, run.run_id.as_str(), "a", 1), attempt);
    assert!(
        shown.contains("it is ***") && shown.contains("not ***") && !shown.contains("hunter2"),
        "{shown}"
    );
    let events = world.handle().reader().events(&EventFilter::default(), 1_000).await.unwrap();
    assert!(events.rows.iter().all(|event| !event.body.contains("hunter2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_triggered_is_refused_with_the_reason() {
    let world =
        World::with("dag_id: d\nparams: {n: {type: integer, default: 1}}\ntasks: {a: {operator: act}}\n")
            .await;
    assert_eq!(
        world.trigger(json!({"n": "x"})).await.unwrap_err().to_string(),
        "param \"n\" takes integer, not \"x\""
    );
    let unknown = world.handle().trigger(TriggerRequest::manual("e", tester())).await.unwrap_err();
    assert_eq!(unknown, CommandError::UnknownDag("e".into()));
    let named = |run_id: &str| TriggerRequest {
        run_id: Some(run_id.into()),
        ..TriggerRequest::manual("d", tester())
    };
    world.handle().trigger(named("mine")).await.unwrap();
    let again = world.handle().trigger(named("mine")).await.unwrap_err();
    assert_eq!(again, CommandError::RunExists { dag_id: "d".into(), run_id: "mine".into() });
    assert!(matches!(world.handle().trigger(named("../mine")).await.unwrap_err(), CommandError::Invalid(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_triggers_at_once_all_run_under_names_of_their_own() {
    let world = World::with("dag_id: d\ntasks: {a: {operator: act}}\n").await;
    let triggers: Vec<_> = (0..50)
        .map(|_| {
            let handle = world.handle().clone();
            tokio::spawn(async move {
                handle.trigger(TriggerRequest::manual("d", tester())).await.unwrap().run_id
            })
        })
        .collect();
    let mut names = std::collections::BTreeSet::new();
    for trigger in triggers {
        names.insert(trigger.await.unwrap().to_string());
    }
    assert_eq!(names.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_a_new_version_a_broken_one_is_shown_and_the_last_good_one_stays() {
    let world = World::with("dag_id: d\ndescription: one\ntasks: {a: {operator: act}}\n").await;
    let version = || world.handle().dag("d").map(|loaded| loaded.version_number);
    assert_eq!(version(), Some(1));
    let notices = world.handle().subscribe();
    world.write("dag.yaml", "dag_id: d\ndescription: two\ntasks: {a: {operator: act}, b: {operator: act}}\n");
    wait_for(notices, |event| event.name == "dag.version_added").await;
    assert_eq!(version(), Some(2));
    let notices = world.handle().subscribe();
    world.write("dag.yaml", "dag_id: d\ntasks: {a: {operator: axt}}\n");
    wait_for(notices, |event| event.name == "dag.import_error").await;
    let errors = world.handle().reader().import_errors().await.unwrap();
    assert_eq!((errors.len(), version()), (1, Some(2)));
    assert!(errors[0].diagnostics.to_string().contains("axt"), "{}", errors[0].diagnostics);
    assert_eq!(world.run(json!({})).await.state, RunState::Success);
    let notices = world.handle().subscribe();
    std::fs::remove_file(world.dags().join("dag.yaml")).unwrap();
    wait_for(notices, |event| event.name == "dag.removed").await;
    assert_eq!(world.trigger(json!({})).await.unwrap_err(), CommandError::Stale("d".into()));
    assert!(world.handle().reader().import_errors().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_broken_at_the_start_keeps_its_last_good_version_too() {
    let mut world = World::with("dag_id: d\ntasks: {a: {operator: act}}\n").await;
    world.stop().await;
    world.write("dag.yaml", "dag_id: d\ntasks: [\n");
    world.start().await;
    assert_eq!(world.run(json!({})).await.state, RunState::Success);
    assert_eq!(world.handle().reader().import_errors().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_file_of_the_same_name_is_an_import_error() {
    let mut world = World::asleep();
    world.write("a.yaml", "dag_id: d\ntasks: {a: {operator: act}}\n");
    world.write("b.yaml", "dag_id: d\ntasks: {b: {operator: act}}\n");
    world.start().await;
    let errors = world.handle().reader().import_errors().await.unwrap();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].file.ends_with("b.yaml") && errors[0].diagnostics.to_string().contains("is taken by"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_starts_runs_until_it_is_paused() {
    let world = World::with(
        "dag_id: d\nschedule: every 1s\nis_paused_upon_creation: true\ntasks: {a: {operator: act}}\n",
    )
    .await;
    assert_eq!(world.handle().dag("d").unwrap().next_run_at(), None);
    let notices = world.handle().subscribe();
    world.handle().set_paused("d".into(), false, tester()).await.unwrap();
    let due = world.handle().dag("d").unwrap().next_run_at().unwrap();
    let created = wait_for(notices, |event| event.name == "run.created").await;
    assert_eq!((created.actor.as_str(), created.via.as_str()), ("schedule", "timetable"));
    assert!(created.at >= due, "the run came before its time");
    let run = world.handle().reader().run("d", &created.run_id).await.unwrap().unwrap();
    assert_eq!(run.logical_date, Some(due));
    world.handle().set_paused("d".into(), true, tester()).await.unwrap();
    assert_eq!(world.handle().dag("d").unwrap().next_run_at(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_check_agrees_and_names_the_first_row_that_somebody_altered() {
    let mut world = World::with(
        "dag_id: d\ntasks:\n  a: {operator: act}\n  b: {operator: act, depends_on: a, with: {fail: x}}\n",
    )
    .await;
    for _ in 0..3 {
        world.run(json!({})).await;
    }
    world.stop().await;
    let database = home::database(&world.home());
    let verify = || async {
        let reader = esteira_store::open_reader(&database).await.unwrap();
        audit::verify(&reader, &AnyOperator::default()).await.unwrap()
    };
    let before = verify().await;
    assert_eq!((before.problem, before.runs), (None, 3));

    let alter = |statement: &'static str| altered(&database, statement);
    alter("UPDATE task_instance SET state = 'success' WHERE run_key = 2 AND task_id = 'b'").await;
    let problem = verify().await.problem.unwrap();
    assert!(
        problem.row.starts_with("task instance d/manual__") && problem.row.ends_with("/b"),
        "{problem:?}"
    );
    assert_eq!(problem.message, "its row says success in attempt 1, its events lead to failed in attempt 1");
    alter("UPDATE task_instance SET state = 'failed' WHERE run_key = 2 AND task_id = 'b'").await;
    alter("UPDATE dag_run SET triggering_user = 'somebody else' WHERE run_key = 3").await;
    assert!(verify().await.problem.unwrap().message.starts_with("its row is not what event"));
    alter("UPDATE dag_run SET triggering_user = 'tester' WHERE run_key = 3").await;

    alter("UPDATE attempt SET error = NULL WHERE run_key = 1 AND outcome = 'failed'").await;
    assert!(verify().await.problem.unwrap().row.starts_with("attempt 1 of task 1 in d/manual__"));
    alter("UPDATE attempt SET error = '{\"kind\":\"failed\",\"message\":\"x\",\"hint\":\"try harder\"}' WHERE run_key = 1 AND outcome = 'failed'").await;
    alter("UPDATE dag_version SET source = source || ' # harmless'").await;
    assert_eq!(verify().await.problem.unwrap().message, "its source does not fit its hash");
    alter("UPDATE dag_version SET source = replace(source, ' # harmless', '')").await;
    assert_eq!(verify().await.problem, None);

    assert!(
        try_altered(&database, "UPDATE event SET actor = 'nobody' WHERE seq = 7").await.is_err(),
        "events are append-only"
    );
    alter("DROP TRIGGER event_is_never_updated").await;
    alter("UPDATE event SET actor = 'nobody' WHERE seq = 7").await;
    assert_eq!(verify().await.problem.unwrap().row, "event 7");
}

async fn try_altered(database: &std::path::Path, statement: &'static str) -> Result<(), sqlx::Error> {
    use sqlx::{ConnectOptions, Connection};
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(database).connect().await?;
    let done = sqlx::query(statement).execute(&mut connection).await;
    connection.close().await?;
    done.map(drop)
}

async fn altered(database: &std::path::Path, statement: &'static str) {
    try_altered(database, statement).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_hear_of_an_event_only_once_it_is_durable() {
    let world = World::with("dag_id: d\ntasks: {a: {operator: act}}\n").await;
    let mut notices = world.handle().subscribe();
    let run = world.trigger(json!({})).await.unwrap();
    let mut heard = 0;
    while heard < 6 {
        if let Notice::Event(event) = notices.recv().await.unwrap() {
            let stored = world.handle().reader().events_of_run(run.run_key).await.unwrap();
            assert!(stored.iter().any(|row| row.seq == event.seq && row.hash == event.hash));
            heard += 1;
        }
    }
}

#[tokio::test]
async fn a_missing_dag_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(&folder.path().join("home")).unwrap();
    let dags = folder.path().join("missing");
    let options = esteira_runtime::Options::new(home, dags, Registry::new().into(), Default::default());
    let error = esteira_runtime::Engine::start(options).await.err().unwrap().to_string();
    assert!(error.contains("missing cannot be read"), "{error}");
}

/// A catalog that knows no operator.
struct NoOperators;

impl Catalog for NoOperators {
    fn signature(&self, _operator: &str) -> Option<&Signature> {
        None
    }

    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    fn check(&self, _operator: &str, _argument: &str, _value: &Value) -> Result<(), String> {
        Ok(())
    }
}

/// A catalog for which `act` takes what the tests give it.
struct AnyOperator(Signature);

impl Default for AnyOperator {
    fn default() -> Self {
        use esteira_operator::{Argument, ArgumentKind};
        Self(Signature {
            name: "act",
            summary: "",
            arguments: vec![Argument::optional("fail", ArgumentKind::Any, "")],
        })
    }
}

impl Catalog for AnyOperator {
    fn signature(&self, operator: &str) -> Option<&Signature> {
        (operator == "act").then_some(&self.0)
    }

    fn names(&self) -> Vec<&str> {
        vec!["act"]
    }

    fn check(&self, _operator: &str, _argument: &str, _value: &Value) -> Result<(), String> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_catchup_the_ticks_of_a_pause_are_made_up_for_and_without_it_they_are_not() {
    for (catchup, expected) in [(true, 3), (false, 0)] {
        let day_before = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(3 * 24 + 1);
        let world = World::with(&format!(
            "dag_id: d\nschedule: every 1d\nstart_date: {day_before}\ncatchup: {catchup}\nis_paused_upon_creation: true\n\
             tasks: {{a: {{operator: act}}}}\n"
        ))
        .await;
        let mut notices = world.handle().subscribe();
        world.handle().set_paused("d".into(), false, tester()).await.unwrap();
        // A manual run made now is created after every run that was due.
        let manual = world.run(json!({})).await;
        let mut scheduled = 0;
        while let Ok(notice) = notices.try_recv() {
            scheduled += u32::from(
                matches!(&notice, Notice::Event(event) if event.name == "run.created" && event.actor == "schedule"),
            );
        }
        assert!(
            scheduled >= expected && scheduled <= expected + 1,
            "{scheduled} runs with catchup: {catchup}"
        );
        assert_eq!(manual.state, RunState::Success);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_says_that_it_is_alive() {
    let world = World::with("dag_id: d\ntasks: {a: {operator: act}}\n").await;
    assert!(world.handle().is_alive(std::time::Duration::from_secs(10)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_refused_for_its_name_is_taken_once_the_name_is_free() {
    let mut world = World::asleep();
    world.write("a.yaml", "dag_id: d\ntasks: {a: {operator: act}}\n");
    world.write("b.yaml", "dag_id: d\ntasks: {b: {operator: act}}\n");
    world.start().await;
    let notices = world.handle().subscribe();
    std::fs::remove_file(world.dags().join("a.yaml")).unwrap();
    wait_for(notices, |event| event.name == "dag.version_added").await;
    assert!(world.handle().dag("d").unwrap().file.ends_with("b.yaml"));
    assert!(world.handle().reader().import_errors().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_may_swap_their_names() {
    let mut world = World::asleep();
    world.write("a.yaml", "dag_id: d\ntasks: {a: {operator: act}}\n");
    world.write("b.yaml", "dag_id: e\ntasks: {b: {operator: act}}\n");
    world.start().await;
    world.stop().await;
    world.write("a.yaml", "dag_id: e\ntasks: {a: {operator: act}}\n");
    world.write("b.yaml", "dag_id: d\ntasks: {b: {operator: act}}\n");
    world.start().await;
    assert!(world.handle().dag("d").unwrap().file.ends_with("b.yaml"));
    assert!(world.handle().dag("e").unwrap().file.ends_with("a.yaml"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_and_loops_of_links_in_the_folder_hold_nothing_up() {
    let mut world = World::asleep();
    world.write("dag.yaml", "dag_id: d\ntasks: {a: {operator: act}}\n");
    for link in ["l1", "l2"] {
        std::os::unix::fs::symlink(".", world.dags().join(link)).unwrap();
    }
    std::os::unix::fs::symlink("/dev/zero", world.dags().join("zero.yaml")).unwrap();
    nix::unistd::mkfifo(&world.dags().join("pipe.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    world.start().await;
    assert_eq!(world.handle().dags().len(), 1);
    assert!(world.handle().reader().import_errors().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_the_name_of_a_tick_does_not_end_the_schedule() {
    let world = World::with(
        "dag_id: d\nschedule: every 1s\nis_paused_upon_creation: true\ntasks: {a: {operator: act}}\n",
    )
    .await;
    let notices = world.handle().subscribe();
    let mut later = world.handle().subscribe();
    let next = (jiff::Timestamp::now().as_second() + 2..jiff::Timestamp::now().as_second() + 5)
        .map(|second| jiff::Timestamp::from_second(second).unwrap());
    for tick in next {
        let run_id = format!("scheduled__{}", tick.strftime("%Y-%m-%dT%H:%M:%S+00:00"));
        let request = TriggerRequest { run_id: Some(run_id.into()), ..TriggerRequest::manual("d", tester()) };
        world.handle().trigger(request).await.unwrap();
    }
    world.handle().set_paused("d".into(), false, tester()).await.unwrap();
    let skipped = wait_for(notices, |event| event.name == "dag.schedule_skipped").await;
    loop {
        let Ok(Notice::Event(event)) = later.recv().await else { continue };
        if event.name == "run.created" && event.actor == "schedule" && event.seq > skipped.seq {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_with_quotes_and_secrets_that_are_numbers_spoil_nothing() {
    let world = World::with(
        "dag_id: d\ntasks:\n  a: {operator: act, with: {say: 'it is pa\"ssword', push: [1234567, {\"k\": 'pa\"ssword'}]}}\n",
    )
    .await;
    world.masker.add("pa\"ssword");
    world.masker.add("123456");
    let run = world.run(json!({})).await;
    let attempt = &world.attempts(&run, "a").await[0];
    assert_eq!(attempt.arguments, Some(json!({"say": "it is ***", "push": [1234567, {"k": "***"}]})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_taken_out_of_the_tables_is_missed_by_the_audit_check() {
    let mut world = World::with("dag_id: d\ntasks: {a: {operator: act}}\n").await;
    let run = world.run(json!({})).await;
    world.stop().await;
    let database = home::database(&world.home());
    for statement in ["DELETE FROM attempt", "DELETE FROM task_instance", "DELETE FROM dag_run"] {
        altered(&database, statement).await;
    }
    let reader = esteira_store::open_reader(&database).await.unwrap();
    let problem = audit::verify(&reader, &AnyOperator::default()).await.unwrap().problem.unwrap();
    assert_eq!(problem.row, format!("run d/{}", run.run_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_that_holds_the_database_holds_the_engine_up_and_does_not_end_it() {
    let mut world = World::asleep();
    world.write("dag.yaml", "dag_id: d\ntasks: {a: {operator: act}}\n");
    world.start().await;
    let database = home::database(&world.home());
    let (locked, unlock) = (tokio::sync::oneshot::channel(), tokio::sync::oneshot::channel());
    let holder = tokio::spawn(async move {
        use sqlx::{ConnectOptions, Connection};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
        let mut connection = options.connect().await.unwrap();
        let transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        locked.0.send(()).unwrap();
        unlock.1.await.unwrap();
        transaction.rollback().await.unwrap();
    });
    locked.1.await.unwrap();
    // Both are asked from one task, in this order, so that the engine has the trigger before it is asked for a sign
    // of life: from two tasks, the ping came first on a busy machine, and was answered.
    let (trigger, ()) = tokio::join! {
        biased;
        world.handle().trigger(TriggerRequest::manual("d", tester())),
        async {
            // Longer than the database's own patience.
            assert!(!world.handle().is_alive(std::time::Duration::from_secs(11)).await);
            unlock.0.send(()).unwrap();
            holder.await.unwrap();
        },
    };
    trigger.unwrap();
    assert_eq!(world.run(json!({})).await.state, RunState::Success);
}
