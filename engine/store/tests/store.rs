//! The store over a real database: what is committed is read back, what is not leaves no trace.
#![allow(clippy::unwrap_used)]

use esteira_core::dag::TaskIndex;
use esteira_core::run::{Instance, InstanceKey};
use esteira_core::states::{RunState, RunType, TaskInstanceState, TriggeredBy};
use esteira_store::{
    AttemptKey, Batch, EncodedXcom, EventFilter, GridCell, InstanceUpdate, NewAttempt, NewEvent, NewRun,
    NewVersion, Reader, RunFilter, RunUpdate, StoreError, Subject, Writer, XCOM_SIZE_MAX, open_reader,
    open_writer,
};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(1_700_000_000_000_000 + micros).unwrap()
}

fn event(name: &'static str, body: &str) -> NewEvent {
    NewEvent {
        at: at(5),
        name,
        subject: Subject { dag_id: Some("d".into()), ..Subject::default() },
        try_number: 0,
        actor: "tester".into(),
        via: TriggeredBy::Cli,
        body: body.to_owned(),
    }
}

async fn world() -> (TempDir, Writer, Reader) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("esteira.db");
    let writer = open_writer(&path).await.unwrap();
    let reader = open_reader(&path).await.unwrap();
    (folder, writer, reader)
}

fn version(version_id: i64) -> NewVersion {
    NewVersion {
        version_id,
        dag_id: "d".into(),
        version_number: version_id,
        source_hash: format!("hash {version_id}"),
        file: "d.yaml".into(),
        source: "dag_id: d".into(),
        definition: "{}".into(),
        created_at: at(0),
    }
}

fn run(run_key: i64) -> NewRun {
    NewRun {
        run_key,
        dag_id: "d".into(),
        run_id: format!("run_{run_key}").into(),
        version_id: 1,
        run_type: RunType::Manual,
        triggered_by: TriggeredBy::Ui,
        triggering_user: "ana".into(),
        logical_date: Some(at(1)),
        data_interval: Some((at(1), at(2))),
        run_after: at(3),
        queued_at: at(4),
        conf: r#"{"ç":1}"#.into(),
        note: Some("a note".into()),
        parent_run_key: Some(7),
        is_cancelled_with_parent: true,
        backfill_id: Some(3),
    }
}

