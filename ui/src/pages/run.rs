//! Finding a run by its address.

use crate::AppState;
use crate::error_pages::PageError;
use esteira_store::RunRow;

/// The run of this name; an error page when there is none.
pub(super) async fn find(state: &AppState, dag_id: &str, run_id: &str) -> Result<RunRow, PageError> {
    let run = state.handle.reader().run(dag_id, run_id).await?;
    run.ok_or_else(|| {
        PageError::not_found(format!("DAG \"{dag_id}\" has no run \"{run_id}\""))
            .hint("the list of runs shows those that there are")
    })
}
