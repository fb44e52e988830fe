//! `esteira runs list`.

use super::document;
use crate::cli::Failure;
use crate::cli::output::{print_json, say};
use crate::cli::server::ServerArguments;
use crate::cli::source::Source;
use crate::config::Settings;
use clap::Args;
use clap::builder::PossibleValuesParser;
use esteira_core::states::RunState;
use esteira_store::RunFilter;
use jiff::Timestamp;
use serde_json::{Value, json};

#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    /// Only runs of this DAG
    #[arg(long, short, value_name = "DAG")]
    dag: Option<String>,
    /// Only runs in this state; may be given more than once
    #[arg(long, short, value_name = "STATE", value_parser = PossibleValuesParser::new(RunState::ALL.iter().map(|state| state.as_str())))]
    state: Vec<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn list(settings: &Settings, arguments: ListArguments) -> Result<(), Failure> {
    let source = Source::open(settings, &arguments.server).await?;
    if let Some(dag_id) = &arguments.dag {
        source.check_dag(dag_id).await?;
    }
    let states = arguments.state.iter().filter_map(|state| RunState::from_label(state)).collect();
    let filter = RunFilter { dag_id: arguments.dag, states, ..RunFilter::default() };
    let page = source.runs(&filter, arguments.limit).await?;
    if arguments.json {
        let runs: Vec<Value> = page.rows.iter().map(document).collect();
        return print_json(&json!({ "runs": runs, "has_more": page.has_more }));
    }
    if page.rows.is_empty() {
        say!("no runs{}", if arguments.state.is_empty() { " yet" } else { " in this state" });
        return Ok(());
    }
    super::table(&page.rows, Timestamp::now()).print()?;
    if page.has_more {
        let count = source.run_count(&filter).await?;
        say!("{} more; --limit N shows more of them", count.saturating_sub(page.rows.len() as u64));
    }
    Ok(())
}
