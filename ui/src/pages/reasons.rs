//! Why the task instances that a page shows are not running, as the engine tells it.

use crate::AppState;
use crate::gantt::Place;
use esteira_runtime::WaitingPlace;
use esteira_store::RunRow;
use std::collections::HashMap;
use std::time::Duration;

/// How long a page waits for the engine to say why; after that it shows what the database knows.
const PATIENCE: Duration = Duration::from_millis(250);

/// The reasons of these instances of a run that has not ended, by task and map index. What has the map index -1 stands for all
/// instances of its task: it has the reason of the first that waits.
pub(super) async fn of(
    state: &AppState,
    run: &RunRow,
    places: impl Iterator<Item = Place>,
) -> HashMap<Place, String> {
    if run.state.is_terminal() {
        return HashMap::new();
    }
    let places: Vec<Place> = places.collect();
    let named = |(task_id, map_index): &Place| -> WaitingPlace {
        (task_id.as_str().into(), (*map_index >= 0).then_some(*map_index))
    };
    let asked = places.iter().map(named).collect();
    let told = state.handle.why_these_wait(run.dag_id.clone(), run.run_id.clone(), asked);
    // An engine that does not answer says so elsewhere.
    let reasons = tokio::time::timeout(PATIENCE, told).await.ok().and_then(Result::ok).unwrap_or_default();
    places.into_iter().zip(reasons).filter_map(|(place, reason)| Some((place, reason?))).collect()
}
