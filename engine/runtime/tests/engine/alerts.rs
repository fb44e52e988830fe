//! Alerts that people acknowledge: who and when is kept, once, and told in the history.

use crate::world::{World, tester};
use esteira_core::states::TriggeredBy;
use esteira_runtime::{AcknowledgeRequest, Actor, CommandError};
use esteira_store::EventFilter;
use serde_json::{Value, json};

const DAG: &str = "{dag_id: d, tasks: {a: {operator: act}}}";

fn request(message_ids: &[&str], note: &str, is_withdrawn: bool, actor: Actor) -> AcknowledgeRequest {
    let message_ids = message_ids.iter().map(|name| (*name).to_owned()).collect();
    AcknowledgeRequest { message_ids, note: note.to_owned(), is_withdrawn, actor }
}

/// Who has acknowledged each, as it is known.
async fn known(world: &World) -> Vec<(String, String, String)> {
    let named = ["one", "two", "three"].map(str::to_owned);
    let mut rows = world.handle().reader().acknowledgements(&named).await.unwrap();
    rows.sort_by(|row, other| row.message_id.cmp(&other.message_id));
    rows.into_iter().map(|row| (row.message_id, row.acknowledged_by, row.note)).collect()
}

fn row(message_id: &str, name: &str, note: &str) -> (String, String, String) {
    (message_id.to_owned(), name.to_owned(), note.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_first_has_acknowledged_and_the_history_tells_it_once() {
    let world = World::with(DAG).await;
    let handle = world.handle();
    let ana = || Actor::new("ana", TriggeredBy::Ui);
    assert_eq!(
        handle.acknowledge_alerts(request(&["one", "two", "one"], "seen", false, ana())).await.unwrap(),
        2
    );
    assert_eq!(handle.acknowledge_alerts(request(&["two", "three"], "", false, tester())).await.unwrap(), 1);
    assert_eq!(known(&world).await[..2], [row("one", "ana", "seen"), row("three", &tester().name, "")]);
    assert_eq!(handle.acknowledge_alerts(request(&["one"], "not yet", true, tester())).await.unwrap(), 1);
    assert_eq!(handle.acknowledge_alerts(request(&["one"], "", true, tester())).await.unwrap(), 0);
    assert_eq!(known(&world).await, [row("three", &tester().name, ""), row("two", "ana", "seen")]);

    let filter = EventFilter { name: Some("alert.".to_owned()), ..EventFilter::default() };
    let mut events = handle.reader().events(&filter, 10).await.unwrap().rows;
    events.reverse();
    let told: Vec<(&str, &str, Value)> = events
        .iter()
        .map(|event| (event.name.as_str(), event.actor.as_str(), serde_json::from_str(&event.body).unwrap()))
        .collect();
    assert_eq!(told.len(), 4);
    assert_eq!(told[0], ("alert.acknowledged", "ana", json!({"message_id": "one", "note": "seen"})));
    assert_eq!(told[3], ("alert.reopened", &*tester().name, json!({"message_id": "one", "note": "not yet"})));
    world.is_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_no_alert_or_writes_a_novel_is_refused() {
    let world = World::with(DAG).await;
    let (long, novel) = ("x".repeat(256), "x".repeat(501));
    for (message_ids, note) in
        [(vec![], ""), (vec![""], ""), (vec![long.as_str()], ""), (vec!["one"], novel.as_str())]
    {
        let refused = world.handle().acknowledge_alerts(request(&message_ids, note, false, tester())).await;
        assert!(matches!(refused, Err(CommandError::Invalid(_))), "{message_ids:?} {refused:?}");
    }
    assert_eq!(known(&world).await, []);
}
