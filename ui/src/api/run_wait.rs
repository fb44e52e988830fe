//! `GET …/dagRuns/{run_id}/wait`: a line of JSON with the run's state at once, and one whenever it changes, until the run
//! is over; the last one has the results of the tasks that `result` names. Airflow polls every `interval` seconds; here
//! nothing is polled, and the parameter is only checked.

use super::dag_runs;
use super::error::{ApiError, Fault};
use super::path::Path;
use super::query::Pairs;
use crate::AppState;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use esteira_core::states::RunState;
use esteira_runtime::Notice;
use esteira_store::{RunKey, RunRow};
use futures::stream;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

pub(super) async fn wait(
    State(state): State<AppState>,
    Path((dag_id, run_id)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Response, ApiError> {
    let interval = pairs.parsed::<f64>("interval", "float_parsing", "Input should be a valid number")?;
    if interval.is_none_or(|interval| interval <= 0.0) {
        let (kind, message) = match interval {
            None => ("missing", "Field required"),
            Some(_) => ("greater_than", "Input should be greater than 0"),
        };
        return Err(ApiError::invalid(vec![Fault::of("query", "interval", kind, message, json!(interval))]));
    }
    let notices = state.handle.subscribe();
    let run = dag_runs::find(&state, &dag_id, &run_id).await?;
    let results: Vec<String> = pairs.all("result").map(str::to_owned).collect();
    let follower = Follower { state, notices, run_key: run.run_key, results, told: None, is_over: false };
    let lines = stream::unfold(follower, |mut follower| async move {
        let line = follower.next().await?;
        Some((Ok::<_, Infallible>(line), follower))
    });
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((kind, Body::from_stream(lines)).into_response())
}

/// Follows one run.
struct Follower {
    state: AppState,
    notices: Receiver<Notice>,
    run_key: RunKey,
    results: Vec<String>,
    told: Option<RunState>,
    is_over: bool,
}

impl Follower {
    /// The next line; none once the run is over, or gone.
    async fn next(&mut self) -> Option<String> {
        while !self.is_over {
            let run = self.state.handle.reader().run_by_key(self.run_key).await.ok().flatten()?;
            if self.told != Some(run.state) {
                self.told = Some(run.state);
                self.is_over = run.state.is_terminal();
                return Some(format!("{}\n", self.line(&run).await));
            }
            self.changed().await?;
        }
        None
    }

    /// Waits for an event of the run.
    async fn changed(&mut self) -> Option<()> {
        loop {
            match self.notices.recv().await {
                Ok(Notice::Event(event)) if event.run_key == Some(self.run_key) => return Some(()),
                Ok(_) => {}
                // What was missed may have been the end.
                Err(RecvError::Lagged(_)) => return Some(()),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn line(&self, run: &RunRow) -> Value {
        let mut line = json!({ "state": run.state });
        if run.state.is_terminal() && !self.results.is_empty() {
            let mut results = Map::new();
            for task_id in &self.results {
                let reader = self.state.handle.reader();
                let value = reader.xcom_value(run.run_key, task_id, -1, "return_value").await.ok().flatten();
                let value = value.map(|value| self.state.handle.vault().masker().mask_json(value));
                results.insert(task_id.clone(), value.unwrap_or_default());
            }
            line["results"] = Value::Object(results);
        }
        line
    }
}
