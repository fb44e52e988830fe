//! Mapped tasks and groups: as many instances as there is something to expand over, each with its own arguments.

use crate::world::{World, tester, wait_for};
use esteira_core::states::RunState;
use esteira_runtime::RerunRequest;
use esteira_store::RunRow;
use serde_json::{Value, json};

impl World {
    async fn pushed(&self, run: &RunRow, task_id: &str, map_index: i32) -> Option<Value> {
        self.handle().reader().xcom_value(run.run_key, task_id, map_index, "return_value").await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_instance_has_its_arguments_and_a_name_and_downstream_reads_all_results() {
    let world = World::with(
        "dag_id: d\nparams: {extra: [y]}\ntasks:\n  list: {operator: act, with: {push: [1, 2]}}\n  \
         work:\n    operator: act\n    depends_on: list\n    partial: {say: constant}\n    \
         expand: {push: \"{{ ti.xcom_pull('list') }}\", touch: [null]}\n    map_index_template: 'no. {{ expand.push }}'\n  \
         zip: {operator: act, expand_zip: {push: [a, b], say: ['{{ run_id }}', '{% raw %}{{ x }}{% endraw %}']}}\n  \
         kwargs: {operator: act, expand_kwargs: [{push: 7}, {push: '{{ params.extra }}'}]}\n  \
         all: {operator: act, depends_on: work, with: {push: \"{{ ti.xcom_pull('work') }}\", say: \"sum {{ ti.xcom_pull('work') | sum }}\"}}\n",
    )
    .await;
    let run = world.run(json!({})).await;
    assert_eq!(run.state, RunState::Success);
    assert_eq!(
        world.mapped_states(&run).await,
        [
            "list success 1",
            "work[0] success 1 \"no. 1\"",
            "work[1] success 1 \"no. 2\"",
            "zip[0] success 1",
            "zip[1] success 1",
            "kwargs[0] success 1",
            "kwargs[1] success 1",
            "all success 1",
        ]
    );
    assert_eq!(world.pushed(&run, "all", -1).await, Some(json!([1, 2])));
    assert_eq!(world.pushed(&run, "zip", 1).await, Some(json!("b")));
    assert_eq!(world.pushed(&run, "kwargs", 1).await, Some(json!(["y"])));
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_skips_and_one_that_is_none_or_too_long_fails() {
    let world = World::with(
        "dag_id: d\nmax_map_length: 2\nparams: {list: {type: any, default: []}}\ntasks:\n  \
         work: {operator: act, expand: {push: '{{ params.list }}'}}\n  after: {operator: act, depends_on: work}\n",
    )
    .await;
    let run = world.run(json!({})).await;
    assert_eq!(run.state, RunState::Success);
    assert_eq!(world.mapped_states(&run).await, ["work skipped 0", "after skipped 0"]);
    for (list, reason) in [
        (json!(5), "\"push\" can be expanded over a list or a mapping, and is a number"),
        (json!([1, 2, 3]), "it would have 3 instances, and the DAG's max_map_length is 2"),
    ] {
        let run = world.run(json!({ "list": list })).await;
        assert_eq!(run.state, RunState::Failed);
        assert_eq!(world.mapped_states(&run).await, ["work failed 0", "after upstream_failed 0"]);
        let events = world.handle().reader().events_of_run(run.run_key).await.unwrap();
        let failed = events.iter().find(|event| event.name == "task.expansion_failed").unwrap();
        assert!(failed.body.contains(&reason.replace('"', "\\\"")), "{}", failed.body);
    }
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_of_a_mapped_group_go_on_each_with_its_own() {
    let world = World::with(
        "dag_id: d\ntask_groups:\n  each:\n    expand: {site: [rome, milan]}\n    tasks:\n      \
         fetch: {operator: act, with: {push: '{{ expand.site }}', fail: \"{{ 'no' if expand.site == 'rome' else none }}\"}}\n      \
         load: {operator: act, depends_on: fetch, with: {push: \"{{ ti.xcom_pull('each.fetch') }}!\"}}\ntasks:\n  \
         all: {operator: act, depends_on: each, trigger_rule: all_done, with: {push: \"{{ ti.xcom_pull('each.load') }}\"}}\n",
    )
    .await;
    let run = world.run(json!({})).await;
    assert_eq!(
        world.mapped_states(&run).await,
        [
            "all success 1",
            "each.fetch[0] failed 1",
            "each.fetch[1] success 1",
            "each.load[0] upstream_failed 0",
            "each.load[1] success 1",
        ]
    );
    assert_eq!(world.pushed(&run, "all", -1).await, Some(json!(["milan!"])));
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_with_the_instances_and_a_clear_expands_anew() {
    let mut world = World::asleep();
    let gate = world.file("gate");
    let yaml = format!(
        "dag_id: d\ntasks:\n  list: {{operator: act, with: {{push: [1, 2, 3]}}}}\n  \
         work: {{operator: act, depends_on: list, with: {{wait_for_file: {}}}, expand: {{push: \"{{{{ ti.xcom_pull('list') }}}}\"}}}}\n  \
         after: {{operator: act, depends_on: work}}\n",
        gate.display()
    );
    world.write("dag.yaml", &yaml);
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.trigger(json!({})).await.unwrap();
    wait_for(notices, |event| event.name == "task.started" && event.map_index == 2).await;
    world.stop().await;
    std::fs::write(&gate, "").unwrap();
    world.start().await;
    let notices = world.handle().subscribe();
    let row = world.handle().reader().run("d", run.run_id.as_str()).await.unwrap().unwrap();
    let run = if row.state.is_terminal() { row } else { world.ended(notices, &run.run_id).await };
    assert_eq!(
        world.mapped_states(&run).await,
        ["list success 1", "work[0] success 2", "work[1] success 2", "work[2] success 2", "after success 1"]
    );
    let request = |task_ids: &[&str], map_index| RerunRequest {
        dag_id: "d".into(),
        run_id: run.run_id.clone(),
        task_ids: task_ids.iter().map(|task_id| (*task_id).into()).collect(),
        map_index,
        upstream: false,
        downstream: true,
        only_failed: false,
        only_running: false,
        on_latest_version: false,
        mark: None,
        dry_run: false,
        actor: tester(),
    };
    for (task_ids, map_index, expected) in [
        (
            vec!["work"],
            Some(1),
            [
                "list success 1",
                "work[0] success 2",
                "work[1] success 3",
                "work[2] success 2",
                "after success 2",
            ],
        ),
        (
            vec!["list"],
            None,
            [
                "list success 2",
                "work[0] success 3",
                "work[1] success 4",
                "work[2] success 3",
                "after success 3",
            ],
        ),
    ] {
        let notices = world.handle().subscribe();
        world.handle().rerun(request(&task_ids, map_index)).await.unwrap();
        let run = world.ended(notices, &run.run_id).await;
        assert_eq!(world.mapped_states(&run).await, expected);
        assert_eq!(world.pushed(&run, "work", 2).await, Some(json!(3)));
    }
    world.is_sound().await;
}