#[tokio::test]
async fn a_batch_is_read_back_as_it_was_written() {
    let (_folder, mut writer, reader) = world().await;
    let (version_id, run_key) = (writer.next_version_id(), writer.next_run_key());
    let instance = InstanceKey::unmapped(TaskIndex(0));
    let live = Instance {
        state: Some(TaskInstanceState::Success),
        try_number: 2,
        scheduled_at: Some(at(5)),
        started_at: Some(at(6)),
        ended_at: Some(at(7)),
        ..Instance::default()
    };
    let value = json!({"readings": vec!["a long text that compresses well"; 1_000]});
    let batch = Batch {
        versions: vec![version(version_id)],
        new_runs: vec![run(run_key)],
        runs: vec![RunUpdate {
            run_key,
            state: RunState::Success,
            started_at: Some(at(5)),
            ended_at: Some(at(8)),
        }],
        instances: vec![InstanceUpdate { run_key, instance, task_id: "t".into(), live }],
        attempts: vec![NewAttempt {
            run_key,
            instance,
            try_number: 2,
            outcome: "success",
            started_at: at(6),
            ended_at: at(7),
            error: None,
            arguments: Some(r#"{"a":1}"#.into()),
        }],
        xcoms: vec![(run_key, instance, at(7), EncodedXcom::encode("k", &value, XCOM_SIZE_MAX).unwrap())],
        events: vec![event("run.created", "{}"), event("task.succeeded", "")],
        ..Batch::default()
    };
    let told = writer.commit(&batch).await.unwrap();
    let stored = reader.events(&EventFilter::default(), 10).await.unwrap().rows;
    assert_eq!(
        stored.iter().rev().map(|row| (row.seq, &row.hash)).collect::<Vec<_>>(),
        told.iter().map(|row| (row.seq, &row.hash)).collect::<Vec<_>>()
    );

    let row = reader.run("d", "run_1").await.unwrap().unwrap();
    assert_eq!(
        (row.state, row.logical_date, row.data_interval_end, row.ended_at),
        (RunState::Success, Some(at(1)), Some(at(2)), Some(at(8)))
    );
    assert_eq!(
        (row.conf, row.note.as_deref(), row.triggering_user.as_str()),
        (json!({"ç": 1}), Some("a note"), "ana")
    );
    let instances = reader.instances(run_key).await.unwrap();
    assert_eq!(
        (instances[0].state, instances[0].try_number, instances[0].ended_at),
        (Some(TaskInstanceState::Success), 2, Some(at(7)))
    );
    let attempts = reader.attempts(AttemptKey { run_key, task_index: 0, map_index: -1 }).await.unwrap();
    assert_eq!(attempts[0].arguments, Some(json!({"a": 1})));
    assert_eq!(reader.xcom_value(run_key, "t", -1, "k").await.unwrap(), Some(value));
    assert_eq!(reader.xcoms(run_key, Some("t")).await.unwrap()[0].key, "k");
}

#[tokio::test]
async fn a_grid_has_a_cell_for_each_task_of_each_run_and_counts_mapped_instances() {
    use TaskInstanceState as S;
    let (_folder, mut writer, reader) = world().await;
    let update = |run_key, task: u32, map_index, state| InstanceUpdate {
        run_key,
        instance: InstanceKey { task: TaskIndex(task), map_index },
        task_id: format!("group.t{task}").into(),
        live: Instance { state, ..Instance::default() },
    };
    let batch = Batch {
        versions: vec![version(1)],
        new_runs: (1..=3).map(run).collect(),
        instances: vec![
            update(1, 0, -1, Some(S::Success)),
            update(1, 1, 0, Some(S::Failed)),
            update(1, 1, 1, Some(S::Success)),
            update(1, 1, 2, Some(S::Success)),
            update(2, 0, -1, None),
            update(3, 0, -1, Some(S::Running)),
        ],
        ..Batch::default()
    };
    writer.commit(&batch).await.unwrap();
    let mut cells = reader.grid_cells(&[1, 2]).await.unwrap();
    cells.sort_by_key(|cell| (cell.run_key, cell.is_mapped));
    let cell = |run_key, task: &str, is_mapped, states: &[(Option<S>, u64)]| GridCell {
        run_key,
        task_id: task.into(),
        is_mapped,
        states: states.to_vec(),
    };
    let expected = [
        cell(1, "group.t0", false, &[(Some(S::Success), 1)]),
        cell(1, "group.t1", true, &[(Some(S::Failed), 1), (Some(S::Success), 2)]),
        cell(2, "group.t0", false, &[(None, 1)]),
    ];
    assert_eq!(cells, expected);
    assert_eq!(reader.grid_cells(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn the_chain_goes_on_over_a_restart_and_the_history_cannot_be_changed() {
    let (folder, mut writer, reader) = world().await;
    let path = folder.path().join("esteira.db");
    for _ in 0..3 {
        writer.commit(&Batch { events: vec![event("dag.paused", "")], ..Batch::default() }).await.unwrap();
    }
    writer.close().await.unwrap();
    let mut writer = open_writer(&path).await.unwrap();
    writer.commit(&Batch { events: vec![event("dag.unpaused", "")], ..Batch::default() }).await.unwrap();
    assert_eq!(reader.check_chain().await.unwrap(), Ok(4));
    writer.close().await.unwrap();
    for statement in ["UPDATE event SET body = 'x' WHERE seq = 2", "DELETE FROM event WHERE seq = 2"] {
        let error = execute(&path, statement).await.unwrap_err().to_string();
        assert!(error.contains("the audit history is append-only"), "{error}");
    }
    execute(&path, "DROP TRIGGER event_is_never_deleted").await.unwrap();
    execute(&path, "DELETE FROM event WHERE seq = 2").await.unwrap();
    assert_eq!(reader.check_chain().await.unwrap(), Err((2, "the row is missing".to_owned())));
}

async fn execute(path: &std::path::Path, statement: &'static str) -> Result<(), sqlx::Error> {
    use sqlx::{ConnectOptions, Connection};
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await?;
    let done = sqlx::query(statement).execute(&mut connection).await;
    connection.close().await?;
    done.map(drop)
}

#[tokio::test]
async fn a_full_disk_is_told_of_keeps_nothing_of_the_batch_and_the_same_batch_goes_in_later() {
    let (_folder, mut writer, reader) = world().await;
    writer.commit(&Batch { events: vec![event("dag.paused", "")], ..Batch::default() }).await.unwrap();
    writer.limit_pages(Some(64)).await.unwrap();
    let large = "x".repeat(2_000_000);
    let batch =
        Batch { events: vec![event("dag.paused", "small"), event("dag.paused", &large)], ..Batch::default() };
    assert!(matches!(writer.commit(&batch).await, Err(StoreError::DiskFull)));
    assert_eq!(reader.event_count().await.unwrap(), 1);
    writer.limit_pages(None).await.unwrap();
    writer.commit(&batch).await.unwrap();
    assert_eq!(reader.check_chain().await.unwrap(), Ok(3));
}

#[tokio::test]
async fn a_batch_with_a_fault_in_it_leaves_no_trace() {
    let (_folder, mut writer, reader) = world().await;
    let first = Batch {
        versions: vec![version(1)],
        new_runs: vec![run(1)],
        events: vec![event("run.created", "")],
        ..Batch::default()
    };
    writer.commit(&first).await.unwrap();
    let twice =
        Batch { new_runs: vec![run(2), run(1)], events: vec![event("run.created", "")], ..Batch::default() };
    assert!(writer.commit(&twice).await.is_err());
    assert_eq!(reader.run_count(&RunFilter::default()).await.unwrap(), 1);
    assert_eq!(reader.check_chain().await.unwrap(), Ok(1));
}

#[tokio::test]
async fn a_dags_runs_are_counted_by_the_quarter_of_an_hour_in_which_they_were_made() {
    let (_folder, mut writer, reader) = world().await;
    // The instant is 100 s before the end of a quarter.
    let made = [0, 100, 199, 200, 1_100, 5_000];
    let mut keys = Vec::new();
    let runs = made.map(|seconds| {
        let key = writer.next_run_key();
        keys.push(key);
        NewRun { queued_at: at(seconds * 1_000_000), backfill_id: (seconds > 100).then_some(3), ..run(key) }
    });
    let ended = |run_key, state| RunUpdate { run_key, state, started_at: None, ended_at: None };
    let batch = Batch {
        versions: vec![version(1)],
        new_runs: runs.into(),
        runs: vec![ended(keys[0], RunState::Failed), ended(keys[3], RunState::Success)],
        ..Batch::default()
    };
    writer.commit(&batch).await.unwrap();
    let found = reader.runs_by_quarter("d", at(50_000_000), at(2_000_000_000)).await.unwrap();
    let second = |at: Timestamp| at.as_second() - 1_700_000_000;
    let found: Vec<_> = found.into_iter().map(|(at, state, count)| (second(at), state, count)).collect();
    assert_eq!(
        found,
        [(100, RunState::Queued, 2), (100, RunState::Success, 1), (1_000, RunState::Queued, 1)]
    );
    assert_eq!(reader.runs_by_quarter("other", at(0), at(9_000_000_000)).await.unwrap(), []);
    let of_backfills = reader.backfill_runs("d").await.unwrap();
    assert_eq!(of_backfills[&3], [(RunState::Queued, 3), (RunState::Success, 1)]);
}

#[tokio::test]
async fn lists_come_page_by_page_newest_first_and_filtered() {
    let (_folder, mut writer, reader) = world().await;
    let mut batch = Batch { versions: vec![version(1)], ..Batch::default() };
    for run_key in 1..=5 {
        batch.new_runs.push(run(run_key));
        batch.events.push(event(if run_key % 2 == 0 { "run.created" } else { "dag.paused" }, ""));
    }
    batch.runs.push(RunUpdate { run_key: 2, state: RunState::Failed, started_at: None, ended_at: None });
    writer.commit(&batch).await.unwrap();
    let keys = |page: esteira_store::Page<esteira_store::RunRow>| {
        (page.rows.into_iter().map(|row| row.run_key).collect::<Vec<_>>(), page.has_more)
    };
    assert_eq!(keys(reader.runs(&RunFilter::default(), 2).await.unwrap()), (vec![5, 4], true));
    let older = RunFilter { before: Some(4), ..RunFilter::default() };
    assert_eq!(keys(reader.runs(&older, 3).await.unwrap()), (vec![3, 2, 1], false));
    let failed = RunFilter { states: vec![RunState::Failed], ..RunFilter::default() };
    assert_eq!(keys(reader.runs(&failed, 9).await.unwrap()), (vec![2], false));
    let other = RunFilter { dag_id: Some("e".into()), ..RunFilter::default() };
    assert_eq!(keys(reader.runs(&other, 9).await.unwrap()), (vec![], false));
    let created = EventFilter { name: Some("run.".into()), ..EventFilter::default() };
    let seqs: Vec<i64> = reader.events(&created, 9).await.unwrap().rows.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, [4, 2]);
    let latest = reader.latest_runs_of(&["never_loaded"], 2).await.unwrap();
    assert!(latest.is_empty(), "a DAG that is not there has no strip");
}

#[tokio::test]
async fn a_range_of_time_is_found_by_number_also_where_the_clock_went_back() {
    let (_folder, mut writer, reader) = world().await;
    let minute = 60_000_000;
    // At minute 3 the clock was set back by ten minutes.
    for minutes in [0, 1, 2, 3, -7, -6, 90, 91, 200] {
        let event = NewEvent { at: at(minutes * minute), ..event("dag.paused", "") };
        writer.commit(&Batch { events: vec![event], ..Batch::default() }).await.unwrap();
    }
    let found = async |since: Option<i64>, until: Option<i64>| {
        let instant = |minutes: i64| at(minutes * minute);
        let filter =
            EventFilter { since: since.map(instant), until: until.map(instant), ..EventFilter::default() };
        let rows = reader.events(&filter, 20).await.unwrap().rows;
        rows.iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(found(Some(1), Some(3)).await, [3, 2]);
    assert_eq!(found(Some(-10), Some(0)).await, [6, 5]);
    assert_eq!(found(Some(90), None).await, [9, 8, 7]);
    assert_eq!(found(None, Some(-100)).await, [0; 0]);
    assert_eq!(found(Some(1_000), None).await, [0; 0]);
    for (name, count) in [("dag.", 9), ("dag.paused", 9), ("d", 9), ("", 9), ("pool.", 0), ("run.", 0)] {
        let filter = EventFilter { name: Some(name.to_owned()), ..EventFilter::default() };
        assert_eq!(reader.events(&filter, 20).await.unwrap().rows.len(), count, "{name}");
    }
    let people = EventFilter { is_by_people: true, ..EventFilter::default() };
    assert_eq!(reader.events(&people, 20).await.unwrap().rows.len(), 9);
    assert_eq!(reader.actors(5).await.unwrap(), ["tester"]);
}

#[tokio::test]
async fn events_with_a_rare_name_are_found_by_it_and_by_its_beginning() {
    let (_folder, mut writer, reader) = world().await;
    let names =
        ["task.failed", "task.started", "task.cleared", "task.failed", "run.cancel_requested", "task.folded"];
    for name in names {
        writer.commit(&Batch { events: vec![event(name, "")], ..Batch::default() }).await.unwrap();
    }
    for (name, seqs) in [
        ("task.failed", vec![4, 1]),
        ("task.fa", vec![4, 1]),
        ("task.f", vec![6, 4, 1]),
        ("task.marked", vec![]),
        ("run.cancel", vec![5]),
        ("task.start", vec![2]),
        ("task.", vec![6, 4, 3, 2, 1]),
    ] {
        let filter = EventFilter { name: Some(name.to_owned()), ..EventFilter::default() };
        let rows = reader.events(&filter, 20).await.unwrap().rows;
        assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), seqs, "{name}");
    }
}

#[tokio::test]
async fn a_search_ends_after_so_many_events_and_goes_on_from_there_both_ways() {
    let (_folder, mut writer, reader) = world().await;
    for seq in 1..=50 {
        let mut event = event("task.started", "");
        event.subject.task =
            [7, 8, 44].contains(&seq).then(|| (InstanceKey::unmapped(TaskIndex(0)), "rare".into()));
        writer.commit(&Batch { events: vec![event], ..Batch::default() }).await.unwrap();
    }
    let filter = EventFilter { task_id: Some("rare".to_owned()), ..EventFilter::default() };
    let mut listing = reader.event_listing(&filter, 1).await.unwrap();
    let (mut there, mut back) = (Vec::new(), Vec::new());
    loop {
        let found = reader.list_within(listing.clone(), 10).await.unwrap();
        there.push((found.list.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), found.is_cut));
        assert!(there.len() < 20, "{there:?}");
        let Some(next) = found.list.next else { break };
        listing.place = Some(next);
    }
    let (none, cut) = (Vec::new(), true);
    let all =
        [(vec![44], cut), (none.clone(), cut), (none.clone(), cut), (none.clone(), cut), (vec![8], false)];
    assert_eq!(there[..5], all, "{there:?}");
    assert_eq!(there[5], (vec![7], false));
    loop {
        let found = reader.list_within(listing.clone(), 10).await.unwrap();
        back.extend(found.list.rows.iter().map(|row| row.seq));
        assert!(back.len() < 20, "{back:?}");
        let Some(previous) = found.list.previous else { break };
        listing.place = Some(previous);
    }
    assert_eq!(back, [7, 8, 44]);
    // An index leads to the events of a DAG: nothing is cut then.
    let filter = EventFilter { dag_id: Some("d".to_owned()), ..filter };
    let listing = reader.event_listing(&filter, 5).await.unwrap();
    assert_eq!(reader.list_within(listing, 10).await.unwrap().list.rows.len(), 3);
}
