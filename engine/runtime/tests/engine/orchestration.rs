//! Runs that queue, time out and are cleared, instances that are marked and that wait for slots: as the loop carries out
//! what the core decides.

use crate::world::{World, registry, rerun, tester, wait_for};
use esteira_core::backfill::{Range, Reprocess};
use esteira_core::ids::RunId;
use esteira_core::states::{RunState, TaskInstanceState};
use esteira_runtime::{AffectedInstance, BackfillRequest, CommandError, RerunRequest, TriggerRequest, audit};
use esteira_store::{PoolRow, RunFilter, RunRow};
use serde_json::json;

fn names(affected: &[AffectedInstance]) -> Vec<&str> {
    affected.iter().map(|instance| instance.task_id.as_str()).collect()
}

impl World {
    async fn row(&self, run_id: &RunId) -> RunRow {
        self.handle().reader().run("d", run_id.as_str()).await.unwrap().unwrap()
    }

    /// What the audit check finds wrong.
    async fn problem_of_history(&self) -> Option<String> {
        let check = audit::verify(self.handle().reader(), &registry()).await.unwrap();
        check.problem.map(|problem| format!("{}: {}", problem.row, problem.message))
    }

    /// `task: reason` for each instance that waits.
    pub(crate) async fn reasons(&self, run: &RunRow) -> Vec<String> {
        let waiting = self.handle().why_waiting("d".into(), run.run_id.clone()).await.unwrap();
        waiting.iter().map(|instance| format!("{}: {}", instance.task_id, instance.reason)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_failed_goes_on_from_what_was_cleared_also_after_a_restart() {
    let mut world = World::with(
        "dag_id: d\ntasks:\n  a: {operator: act, with: {push: 1}}\n  \
         b: {operator: act, depends_on: a, with: {succeed_from: 2, push: 2}}\n  c: {operator: act, depends_on: b}\n",
    )
    .await;
    let run = world.run(json!({})).await;
    assert_eq!(world.states(&run).await, ["a success 1", "b failed 1", "c upstream_failed 0"]);
    world.stop().await;
    world.start().await;
    let request = RerunRequest { only_failed: true, dry_run: true, ..rerun(&run, &[]) };
    let would = world.handle().rerun(request.clone()).await.unwrap();
    assert_eq!(names(&would), ["b", "c"]);
    assert_eq!(world.row(&run.run_id).await.state, RunState::Failed, "a dry run does nothing");
    let run = world.again(RerunRequest { dry_run: false, ..request }).await;
    assert_eq!(run.state, RunState::Success);
    assert_eq!(world.states(&run).await, ["a success 1", "b success 2", "c success 1"]);
    // What is cleared loses what it pushed, at once; its attempts stay.
    let run = world.again(RerunRequest { downstream: true, ..rerun(&run, &["b"]) }).await;
    assert_eq!(world.states(&run).await, ["a success 1", "b success 3", "c success 2"]);
    assert_eq!(world.attempts(&run, "b").await.len(), 3);
    assert_eq!(world.xcom(&run, "b").await, Some(json!(2)));
    assert_eq!(world.problem_of_history().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn clearing_ends_an_attempt_that_runs_and_marking_gives_it_a_state() {
    let mut world = World::asleep();
    let gate = world.file("gate");
    world.write(
        "dag.yaml",
        &format!(
            "dag_id: d\ntasks:\n  a: {{operator: act, with: {{wait_for_file: {}}}}}\n  b: {{operator: act, depends_on: a}}\n",
            gate.display()
        ),
    );
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.trigger(json!({})).await.unwrap();
    wait_for(notices, |event| event.name == "task.started" && event.task_id == "a").await;
    let notices = world.handle().subscribe();
    world.handle().rerun(rerun(&run, &["a"])).await.unwrap();
    wait_for(notices, |event| event.name == "task.started" && event.try_number == 2).await;
    let marked = RerunRequest { mark: Some(TaskInstanceState::Success), ..rerun(&run, &["a"]) };
    let run = world.again(marked).await;
    assert_eq!(
        (run.state, world.states(&run).await),
        (RunState::Success, vec!["a success 2".into(), "b success 1".into()])
    );
    let outcomes: Vec<_> =
        world.attempts(&run, "a").await.into_iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, ["cleared", "marked"]);
    world.handle().mark_run("d".into(), run.run_id.clone(), RunState::Failed, tester()).await.unwrap();
    assert_eq!(world.row(&run.run_id).await.state, RunState::Failed);
    let unknown = world.handle().rerun(rerun(&run, &["z"])).await.unwrap_err();
    assert_eq!(unknown.to_string(), format!("run \"{}\" has no task \"z\"", run.run_id));
    assert_eq!(world.problem_of_history().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_queue_behind_max_active_runs_and_say_so() {
    let mut world = World::asleep();
    let gate = world.file("gate");
    world.write(
        "dag.yaml",
        &format!(
            "dag_id: d\nmax_active_runs: 1\ntasks: {{a: {{operator: act, with: {{wait_for_file: {}}}}}}}\n",
            gate.display()
        ),
    );
    world.start().await;
    let first = world.trigger(json!({})).await.unwrap();
    let second = world.trigger(json!({})).await.unwrap();
    assert_eq!((first.state, second.state), (RunState::Running, RunState::Queued));
    assert_eq!(
        world.reasons(&second).await,
        ["a: its run waits: 1 run is under way, as many as max_active_runs allows"]
    );
    let notices = world.handle().subscribe();
    std::fs::write(&gate, "").unwrap();
    assert_eq!(world.ended(notices, &second.run_id).await.state, RunState::Success);
    assert!(world.row(&first.run_id).await.ended_at <= world.row(&second.run_id).await.started_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_has_its_slots_and_what_waits_for_one_says_so() {
    let mut world = World::asleep();
    let gate = world.file("gate");
    world.write(
        "dag.yaml",
        &format!(
            "dag_id: d\ndefault_args: {{pool: narrow}}\ntasks:\n  a: {{operator: act, with: {{wait_for_file: {0}}}}}\n  \
             b: {{operator: act, with: {{wait_for_file: {0}}}}}\n  c: {{operator: act, depends_on: [a, b]}}\n",
            gate.display()
        ),
    );
    world.start().await;
    let run = world.trigger(json!({})).await.unwrap();
    let missing = "there is no pool \"narrow\": make it with esteira pools set narrow 8";
    assert_eq!(
        world.reasons(&run).await,
        [format!("a: {missing}"), format!("b: {missing}"), "c: it waits for \"a\" and \"b\"".to_owned()]
    );
    let notices = world.handle().subscribe();
    let pool = PoolRow { name: "narrow".into(), slots: Some(1), description: "for tests".into() };
    world.handle().set_pool(pool, tester()).await.unwrap();
    wait_for(notices, |event| event.name == "task.started").await;
    assert_eq!(world.reasons(&run).await[0], "b: the only slot of the pool \"narrow\" is in use");
    let pools = world.handle().pools().await.unwrap();
    let status = pools.iter().find(|status| status.pool.name == "narrow").unwrap();
    assert_eq!((status.used, status.wanted), (1, 1));
    // The pool is still there for the next engine.
    world.stop().await;
    std::fs::write(&gate, "").unwrap();
    world.start().await;
    let notices = world.handle().subscribe();
    let row = world.row(&run.run_id).await;
    let row = if row.state.is_terminal() { row } else { world.ended(notices, &run.run_id).await };
    assert_eq!(row.state, RunState::Success);
    world.handle().remove_pool("narrow".into(), tester()).await.unwrap();
    let refusal = world.handle().remove_pool("narrow".into(), tester()).await.unwrap_err();
    assert_eq!(refusal, CommandError::UnknownPool("narrow".into()));
    assert!(world.handle().remove_pool("default_pool".into(), tester()).await.is_err());
    assert_eq!(world.problem_of_history().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_takes_too_long_fails_and_what_runs_is_skipped() {
    let mut world = World::asleep();
    let gate = world.file("never");
    world.write(
        "dag.yaml",
        &format!(
            "dag_id: d\ndagrun_timeout: 200ms\ntasks:\n  a: {{operator: act, with: {{wait_for_file: {}}}}}\n  \
             b: {{operator: act, depends_on: a}}\n",
            gate.display()
        ),
    );
    world.start().await;
    let run = world.run(json!({})).await;
    assert_eq!(
        (run.state, world.states(&run).await),
        (RunState::Failed, vec!["a skipped 1".into(), "b skipped 0".into()])
    );
    assert_eq!(world.problem_of_history().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dag_whose_runs_fail_in_a_row_is_paused() {
    let world = World::with(
        "dag_id: d\nmax_consecutive_failed_dag_runs: 2\ntasks: {a: {operator: act, with: {fail: 'no'}}}\n",
    )
    .await;
    world.run(json!({})).await;
    assert!(!world.handle().dag("d").unwrap().is_paused);
    let notices = world.handle().subscribe();
    world.run(json!({})).await;
    let paused = wait_for(notices, |event| event.name == "dag.paused").await;
    assert!(paused.body.contains("its last 2 runs have failed"), "{}", paused.body);
    assert!(world.handle().dag("d").unwrap().is_paused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_depends_on_the_past_waits_for_the_run_before_also_after_a_restart() {
    let mut world = World::asleep();
    let gate = world.file("gate");
    world.write(
        "dag.yaml",
        &format!(
            "dag_id: d\ntasks:\n  a: {{operator: act, depends_on_past: true, wait_for_downstream: true}}\n  \
             b: {{operator: act, depends_on: a, with: {{wait_for_file: {}}}}}\n",
            gate.display()
        ),
    );
    world.start().await;
    let trigger = |day: u32| {
        let mut request = TriggerRequest::manual("d", tester());
        request.run_id = Some(format!("day_{day}").into());
        request.logical_date = Some(format!("2026-01-0{day}T00:00:00Z").parse().unwrap());
        request
    };
    let notices = world.handle().subscribe();
    let mut runs = Vec::new();
    for day in 1..=3 {
        runs.push(world.handle().trigger(trigger(day)).await.unwrap());
    }
    wait_for(notices, |event| event.name == "task.started" && event.task_id == "b").await;
    let told = |day: u32, task: &str| {
        format!(
            "a: it waits for the run before, day_{day}: \"{task}\" has not succeeded there yet (wait_for_downstream)"
        )
    };
    let after = "b: it waits for \"a\"".to_owned();
    assert_eq!(world.reasons(&runs[1]).await, [told(1, "b"), after.clone()]);
    assert_eq!(world.reasons(&runs[2]).await, [told(2, "a"), after.clone()]);
    world.stop().await;
    world.start().await;
    assert_eq!(world.reasons(&runs[2]).await, [told(2, "a"), after]);
    let notices = world.handle().subscribe();
    std::fs::write(&gate, "").unwrap();
    let last = world.ended(notices, &runs[2].run_id).await;
    assert_eq!(last.state, RunState::Success);
    let first = world.row(&runs[0].run_id).await;
    assert!(first.ended_at.unwrap() <= last.ended_at.unwrap());
    assert_eq!(world.problem_of_history().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_runs_its_dates_a_few_at_a_time_beside_the_dags_own_runs() {
    let mut world = World::asleep();
    let gate = world.file("gate");
    world.write(
        "dag.yaml",
        &format!(
            "dag_id: d\nschedule: '@daily'\nmax_active_runs: 1\nis_paused_upon_creation: true\ntasks: {{a: {{operator: act, with: {{wait_for_file: {}}}}}}}\n",
            gate.display()
        ),
    );
    world.start().await;
    let day = |day: u32| format!("2026-01-0{day}T00:00:00Z").parse().unwrap();
    let mut first = TriggerRequest::manual("d", tester());
    first.logical_date = Some(day(2));
    let own = world.handle().trigger(first).await.unwrap();
    let request = BackfillRequest {
        dag_id: "d".into(),
        range: Range { from: day(1), to: day(5), is_newest_first: true },
        reprocess: Reprocess::None,
        max_active_runs: 2,
        conf: serde_json::Map::new(),
        dry_run: true,
        actor: tester(),
    };
    let (none, planned) = world.handle().create_backfill(request.clone()).await.unwrap();
    assert!(none.is_none());
    let to_run: Vec<bool> = planned.iter().map(|run| run.is_to_run).collect();
    assert_eq!(to_run, [true, true, true, false, true], "the day that runs already is left out");

    let notices = world.handle().subscribe();
    let request = BackfillRequest { dry_run: false, ..request };
    let backfill = world.handle().create_backfill(request).await.unwrap().0.unwrap();
    wait_for(notices, |event| {
        event.name == "task.started" && event.run_id == "backfill__2026-01-04T00:00:00+00:00"
    })
    .await;
    let started = |filter: &str| {
        let reader = world.handle().reader().clone();
        let filter = filter.to_owned();
        async move {
            let runs = reader.runs(&RunFilter::default(), 100).await.unwrap().rows;
            let names = runs.iter().rev().map(|run| run.run_id.to_string());
            names.filter(|name| name.starts_with(&filter)).collect::<Vec<_>>()
        }
    };
    let two = ["backfill__2026-01-05T00:00:00+00:00", "backfill__2026-01-04T00:00:00+00:00"];
    assert_eq!(started("backfill").await, two);
    assert_eq!(world.row(&own.run_id).await.state, RunState::Running, "it has its own room");

    world.handle().set_backfill_paused(backfill.backfill_id, true, tester()).await.unwrap();
    // It is still there, and paused, for the next engine.
    world.stop().await;
    std::fs::write(&gate, "").unwrap();
    world.start().await;
    let rows = world.handle().reader().backfills(Some("d")).await.unwrap();
    assert!(rows[0].is_paused && rows[0].completed_at.is_none());
    let notices = world.handle().subscribe();
    world.handle().set_backfill_paused(backfill.backfill_id, false, tester()).await.unwrap();
    wait_for(notices, |event| event.name == "backfill.completed").await;
    let reader = world.handle().reader();
    let runs = reader.runs(&RunFilter::default(), 100).await.unwrap().rows;
    let dates: Vec<String> = runs
        .iter()
        .rev()
        .filter(|run| run.backfill_id.is_some())
        .map(|run| run.logical_date.unwrap().strftime("%d").to_string())
        .collect();
    assert_eq!(dates, ["05", "04", "03", "01"]);
    let over = world.handle().cancel_backfill(backfill.backfill_id, tester()).await.unwrap_err();
    assert_eq!(over, CommandError::BackfillIsOver(backfill.backfill_id));
    assert_eq!(world.problem_of_history().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_asks_for_the_reasons_of_what_it_shows() {
    let mut world = World::asleep();
    let gate = world.file("gate");
    world.write(
        "dag.yaml",
        &format!(
            "dag_id: d\nmax_active_tasks: 1\ntasks:\n  many: {{operator: act, expand: {{push: [1, 2, 3]}}, with: {{wait_for_file: {}}}}}\n  \
             after: {{operator: act, depends_on: many}}\n",
            gate.display()
        ),
    );
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.trigger(json!({})).await.unwrap();
    wait_for(notices, |event| event.name == "task.started").await;
    let place = |task: &str, map_index| (task.into(), map_index);
    let asked = [
        place("after", Some(-1)),
        place("many", None),
        place("many", Some(0)),
        place("many", Some(2)),
        place("many", Some(3)),
        place("many", Some(-1)),
        place("none", None),
    ];
    let ask = async |places: &[_]| {
        world.handle().why_these_wait("d".into(), run.run_id.clone(), places.to_vec()).await.unwrap()
    };
    let slot = "1 task instance of its run is running, as many as max_active_tasks allows".to_owned();
    assert_eq!(
        ask(&asked).await,
        [Some("it waits for \"many\"".to_owned()), Some(slot.clone()), None, Some(slot), None, None, None]
    );
    let notices = world.handle().subscribe();
    std::fs::write(&gate, "").unwrap();
    world.ended(notices, &run.run_id).await;
    assert_eq!(ask(&asked).await, vec![None; asked.len()], "a run that is over waits for nothing");
    let unknown = world.handle().why_these_wait("d".into(), "none".into(), asked.to_vec()).await;
    assert!(matches!(unknown, Err(CommandError::UnknownRun { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_never_older_than_the_run() {
    let world = World::with(
        "dag_id: d\ntasks:\n  a: {operator: act, with: {succeed_from: 3}}\n  b: {operator: act, depends_on: a}\n",
    )
    .await;
    let run = world.run(json!({})).await;
    let states = async |task: &str| {
        let would = world.handle().rerun(RerunRequest { dry_run: true, ..rerun(&run, &[task]) }).await;
        would.map(|would| would.iter().map(|instance| instance.state.unwrap()).collect::<Vec<_>>())
    };
    use TaskInstanceState as S;
    assert_eq!(states("a").await, Ok(vec![S::Failed]));
    assert_eq!(states("b").await, Ok(vec![S::UpstreamFailed]), "asked again, of what was kept");
    // What was kept is taken to be changed, and what was read before that is not kept.
    let marked = RerunRequest { mark: Some(S::Skipped), ..rerun(&run, &["a"]) };
    world.handle().rerun(marked).await.unwrap();
    assert_eq!(states("a").await, Ok(vec![S::Skipped]));
    world.handle().mark_run("d".into(), run.run_id.clone(), RunState::Failed, tester()).await.unwrap();
    let again = world.again(RerunRequest { downstream: true, ..rerun(&run, &["a"]) }).await;
    assert_eq!((again.state, states("a").await), (RunState::Failed, Ok(vec![S::Failed])));
    let unmarkable = RerunRequest { mark: Some(S::Running), dry_run: true, ..rerun(&run, &["a"]) };
    assert!(matches!(world.handle().rerun(unmarkable).await, Err(CommandError::Invalid(_))));
    world.handle().delete_run("d".into(), run.run_id.clone(), tester()).await.unwrap();
    assert!(matches!(states("a").await, Err(CommandError::UnknownRun { .. })));
    assert_eq!(world.problem_of_history().await, None);
}
