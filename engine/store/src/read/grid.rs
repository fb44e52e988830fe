//! What a grid shows: for each run and task, how many instances are in which state.

use super::{Reader, label};
use crate::error::StoreError;
use crate::rows::RunKey;
use esteira_core::ids::TaskId;
use esteira_core::states::TaskInstanceState;
use sqlx::Row;
use std::collections::HashMap;

/// A task in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GridCell {
    /// The run's number.
    pub run_key: RunKey,
    /// The task.
    pub task_id: TaskId,
    /// Whether it is mapped, so that it may have any number of instances.
    pub is_mapped: bool,
    /// Each state that instances are in, and how many are: one, unless the task is mapped.
    pub states: Vec<(Option<TaskInstanceState>, u64)>,
}

// What stands between a task and its state, and between one task and the next: no name has them.
const FIELD: char = '\t';
const LINE: char = '\n';

impl Reader {
    /// The cells of these runs, in no order that matters.
    ///
    /// A grid has tens of thousands of cells. Those of a run come as one text, since a row each costs more than all else.
    pub async fn grid_cells(&self, run_keys: &[RunKey]) -> Result<Vec<GridCell>, StoreError> {
        let keys = serde_json::json!(run_keys).to_string();
        let mut cells = self.cells_of_tasks(&keys).await?;
        cells.extend(self.cells_of_mapped_tasks(&keys).await?);
        Ok(cells)
    }

    async fn cells_of_tasks(&self, keys: &str) -> Result<Vec<GridCell>, StoreError> {
        let rows = sqlx::query(
            "SELECT run_key, group_concat(task_id || char(9) || ifnull(state, ''), char(10)) \
             FROM task_instance WHERE run_key IN (SELECT value FROM json_each(?1)) AND map_index < 0 GROUP BY run_key",
        )
        .bind(keys)
        .fetch_all(&self.pool)
        .await?;
        let mut names = HashMap::new();
        let mut cells = Vec::new();
        for row in &rows {
            let run_key: RunKey = row.get(0);
            for line in row.get::<&str, _>(1).split(LINE) {
                let (task_id, state) = line.split_once(FIELD).unwrap_or((line, ""));
                cells.push(GridCell {
                    run_key,
                    task_id: TaskId::clone(names.entry(task_id).or_insert_with(|| TaskId::from(task_id))),
                    is_mapped: false,
                    states: vec![(optional_state(state)?, 1)],
                });
            }
        }
        Ok(cells)
    }

    async fn cells_of_mapped_tasks(&self, keys: &str) -> Result<Vec<GridCell>, StoreError> {
        let rows = sqlx::query(
            "SELECT run_key, task_id, ifnull(state, ''), count(*) FROM task_instance \
             WHERE run_key IN (SELECT value FROM json_each(?1)) AND map_index >= 0 \
             GROUP BY run_key, task_index, state ORDER BY run_key, task_index",
        )
        .bind(keys)
        .fetch_all(&self.pool)
        .await?;
        let mut cells: Vec<GridCell> = Vec::new();
        for row in &rows {
            let (run_key, task_id): (RunKey, &str) = (row.get(0), row.get(1));
            let state = (optional_state(row.get(2))?, row.get::<i64, _>(3).unsigned_abs());
            let same = |cell: &&mut GridCell| cell.run_key == run_key && cell.task_id.as_str() == task_id;
            match cells.last_mut().filter(same) {
                Some(cell) => cell.states.push(state),
                None => {
                    cells.push(GridCell {
                        run_key,
                        task_id: task_id.into(),
                        is_mapped: true,
                        states: vec![state],
                    });
                }
            }
        }
        Ok(cells)
    }
}

/// The state of this label; an empty one is none.
fn optional_state(text: &str) -> Result<Option<TaskInstanceState>, StoreError> {
    (!text.is_empty()).then(|| label(text, TaskInstanceState::from_label)).transpose()
}
