//! All runs at a glance: the place of a time is that of a search from the first run on, and each part counts what there is.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use esteira_core::dag::TaskIndex;
use esteira_core::run::{Instance, InstanceKey};
use esteira_core::states::{RunState, RunType, TaskInstanceState, TriggeredBy};
use esteira_store::{
    Batch, FirstFailure, InstanceUpdate, NewAttempt, NewRun, NewVersion, Reader, RunFilter, RunUpdate,
    Writer, open_reader, open_writer,
};
use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// A store with runs that were made at these seconds, each with its number and state.
async fn world(runs: &[(i64, i64, RunState)]) -> (TempDir, Writer, Reader) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("esteira.db");
    let mut writer = open_writer(&path).await.unwrap();
    let reader = open_reader(&path).await.unwrap();
    let version = NewVersion {
        version_id: 1,
        dag_id: "d".into(),
        version_number: 1,
        source_hash: "hash".into(),
        file: "d.yaml".into(),
        source: String::new(),
        definition: "{}".into(),
        created_at: at(0),
    };
    let update = |(run_key, second, state): &(i64, i64, RunState)| RunUpdate {
        run_key: *run_key,
        state: *state,
        started_at: Some(at(*second)),
        ended_at: None,
    };
    let batch = Batch {
        versions: vec![version],
        new_runs: runs.iter().map(|(run_key, second, _)| run(*run_key, *second)).collect(),
        runs: runs.iter().map(update).collect(),
        ..Batch::default()
    };
    writer.commit(&batch).await.unwrap();
    (folder, writer, reader)
}

fn run(run_key: i64, second: i64) -> NewRun {
    NewRun {
        run_key,
        dag_id: "d".into(),
        run_id: format!("run_{run_key}").into(),
        version_id: 1,
        run_type: if run_key % 2 == 0 { RunType::Scheduled } else { RunType::Manual },
        triggered_by: TriggeredBy::Ui,
        triggering_user: "ana".into(),
        logical_date: None,
        data_interval: None,
        run_after: at(second),
        queued_at: at(second),
        conf: "{}".into(),
        note: None,
        parent_run_key: None,
        is_cancelled_with_parent: false,
        backfill_id: None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Runs are made one after the other, some at the same time, and some were deleted since.
    #[test]
    fn a_time_is_found_as_by_a_search_from_the_first_run(
        steps in proptest::collection::vec((1..4_i64, 0..3_i64), 0..40),
        wanted in -1..90_i64,
    ) {
        let (mut run_key, mut second, mut runs) = (0, 0, Vec::new());
        for (number_step, time_step) in steps {
            run_key += number_step;
            second += time_step;
            runs.push((run_key, second, RunState::Success));
        }
        let expected = runs.iter().find(|(_, second, _)| *second >= wanted).map(|(run_key, _, _)| *run_key);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (found, from, until) = runtime.block_on(async {
            let (_folder, _writer, reader) = world(&runs).await;
            let from = RunFilter { made_from: Some(at(wanted)), ..RunFilter::default() };
            let until = RunFilter { made_until: Some(at(wanted)), ..RunFilter::default() };
            (
                reader.first_run_since(at(wanted)).await.unwrap(),
                reader.run_count(&from).await.unwrap(),
                reader.run_count(&until).await.unwrap(),
            )
        });
        prop_assert_eq!(found, expected);
        let before = runs.iter().filter(|(_, second, _)| *second < wanted).count() as u64;
        prop_assert_eq!((from, until), (runs.len() as u64 - before, before));
    }
}

#[tokio::test]
async fn hours_count_the_runs_that_were_made_in_them() {
    use RunState::{Failed, Running, Success};
    let runs =
        [(1, 10, Success), (2, 3_599, Failed), (3, 3_600, Success), (4, 3_700, Success), (5, 9_000, Running)];
    let (_folder, _writer, reader) = world(&runs).await;
    let hours = reader.runs_by_hour(at(0)).await.unwrap();
    assert_eq!(hours, [(0, Failed, 1), (0, Success, 1), (1, Success, 2), (2, Running, 1)]);
    assert_eq!(reader.runs_by_hour(at(3_600)).await.unwrap(), [(0, Success, 2), (1, Running, 1)]);
    assert_eq!(reader.runs_by_hour(at(9_001)).await.unwrap(), []);
    let scheduled = RunFilter {
        run_types: vec![RunType::Scheduled],
        states: vec![Success, Failed],
        ..RunFilter::default()
    };
    let keys: Vec<i64> =
        reader.runs(&scheduled, 9).await.unwrap().rows.iter().map(|run| run.run_key).collect();
    assert_eq!(keys, [4, 2]);
}

#[tokio::test]
async fn the_newest_runs_of_some_dags_are_read_and_what_failed_first() {
    let runs = [(1, 1, RunState::Failed), (2, 2, RunState::Success), (3, 3, RunState::Failed)];
    let (_folder, mut writer, reader) = world(&runs).await;
    let latest = reader.latest_runs_of(&["d", "nothing"], 2).await.unwrap();
    assert_eq!(latest.keys().collect::<Vec<_>>(), ["d"]);
    assert_eq!(latest["d"].iter().map(|run| run.run_key).collect::<Vec<_>>(), [3, 2]);

    assert_eq!(reader.first_failure(3).await.unwrap(), None);
    let (first, later) = (InstanceKey::unmapped(TaskIndex(1)), InstanceKey::unmapped(TaskIndex(0)));
    let failed = |instance, task_id: &str, second| InstanceUpdate {
        run_key: 3,
        instance,
        task_id: task_id.into(),
        live: Instance {
            state: Some(TaskInstanceState::Failed),
            ended_at: Some(at(second)),
            ..Instance::default()
        },
    };
    let attempt = |try_number, message: &str| NewAttempt {
        run_key: 3,
        instance: first,
        try_number,
        outcome: "failed",
        started_at: at(3),
        ended_at: at(4),
        error: Some(format!(r#"{{"kind": "failed", "message": "{message}"}}"#)),
        arguments: None,
    };
    let batch = Batch {
        instances: vec![failed(later, "later", 9), failed(first, "first", 4)],
        attempts: vec![attempt(1, "not yet"), attempt(2, "no such file")],
        ..Batch::default()
    };
    writer.commit(&batch).await.unwrap();
    let found = reader.first_failure(3).await.unwrap().unwrap();
    let expected =
        FirstFailure { task_id: "first".to_owned(), map_index: -1, message: Some("no such file".to_owned()) };
    assert_eq!(found, expected);
}
