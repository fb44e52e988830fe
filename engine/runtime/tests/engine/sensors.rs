//! Attempts that wait while the triggerer looks: no slot, no events, and what happens on a restart, a cancel, a time-out.

use crate::world::{World, rerun, wait_for};
use esteira_core::states::RunState;
use serde_json::json;
use std::path::Path;

fn dag(file: &Path, rest: &str) -> String {
    format!(
        "dag_id: d\nmax_active_tasks: 1\ntasks:\n  wait: {{operator: watch_file, with: {{path: {}{rest}}}}}\n  \
         other: {{operator: act}}\n  after: {{operator: act, depends_on: wait}}\n",
        file.display()
    )
}

async fn events_of(world: &World, run_id: &str, task_id: &str) -> Vec<String> {
    let run = world.handle().reader().run("d", run_id).await.unwrap().unwrap();
    let events = world.handle().reader().events_of_run(run.run_key).await.unwrap();
    events.into_iter().filter(|event| event.task_id == task_id).map(|event| event.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_holds_no_slot_and_what_is_not_there_yet_leaves_no_trace() {
    let mut world = World::asleep();
    let file = world.file("it");
    world.write("dag.yaml", &dag(&file, ""));
    world.start().await;
    let (notices, other) = (world.handle().subscribe(), world.handle().subscribe());
    let run = world.trigger(json!({})).await.unwrap();
    // The only slot is free for the other task.
    wait_for(other, |event| event.name == "task.succeeded" && event.task_id == "other").await;
    let waiting = world.handle().why_waiting("d".into(), run.run_id.clone()).await.unwrap();
    assert_eq!(waiting[0].reason, "it waits for the file");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    std::fs::write(&file, "").unwrap();
    let run = world.ended(notices, &run.run_id).await;
    assert_eq!(run.state, RunState::Success);
    assert_eq!(world.xcom(&run, "wait").await, Some(json!("here")));
    assert_eq!(
        events_of(&world, run.run_id.as_str(), "wait").await,
        [
            "task.scheduled",
            "task.started",
            "task.rescheduled",
            "task.scheduled",
            "task.started",
            "task.succeeded"
        ]
    );
    assert_eq!(world.attempts(&run, "wait").await.len(), 1);
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_goes_on_waiting_after_a_restart() {
    let mut world = World::asleep();
    let file = world.file("it");
    world.write("dag.yaml", &dag(&file, ""));
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.trigger(json!({})).await.unwrap();
    wait_for(notices, |event| event.name == "task.rescheduled").await;
    world.stop().await;
    world.start().await;
    let notices = world.handle().subscribe();
    std::fs::write(&file, "").unwrap();
    let run = world.ended(notices, &run.run_id).await;
    assert_eq!(world.states(&run).await, ["wait success 1", "other success 1", "after success 1"]);
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_that_is_cancelled_or_cleared_is_looked_after_no_more() {
    let mut world = World::asleep();
    let file = world.file("it");
    world.write("dag.yaml", &dag(&file, ""));
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.trigger(json!({})).await.unwrap();
    wait_for(notices, |event| event.name == "task.rescheduled").await;
    let notices = world.handle().subscribe();
    world.cancel(&run.run_id).await.unwrap();
    let run = world.ended(notices, &run.run_id).await;
    assert_eq!(run.state, RunState::Failed);
    while !file.with_extension("dropped").exists() {
        tokio::task::yield_now().await;
    }
    std::fs::write(&file, "").unwrap();
    let run = world.again(rerun(&run, &[])).await;
    assert_eq!(world.states(&run).await[0], "wait success 2");
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensor_whose_time_is_up_says_so() {
    let mut world = World::asleep();
    let file = world.file("never");
    world.write("dag.yaml", &dag(&file, ", timeout_ms: 60"));
    world.start().await;
    let run = world.run(json!({})).await;
    assert_eq!(world.states(&run).await, ["wait failed 1", "other success 1", "after upstream_failed 0"]);
    assert_eq!(world.attempts(&run, "wait").await[0].error.clone().unwrap().message, "it did not come");
}
