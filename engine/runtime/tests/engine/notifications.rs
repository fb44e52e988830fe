//! Callbacks and deadlines: who is told of what, that none is lost, and that what they end in changes nothing else.

use crate::world::{World, rerun, wait_for};
use esteira_core::states::{NotificationState, RunState};
use esteira_runtime::logs::LogKey;
use esteira_runtime::{Notice, RerunRequest};
use esteira_store::{NotificationRow, RunRow};
use serde_json::json;
use std::path::Path;
use tokio::sync::broadcast::Receiver;

/// A DAG, with `CALL<text>` for a callback that writes this text into the file of the test.
fn dag(file: &Path, yaml: &str) -> String {
    let mut text = yaml.to_owned();
    while let Some(start) = text.find("CALL<") {
        let end = start + text[start..].find('>').unwrap();
        let with = format!("file: {}, text: '{}'", file.display(), &text[start + 5..end]);
        text.replace_range(start..=end, &format!("{{operator: write_line, with: {{{with}}}}}"));
    }
    text
}

fn lines(file: &Path) -> Vec<String> {
    let mut lines: Vec<String> =
        std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Waits for so many notifications.
async fn sent(mut notices: Receiver<Notice>, count: usize) {
    for _ in 0..count {
        loop {
            if let Notice::Event(event) = notices.recv().await.unwrap()
                && event.name == "notification.sent"
            {
                break;
            }
        }
    }
}

async fn rows(world: &World, run: &RunRow) -> Vec<NotificationRow> {
    world.handle().reader().notifications_of_run(run.run_key).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_callback_is_called_for_what_it_tells_of() {
    let mut world = World::asleep();
    let file = world.file("lines");
    let yaml = r#"
dag_id: d
on_success_callback: CALL<dag succeeded {{ reason }} {{ dag_run.state }}>
on_failure_callback: CALL<dag failed>
default_args:
  retry_delay: 1ms
  on_execute_callback: CALL<{{ ti.task_id }} begins {{ ti.try_number }}>
  on_success_callback: CALL<{{ task.task_id }} {{ ti.state }} {{ ti.xcom_pull("second") }}>
  on_failure_callback: CALL<{{ ti.task_id }} failed>
  on_retry_callback: [CALL<{{ ti.task_id }} again {{ exception }}>, CALL<{{ task_instance.state }}>]
  on_skipped_callback: CALL<{{ ti.task_id }} skipped {{ reason }}>
tasks:
  second: {operator: act, retries: 1, with: {succeed_from: 2, push: 7}}
  itself: {operator: act, with: {skip: nothing new}, on_execute_callback: null}
  by_rule: {operator: act, depends_on: itself}
"#;
    world.write("dag.yaml", &dag(&file, yaml));
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.run(json!({})).await;
    sent(notices, 7).await;
    assert_eq!(
        lines(&file),
        [
            "dag succeeded success success",
            "itself skipped nothing new",
            "second again not yet",
            "second begins 1",
            "second begins 2",
            "second success 7",
            "up_for_retry",
        ]
    );
    assert!(rows(&world, &run).await.iter().all(|row| row.state == NotificationState::Success));
    let key = LogKey {
        dag_id: "d".into(),
        run_id: run.run_id.to_string(),
        task_id: "second".into(),
        map_index: -1,
        try_number: 2,
    };
    let log = world.handle().logs().read(&key, 0, 10_000).unwrap();
    let mut said: Vec<_> = log.lines.iter().map(|line| format!("{}: {}", line.source, line.event)).collect();
    said.sort();
    let expected = [
        r#"on_execute_callback: writes "second begins 2""#,
        r#"on_success_callback: writes "second success 7""#,
    ];
    assert_eq!(said, expected);
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_of_with_its_error_and_where_to_look() {
    let mut world = World::asleep();
    let file = world.file("lines");
    let yaml = "
dag_id: d
on_failure_callback: CALL<{{ dag.dag_id }} {{ reason }} {{ ti.task_id }} {{ dag_run.url }}>
default_args: {on_failure_callback: CALL<{{ ti.task_id }}[{{ ti.map_index }}] {{ exception }} {{ ti.log_url }}>}
tasks:
  each: {operator: act, expand: {fail: [one, two]}, with: {}}
  after: {operator: act, depends_on: each}
";
    world.write("dag.yaml", &dag(&file, yaml));
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.run(json!({})).await;
    sent(notices, 3).await;
    let page = format!("http://localhost:8080/dags/d/runs/{}", run.run_id);
    assert_eq!(
        lines(&file),
        [
            format!("d task_failure each {page}"),
            format!("each[0] one {page}/tasks/each?map_index=0"),
            format!("each[1] two {page}/tasks/each?map_index=1"),
        ]
    );
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_fails_is_tried_again_and_fails_nothing_else() {
    let mut world = World::asleep();
    let (file, needed) = (world.file("lines"), world.file("needed"));
    let call = |retries: u32| {
        format!(
            "{{operator: write_line, retries: {retries}, retry_delay: 1ms, retry_exponential_backoff: 0, \
             with: {{file: {}, text: told, needs: {}}}}}",
            file.display(),
            needed.display()
        )
    };
    let yaml = format!(
        "dag_id: d\non_success_callback: [{}, {}]\ntasks: {{a: {{operator: act}}}}\n",
        call(2),
        call(1_000_000)
    );
    world.write("dag.yaml", &yaml);
    world.start().await;
    world.masker.add("hunter2");
    let (first, second) = (world.handle().subscribe(), world.handle().subscribe());
    let run = world.run(json!({})).await;
    assert_eq!(run.state, RunState::Success);
    let is_last = |body: &str| body.contains(r#""notification_id":1"#) && body.contains(r#""retry_at":null"#);
    wait_for(first, |event| event.name == "notification.failed" && is_last(&event.body)).await;
    let given_up = rows(&world, &run).await.swap_remove(0);
    assert_eq!((given_up.state, given_up.failures), (NotificationState::Failed, 3));
    assert_eq!(given_up.error.as_deref(), Some("what it needs is not there: ***"));
    std::fs::write(&needed, "").unwrap();
    sent(second, 1).await;
    assert_eq!(lines(&file), ["told"]);
    let run = world.handle().reader().run_by_key(run.run_key).await.unwrap().unwrap();
    assert_eq!(run.state, RunState::Success);
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_told_when_the_engine_stopped_is_told_by_the_next() {
    let mut world = World::asleep();
    let (file, needed) = (world.file("lines"), world.file("needed"));
    let callback = |text: &str| {
        format!(
            "{{operator: write_line, retry_delay: 10ms, retry_exponential_backoff: 0, retries: 1000000, \
             with: {{file: {}, text: '{text}', needs: {}}}}}",
            file.display(),
            needed.display()
        )
    };
    let yaml = format!(
        "dag_id: d\nparams: {{who: ana}}\ntasks:\n  each: {{operator: act, expand: {{push: [5, 6]}}, \
         on_success_callback: {}}}\n",
        callback("{{ params.who }} {{ expand.push }} {{ ti.xcom_pull(\"each\", map_indexes=ti.map_index) }}")
    );
    world.write("dag.yaml", &yaml);
    world.start().await;
    let notices = world.handle().subscribe();
    world.run(json!({"who": "eva"})).await;
    wait_for(notices, |event| event.name == "notification.failed").await;
    world.stop().await;
    // The DAG has changed meanwhile; what happened has not.
    world.write("dag.yaml", "dag_id: d\ntasks: {other: {operator: act}}\n");
    std::fs::write(&needed, "").unwrap();
    world.start().await;
    let mut notices = world.handle().subscribe();
    // Either may have been told before there was somebody to listen.
    while lines(&file).len() < 2 {
        let _ = notices.recv().await.unwrap();
    }
    assert_eq!(lines(&file), ["eva 5 5", "eva 6 6"]);
    world.stop().await;
    world.start().await;
    assert!(world.handle().reader().pending_notifications().await.unwrap().is_empty());
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_to_be_told_of_a_task_that_is_gone_ends_with_a_reason() {
    let mut world = World::asleep();
    let (file, never) = (world.file("lines"), world.file("never"));
    let yaml = format!(
        "dag_id: d\ntasks:\n  kept: {{operator: act}}\n  gone: {{operator: act, on_success_callback: \
         {{operator: write_line, retry_delay: 1h, retries: 9, with: {{file: {}, text: told, needs: {}}}}}}}\n",
        file.display(),
        never.display()
    );
    world.write("dag.yaml", &yaml);
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.run(json!({})).await;
    wait_for(notices, |event| event.name == "notification.failed").await;
    world.new_version("dag_id: d\ntasks: {kept: {operator: act}}\n").await;
    let run = world.again(RerunRequest { on_latest_version: true, ..rerun(&run, &["kept"]) }).await;
    world.stop().await;
    world.start().await;
    let row = rows(&world, &run).await.swap_remove(0);
    assert_eq!((row.state, row.ended_at.is_some()), (NotificationState::Failed, true));
    let reason = "the run has gone on with a version of its DAG in which there is no task \"gone\"";
    assert_eq!(row.error.as_deref(), Some(reason));
    let events = world.handle().reader().events_of_run(run.run_key).await.unwrap();
    assert!(events.iter().any(|event| event.name == "notification.failed" && event.body.contains("no task")));
    assert!(world.handle().reader().pending_notifications().await.unwrap().is_empty());
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_does_calls_nobody() {
    let mut world = World::asleep();
    let (file, never) = (world.file("lines"), world.file("never"));
    let yaml = format!(
        "
dag_id: d
on_failure_callback: CALL<dag failed>
on_success_callback: CALL<dag succeeded>
default_args:
  on_failure_callback: CALL<failed>
  on_skipped_callback: CALL<skipped>
  on_success_callback: CALL<{{{{ ti.task_id }}}} succeeded>
tasks:
  first: {{operator: act}}
  waits: {{operator: act, with: {{wait_for_file: {}}}, depends_on: first}}
  after: {{operator: act, depends_on: waits}}
",
        never.display()
    );
    world.write("dag.yaml", &dag(&file, &yaml));
    world.start().await;
    let (notices, begun, end) =
        (world.handle().subscribe(), world.handle().subscribe(), world.handle().subscribe());
    let run = world.trigger(json!({})).await.unwrap();
    wait_for(begun, |event| event.name == "task.started" && event.task_id == "waits").await;
    sent(notices, 1).await;
    world.cancel(&run.run_id).await.unwrap();
    let run = world.ended(end, &run.run_id).await;
    assert_eq!(run.state, RunState::Failed);
    let told: Vec<_> = rows(&world, &run).await.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(told, ["on_success_callback"]);
    assert_eq!(lines(&file), ["first succeeded"]);
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_is_told_of_once_and_ends_nothing() {
    let mut world = World::asleep();
    let (file, go_on) = (world.file("lines"), world.file("go_on"));
    let yaml = format!(
        "
dag_id: d
deadline:
  - {{interval: 1ms, callback: CALL<late {{{{ deadline.interval }}}} {{{{ dag_run.state }}}}>}}
  - {{reference: dagrun_logical_date, interval: 1ms, callback: CALL<no logical date>}}
  - {{reference: average_runtime, min_runs: 2, interval: 1ms, callback: CALL<too few runs>}}
  - {{interval: 1h, callback: CALL<in time>}}
tasks: {{a: {{operator: act, with: {{wait_for_file: {}}}}}}}
",
        go_on.display()
    );
    world.write("dag.yaml", &dag(&file, &yaml));
    world.start().await;
    let notices = world.handle().subscribe();
    let run = world.trigger(json!({})).await.unwrap();
    sent(notices, 1).await;
    world.stop().await;
    world.start().await;
    let notices = world.handle().subscribe();
    std::fs::write(&go_on, "").unwrap();
    let run = world.ended(notices, &run.run_id).await;
    assert_eq!(run.state, RunState::Success);
    // What was over in time once is not late because it runs again.
    let run = world.again(rerun(&run, &["a"])).await;
    assert_eq!(lines(&file), ["late 1ms running"]);
    assert_eq!(rows(&world, &run).await.len(), 1);
    let events = world.handle().reader().events_of_run(run.run_key).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.name == "run.deadline_missed").count(), 1);
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_average_of_the_past_makes_a_deadline() {
    let mut world = World::asleep();
    let (file, go_on) = (world.file("lines"), world.file("go_on"));
    let yaml = format!(
        "
dag_id: d
deadline: {{reference: average_runtime, max_runs: 2, interval: 1ms, callback: CALL<slower than usual>}}
tasks: {{a: {{operator: act, with: {{wait_for_file: {}}}}}}}
",
        go_on.display()
    );
    world.write("dag.yaml", &dag(&file, &yaml));
    world.start().await;
    std::fs::write(&go_on, "").unwrap();
    world.run(json!({})).await;
    world.run(json!({})).await;
    std::fs::remove_file(&go_on).unwrap();
    let (notices, end) = (world.handle().subscribe(), world.handle().subscribe());
    let run = world.trigger(json!({})).await.unwrap();
    sent(notices, 1).await;
    assert_eq!(lines(&file), ["slower than usual"]);
    std::fs::write(&go_on, "").unwrap();
    world.ended(end, &run.run_id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_has_a_time_limit_and_cannot_wait() {
    let mut world = World::asleep();
    let (file, never) = (world.file("lines"), world.file("never"));
    let yaml = format!(
        "
dag_id: d
on_success_callback:
  - {{operator: write_line, execution_timeout: 5ms, retries: 0, with: {{file: {}, text: x, waits_for: {}}}}}
  - {{operator: watch_file, with: {{path: {}}}}}
tasks: {{a: {{operator: act}}}}
",
        file.display(),
        never.display(),
        never.display()
    );
    world.write("dag.yaml", &yaml);
    world.start().await;
    let (one, two) = (world.handle().subscribe(), world.handle().subscribe());
    let run = world.run(json!({})).await;
    for (notices, number) in [(one, 1), (two, 2)] {
        let number = format!(r#""notification_id":{number}"#);
        wait_for(notices, |event| event.name == "notification.failed" && event.body.contains(&number)).await;
    }
    let errors: Vec<_> = rows(&world, &run).await.into_iter().filter_map(|row| row.error).collect();
    assert_eq!(
        errors,
        [
            "it took longer than its execution_timeout of 5ms",
            "the operator \"watch_file\" waits for something"
        ]
    );
}
