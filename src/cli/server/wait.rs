//! Follows a run to its end. The server tells each change of its state in a line of JSON (`…/dagRuns/{run_id}/wait`), so
//! nothing is polled; a connection that breaks meanwhile is made anew.

use super::answer::{self, Trouble};
use super::patience::{ASK_AGAIN, Patience};
use super::{ANSWER_TIME, Server};
use crate::cli::Failure;
use esteira_core::states::RunState;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// How long one answer is listened to. A run may take days, and what is between here and there may forget a connection that
/// says nothing without telling either end.
const LISTEN_MAX: Duration = Duration::from_secs(600);

impl Server {
    /// The run as it ended.
    pub(crate) async fn ended_run(&self, dag_id: &str, run_id: &str) -> Result<Value, Failure> {
        let mut patience = Patience::default();
        loop {
            let told = match self.listen(dag_id, run_id).await {
                Ok(true) => {
                    self.ask(Method::GET, self.url(&["dags", dag_id, "dagRuns", run_id], &[]), None).await
                }
                broken_off => broken_off.map(|_| Value::Null),
            };
            match told {
                // Somebody may have cleared it since; then it has not ended.
                Ok(run) if is_over(&run) => return Ok(run),
                Ok(_) => {
                    patience = Patience::default();
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Err(trouble) if patience.bears(&trouble).await => {}
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }

    /// Listens until the run is over; false if the answer broke off before.
    async fn listen(&self, dag_id: &str, run_id: &str) -> Result<bool, Trouble> {
        // Airflow's servers poll so often; Esteira's wants the parameter, and tells each change at once.
        let interval = [("interval", "1".to_owned())];
        let url = self.url(&["dags", dag_id, "dagRuns", run_id, "wait"], &interval);
        let request = self.request(Method::GET, url).timeout(LISTEN_MAX).send();
        let mut response = match tokio::time::timeout(ANSWER_TIME, request).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Trouble::unreachable(self.address(), &error)),
            Err(_) => return Err(Trouble::silent(self.address())),
        };
        if !response.status().is_success() {
            return answer::read(self.address(), response).await.map(|_| false);
        }
        let mut text = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            text.extend_from_slice(&chunk);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                if is_of_the_end(&line) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Whether a line tells that the run is over.
fn is_of_the_end(line: &[u8]) -> bool {
    serde_json::from_slice(line).is_ok_and(|line| is_over(&line))
}

fn is_over(run: &Value) -> bool {
    run["state"].as_str().and_then(RunState::from_label).is_some_and(RunState::is_terminal)
}

#[cfg(test)]
mod tests {
    use super::is_of_the_end;

    #[test]
    fn only_a_line_with_a_last_state_is_the_end() {
        let lines = [
            "{\"state\": \"queued\"}\n",
            "{\"state\": \"running\"}\n",
            "half a l",
            "{\"state\": \"success\"}\n",
        ];
        assert_eq!(lines.map(|line| is_of_the_end(line.as_bytes())), [false, false, false, true]);
    }
}
