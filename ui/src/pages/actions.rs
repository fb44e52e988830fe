//! Required actions: what tasks ask people and nobody has answered yet, and what was answered last (Airflow's name).

use crate::error_pages::PageError;
use crate::frame::{self, Frame, Section, Visitor};
use crate::show::{Instant, count};
use crate::{AppState, links, t};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use esteira_store::{List, Listing, QuestionColumn, QuestionRow};
use jiff::Timestamp;

/// How many questions are listed at most, open ones and others each.
const LENGTH: u32 = 200;
const LENGTH_OF_OTHERS: u32 = 50;

#[derive(Template)]
#[template(path = "actions.html")]
struct ActionsPage {
    frame: Frame,
    open: Vec<Row>,
    /// How many more are open than the list shows; "0" if none.
    more: String,
    others: Vec<Row>,
}

struct Row {
    subject: String,
    /// The page where it is answered.
    url: String,
    task: String,
    dag_id: String,
    dag_url: String,
    run_id: String,
    run_url: String,
    asked: Instant,
    due: Option<Instant>,
    /// What was chosen, and by whom.
    answer: Option<(String, String, Instant)>,
}

pub(crate) async fn page(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    let reader = state.handle.reader();
    let newest = |is_open: bool, limit| Listing {
        any_number: vec![(QuestionColumn::IsOpen, vec![i64::from(is_open)])],
        order: vec![(QuestionColumn::CreatedAt, true)],
        limit,
        ..Listing::default()
    };
    let List { rows: open, total, .. } = reader.list(&newest(true, LENGTH)).await?;
    let total = total.unwrap_or_default();
    let others = reader.list(&newest(false, LENGTH_OF_OTHERS)).await?.rows;
    let now = Timestamp::now();
    let page = ActionsPage {
        frame: visitor.frame(Section::Actions, t("Required actions")).crumb(t("Required actions"), ""),
        more: count(total.saturating_sub(open.len() as u64)),
        open: open.into_iter().map(|row| line(row, now)).collect(),
        others: others.into_iter().map(|row| line(row, now)).collect(),
    };
    Ok(frame::html(&page))
}

fn line(row: QuestionRow, now: Timestamp) -> Row {
    let (dag_id, run_id, task_id) = (row.dag_id.as_str(), row.run_id.as_str(), row.task_id.as_str());
    let page = links::instance(dag_id, run_id, task_id, row.map_index);
    Row {
        url: links::with_query(&page, &[("try", &row.try_number.to_string())]),
        task: match row.map_index {
            -1 => task_id.to_owned(),
            map_index => format!("{task_id} [{map_index}]"),
        },
        dag_url: links::dag(dag_id),
        run_url: links::run(dag_id, run_id),
        dag_id: dag_id.to_owned(),
        run_id: run_id.to_owned(),
        asked: Instant::new(row.created_at, now),
        due: row.due_at.map(|at| Instant::new(at, now)),
        answer: row.answer.map(|answer| {
            let at = Instant::new(answer.responded_at, now);
            (answer.chosen_options.join(", "), answer.responded_by, at)
        }),
        subject: row.question.subject,
    }
}
