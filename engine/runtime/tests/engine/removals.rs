//! Runs and DAGs that are removed: their rows, values and logs go, the history stays whole.

use crate::world::{World, tester, wait_for};
use esteira_core::states::RunState;
use esteira_runtime::{CommandError, TriggerRequest};
use esteira_store::RunRow;
use serde_json::json;

async fn delete(world: &World, run: &RunRow) -> Result<(), CommandError> {
    world.handle().delete_run("d".into(), run.run_id.clone(), tester()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_over_is_removed_with_all_that_it_left_and_its_number_is_never_given_again() {
    let mut world = World::with(
        "dag_id: d\non_success_callback: {operator: act}\n\
         tasks: {a: {operator: act, expand: {push: [1, 2]}, with: {say: x}}}\n",
    )
    .await;
    let notices = world.handle().subscribe();
    let kept = world.run(json!({})).await;
    let run = world.run(json!({})).await;
    wait_for(notices, |event| event.name == "notification.sent" && event.run_id == run.run_id.as_str()).await;
    let logs = world.home().join("logs/d").join(run.run_id.as_str());
    assert!(logs.exists());
    let notices = world.handle().subscribe();
    delete(&world, &run).await.unwrap();
    wait_for(notices, |event| event.name == "run.deleted" && event.actor == "tester").await;
    let reader = world.handle().reader();
    assert!(reader.run("d", run.run_id.as_str()).await.unwrap().is_none());
    assert!(reader.instances(run.run_key).await.unwrap().is_empty());
    assert!(reader.xcoms(run.run_key, None).await.unwrap().is_empty());
    assert!(reader.notifications_of_run(run.run_key).await.unwrap().is_empty());
    assert!(reader.events_of_run(run.run_key).await.unwrap().len() > 5);
    assert!(matches!(delete(&world, &run).await, Err(CommandError::UnknownRun { .. })));
    world.stop().await;
    assert!(!logs.exists());
    world.start().await;
    world.is_sound().await;
    let next = world.run(json!({})).await;
    assert!(next.run_key > run.run_key);
    assert_eq!(world.states(&kept).await.len(), 2);
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_not_removed() {
    let mut world = World::asleep();
    let file = world.file("go_on");
    let yaml =
        format!("dag_id: d\ntasks: {{a: {{operator: act, with: {{wait_for_file: {}}}}}}}\n", file.display());
    world.write("dag.yaml", &yaml);
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.trigger(json!({})).await.unwrap();
    assert!(matches!(delete(&world, &run).await, Err(CommandError::RunIsUnderWay(_))));
    let dag = world.handle().delete_dag("d".into(), tester()).await;
    assert!(matches!(dag, Err(CommandError::RunIsUnderWay(_))));
    std::fs::write(&file, "").unwrap();
    world.ended(notices, &run.run_id).await;
    // Its file is still there: it begins anew.
    assert_eq!(world.handle().delete_dag("d".into(), tester()).await.unwrap(), 1);
    assert!(world.handle().reader().dag("d").await.unwrap().is_some());
    let run = world.run(json!({})).await;
    assert_eq!(run.version_number, 1);
    let notices = world.handle().subscribe();
    std::fs::remove_file(world.dags().join("dag.yaml")).unwrap();
    wait_for(notices, |event| event.name == "dag.removed").await;
    assert_eq!(world.handle().delete_dag("d".into(), tester()).await.unwrap(), 1);
    assert!(world.handle().reader().dag("d").await.unwrap().is_none());
    let unknown = world.handle().delete_dag("d".into(), tester()).await;
    assert!(matches!(unknown, Err(CommandError::UnknownDag(_))));
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_waits_for_the_run_before_goes_on_when_that_is_removed() {
    let world = World::with(
        "dag_id: d\nparams: {fail: {type: [string, 'null']}}\n\
         tasks: {a: {operator: act, depends_on_past: true, with: {fail: '{{ params.fail }}'}}}\n",
    )
    .await;
    let trigger = |day: u32, fail: Option<&str>| {
        let mut request = TriggerRequest::manual("d", tester());
        request.run_id = Some(format!("day_{day}").into());
        request.logical_date = Some(format!("2026-01-0{day}T00:00:00Z").parse().unwrap());
        request.conf.insert("fail".into(), json!(fail));
        request
    };
    let notices = world.handle().subscribe();
    let first = world.handle().trigger(trigger(1, Some("broken"))).await.unwrap();
    assert_eq!(world.ended(notices, &first.run_id).await.state, RunState::Failed);
    let second = world.handle().trigger(trigger(2, None)).await.unwrap();
    assert_eq!(
        world.reasons(&second).await,
        ["a: it waits for the run before, day_1: \"a\" has failed there (depends_on_past)"]
    );
    let notices = world.handle().subscribe();
    delete(&world, &first).await.unwrap();
    assert_eq!(world.ended(notices, &second.run_id).await.state, RunState::Success);
    world.is_sound().await;
}
