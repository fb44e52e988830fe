//! Runs that are over and go on with the newest version of their DAG.

use crate::world::{World, rerun, wait_for};
use esteira_core::states::RunState;
use esteira_runtime::{CommandError, RerunRequest};
use esteira_store::RunRow;
use serde_json::json;

const FIRST: &str = "dag_id: d
tasks:
  a: {operator: act, with: {push: 1}}
  gone: {operator: act, with: {push: kept}}
  each: {operator: act, depends_on: a, expand: {push: [x, y]}, map_index_template: 'no. {{ expand.push }}'}
  b: {operator: act, depends_on: [each, gone], with: {fail: 'no luck'}}
  c: {operator: act, depends_on: b}
";

/// b is mended and comes first in the file, gone is gone, new is new, and c is mapped.
const SECOND: &str = "dag_id: d
tasks:
  b: {operator: act, depends_on: [each, new], with: {push: \"{{ ti.xcom_pull('each') | join('+') }}\"}}
  each: {operator: act, depends_on: a, expand: {push: [x, y]}, map_index_template: 'no. {{ expand.push }}'}
  a: {operator: act, with: {push: 1}}
  new: {operator: act, with: {push: 2}}
  c: {operator: act, depends_on: b, expand: {push: [0]}}
";

impl World {
    pub(crate) async fn new_version(&self, yaml: &str) {
        let notices = self.handle().subscribe();
        self.write("dag.yaml", yaml);
        wait_for(notices, |event| event.name == "dag.version_added").await;
    }
}

fn on_latest(run: &RunRow, task_ids: &[&str]) -> RerunRequest {
    RerunRequest { on_latest_version: true, ..rerun(run, task_ids) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_failed_goes_on_with_the_mended_dag_and_keeps_what_it_had() {
    let mut world = World::asleep();
    world.write("dag.yaml", FIRST);
    world.start().await;
    let run = world.run(json!({})).await;
    let as_run = [
        "a success 1",
        "gone success 1",
        "each[0] success 1 \"no. x\"",
        "each[1] success 1 \"no. y\"",
        "b failed 1",
        "c upstream_failed 0",
    ];
    assert_eq!(world.mapped_states(&run).await, as_run);
    world.new_version(SECOND).await;
    let request = RerunRequest { only_failed: true, ..on_latest(&run, &[]) };
    let would = world.handle().rerun(RerunRequest { dry_run: true, ..request.clone() }).await.unwrap();
    let names: Vec<_> = would.iter().map(|it| (it.task_id.as_str(), it.state.is_some())).collect();
    assert_eq!(names, [("b", true), ("new", false), ("c", false)]);
    assert_eq!(world.mapped_states(&run).await, as_run, "a dry run does nothing");

    let run = world.again(request).await;
    let moved = [
        "b success 2",
        "each[0] success 1 \"no. x\"",
        "each[1] success 1 \"no. y\"",
        "a success 1",
        "new success 1",
        "c[0] success 1",
        "gone removed 1",
    ];
    assert_eq!(world.mapped_states(&run).await, moved);
    assert_eq!((run.state, run.version_number), (RunState::Success, 2));
    assert_eq!(world.xcom(&run, "b").await, Some(json!("x+y")), "what was not cleared is still there");
    assert_eq!(world.xcom(&run, "gone").await, Some(json!("kept")));
    assert_eq!(world.attempts(&run, "b").await.len(), 2);
    assert_eq!(world.attempts(&run, "gone").await.len(), 1);
    world.is_sound().await;

    // A restart goes on from the same; a task that comes back begins anew, with its next attempt.
    world.stop().await;
    world.write("dag.yaml", FIRST);
    world.start().await;
    let run = world.again(on_latest(&run, &["b"])).await;
    assert_eq!((run.state, run.version_number), (RunState::Failed, 1));
    let back = [
        "a success 1",
        "gone success 2",
        "each[0] success 1 \"no. x\"",
        "each[1] success 1 \"no. y\"",
        "b failed 3",
        "c upstream_failed 0",
        "new removed 1",
    ];
    assert_eq!(world.mapped_states(&run).await, back);
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_keeps_its_version_while_it_is_under_way_and_when_the_newest_does_not_take_its_conf() {
    let mut world = World::asleep();
    let gate = world.file("gate");
    let waits = format!(
        "dag_id: d\nparams: {{n: 1}}\ntasks:\n  a: {{operator: act, with: {{wait_for_file: {}}}}}\n",
        gate.display()
    );
    world.write("dag.yaml", &waits);
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.trigger(json!({"n": 3})).await.unwrap();
    world
        .new_version("dag_id: d\nparams: {n: {default: 1, enum: [1, 2]}}\ntasks:\n  a: {operator: act}\n")
        .await;
    let refused = world.handle().rerun(on_latest(&run, &["a"])).await.unwrap_err();
    assert_eq!(refused, CommandError::RunKeepsItsVersion(run.run_id.to_string()));
    std::fs::write(gate, "").unwrap();
    let run = world.ended(notices, &run.run_id).await;
    let refused = world.handle().rerun(on_latest(&run, &["a"])).await.unwrap_err().to_string();
    assert!(refused.starts_with("version 2 of the DAG does not take the conf of this run: "), "{refused}");
    // On the version that it has, it runs again.
    let run = world.again(rerun(&run, &["a"])).await;
    assert_eq!((run.state, run.version_number), (RunState::Success, 1));
    world.is_sound().await;
}
