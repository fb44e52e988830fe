//! `esteira dags graph`: a DAG as a drawing.

use super::{KnownDag, drawing};
use crate::cli::output::{print, print_json};
use crate::cli::server::ServerArguments;
use crate::cli::{Failure, counted};
use crate::config::Settings;
use clap::Args;
use esteira_core::dag::{Dag, TaskIndex};
use serde_json::json;

#[derive(Args, Debug)]
pub(crate) struct GraphArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// Write it for Graphviz: esteira dags graph DAG --dot | dot -Tsvg
    #[arg(long, conflicts_with_all = ["mermaid", "json"])]
    dot: bool,
    /// Write it for Mermaid
    #[arg(long, conflicts_with = "json")]
    mermaid: bool,
    /// Print one JSON document: tasks and edges
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn graph(settings: &Settings, arguments: &GraphArguments) -> Result<(), Failure> {
    let (known, _) = KnownDag::find(settings, &arguments.server, &arguments.dag_id).await?;
    let dag = &known.dag;
    match arguments {
        GraphArguments { dot: true, .. } => print(dot(dag)),
        GraphArguments { mermaid: true, .. } => print(mermaid(dag)),
        GraphArguments { json: true, .. } => print_json(&document(dag)),
        _ => {
            let levels = drawing::levels(dag);
            let depth = levels.iter().max().map_or(0, |level| level + 1);
            let edges = edges(dag).count();
            print(format_args!(
                "{}: {}, {}, {}",
                dag.dag_id,
                counted(dag.tasks.len(), "task"),
                counted(edges, "edge"),
                counted(depth, "level")
            ))?;
            print("")?;
            print(drawing::draw(dag, &levels))
        }
    }
}

/// Every edge, from the upstream task to the downstream one.
fn edges(dag: &Dag) -> impl Iterator<Item = (TaskIndex, TaskIndex)> + '_ {
    dag.indices()
        .flat_map(|task| dag.graph.downstream(task).iter().map(move |downstream| (task, *downstream)))
}

fn dot(dag: &Dag) -> String {
    let name = |index: TaskIndex| quoted(dag.task(index).task_id.as_str());
    let tasks = dag.indices().map(|index| {
        let operator = quoted(&dag.task(index).operator);
        format!("  {} [tooltip={operator}];\n", name(index))
    });
    let edges = edges(dag).map(|(from, to)| format!("  {} -> {};\n", name(from), name(to)));
    let body: String = tasks.chain(edges).collect();
    format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=rounded];\n{body}}}",
        quoted(dag.dag_id.as_str())
    )
}

/// Names are letters, digits, `_`, `-` and `.`: nothing in them needs more than the quotes.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn mermaid(dag: &Dag) -> String {
    // Mermaid's own ids take neither dots nor words such as `end`.
    let tasks = dag.indices().map(|index| format!("\n  t{}[\"{}\"]", index.0, dag.task(index).task_id));
    let edges = edges(dag).map(|(from, to)| format!("\n  t{} --> t{}", from.0, to.0));
    format!("flowchart LR{}", tasks.chain(edges).collect::<String>())
}

fn document(dag: &Dag) -> serde_json::Value {
    let levels = drawing::levels(dag);
    let tasks: Vec<_> = dag
        .indices()
        .map(|index| {
            let task = dag.task(index);
            json!({ "task_id": task.task_id, "operator": task.operator, "level": levels[index.get()] })
        })
        .collect();
    let edges: Vec<_> = edges(dag)
        .map(|(from, to)| json!({ "from": dag.task(from).task_id, "to": dag.task(to).task_id }))
        .collect();
    json!({ "dag_id": dag.dag_id, "tasks": tasks, "edges": edges })
}
