//! Places in lists: whatever the order, pages from place to place are the whole list, forth and back, and rows that come or
//! go elsewhere do not move them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use esteira_core::states::{RunState, RunType, TriggeredBy};
use esteira_store::{
    Batch, Counting, Listing, NewRun, NewVersion, Pattern, Place, Reader, RunColumn, RunRow, RunUpdate,
    Writer, open_reader, open_writer,
};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// What sets runs apart: a name, whether it stands for an instant, how it went and from when to when.
type Given = (u8, Option<u8>, Option<(u8, Option<u8>)>);

async fn world(runs: &[Given]) -> (TempDir, Writer, Reader) {
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
    let mut batch = Batch { versions: vec![version], ..Batch::default() };
    for (place, (user, logical_date, times)) in runs.iter().enumerate() {
        let run_key = place as i64 + 1;
        batch.new_runs.push(run(run_key, *user, *logical_date));
        if let Some((started, ended)) = times {
            batch.runs.push(RunUpdate {
                run_key,
                state: if ended.is_some() { RunState::Success } else { RunState::Running },
                started_at: Some(at((*started).into())),
                ended_at: ended.map(|ended| at(i64::from(*started) + i64::from(ended))),
            });
        }
    }
    writer.commit(&batch).await.unwrap();
    (folder, writer, reader)
}

fn run(run_key: i64, user: u8, logical_date: Option<u8>) -> NewRun {
    NewRun {
        run_key,
        dag_id: "d".into(),
        run_id: format!("run_{run_key}").into(),
        version_id: 1,
        run_type: RunType::Manual,
        triggered_by: TriggeredBy::Ui,
        triggering_user: format!("user {user}"),
        logical_date: logical_date.map(|second| at(second.into())),
        data_interval: None,
        run_after: at(i64::from(user)),
        queued_at: at(4),
        conf: "{}".into(),
        note: None,
        parent_run_key: None,
        is_cancelled_with_parent: false,
        backfill_id: None,
    }
}

fn keys(rows: &[RunRow]) -> Vec<i64> {
    rows.iter().map(|run| run.run_key).collect()
}

/// Every page from the first on, and then from the last back to the first.
async fn turned(reader: &Reader, listing: &Listing<RunColumn>, limit: u32) -> (Vec<i64>, Vec<i64>) {
    let page = async |place: Option<Place>| {
        let listing = Listing { place, limit, counting: Counting::UpTo(5), ..listing.clone() };
        assert!(listing.place.as_ref().is_none_or(|place| listing.takes(place)));
        reader.list(&listing).await.unwrap()
    };
    let mut list = page(None).await;
    let mut forth = keys(&list.rows);
    while let Some(next) = list.next.take() {
        list = page(Some(next)).await;
        forth.extend(keys(&list.rows));
    }
    let mut back = keys(&list.rows);
    while let Some(previous) = list.previous.take() {
        list = page(Some(previous)).await;
        back.splice(0..0, keys(&list.rows));
    }
    (forth, back)
}

#[test]
fn pages_from_place_to_place_are_the_whole_list() {
    use RunColumn as C;
    let runs = prop::collection::vec(
        (0..3_u8, prop::option::of(0..3_u8), prop::option::of((0..3_u8, prop::option::of(0..3_u8)))),
        0..14,
    );
    let columns =
        [C::Key, C::State, C::TriggeringUser, C::LogicalDate, C::StartedAt, C::EndedAt, C::Duration];
    let order = prop::collection::vec((prop::sample::select(columns.to_vec()), any::<bool>()), 0..4);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(ProptestConfig { cases: 60, ..ProptestConfig::default() });
    let check = |(runs, order, limit): (Vec<Given>, Vec<(C, bool)>, u32)| {
        runtime.block_on(async {
            let (_folder, _writer, reader) = world(&runs).await;
            let listing = Listing { order, ..Listing::default() };
            let whole = reader.list(&listing).await.unwrap();
            prop_assert_eq!(whole.total, Some(runs.len() as u64));
            let whole = keys(&whole.rows);
            let (forth, back) = turned(&reader, &listing, limit).await;
            prop_assert_eq!(&forth, &whole);
            prop_assert_eq!(&back, &whole);
            Ok(())
        })
    };
    runner.run(&(runs, order, 1..5_u32), check).unwrap();
}

#[tokio::test]
async fn rows_that_come_and_go_do_not_move_a_place() {
    let (_folder, mut writer, reader) = world(&[(0, None, None); 6]).await;
    let newest = Listing { order: vec![(RunColumn::Key, true)], limit: 2, ..Listing::default() };
    let first = reader.list(&newest).await.unwrap();
    assert_eq!(keys(&first.rows), [6, 5]);
    writer.commit(&Batch { new_runs: vec![run(7, 0, None)], ..Batch::default() }).await.unwrap();
    let second = reader.list(&Listing { place: first.next, ..newest.clone() }).await.unwrap();
    assert_eq!(keys(&second.rows), [4, 3]);
    assert_eq!(keys(&reader.list(&Listing { offset: 2, ..newest }).await.unwrap().rows), [5, 4]);
}

#[tokio::test]
async fn a_count_may_have_a_limit_or_not_be_made() {
    let (_folder, _writer, reader) = world(&[(0, None, None); 6]).await;
    for (counting, total) in [
        (Counting::All, Some(6)),
        (Counting::UpTo(4), Some(4)),
        (Counting::UpTo(9), Some(6)),
        (Counting::Nothing, None),
    ] {
        let listing = Listing::<RunColumn> { counting, limit: 2, ..Listing::default() };
        assert_eq!(reader.list(&listing).await.unwrap().total, total, "{counting:?}");
    }
}

#[tokio::test]
async fn patterns_are_those_of_sql() {
    let (_folder, _writer, reader) = world(&[(0, None, None), (1, None, None), (2, None, None)]).await;
    for (pattern, expected) in [
        (Pattern::Like(vec!["USER_1".into()]), vec![2]),
        (Pattern::Like(vec!["0".into(), "r%2".into()]), vec![1, 3]),
        (Pattern::Prefix(vec!["user 1".into()]), vec![2]),
        (Pattern::Prefix(vec!["User".into()]), vec![]),
        (Pattern::Prefix(vec!["user 0".into(), "user 2".into()]), vec![1, 3]),
        (Pattern::Contains("R 2".into()), vec![3]),
        (Pattern::Contains("r_2".into()), vec![]),
    ] {
        let listing =
            Listing { matching: vec![(RunColumn::TriggeringUser, pattern.clone())], ..Listing::default() };
        assert_eq!(keys(&reader.list(&listing).await.unwrap().rows), expected, "{pattern:?}");
    }
}
