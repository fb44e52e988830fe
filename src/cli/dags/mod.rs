//! `esteira dags`: what there is to run.

mod drawing;
mod elsewhere;
mod graph;
mod knowledge;
mod list;
mod pause;
mod preview;
mod show;
mod webhook;

pub(crate) use knowledge::{Knowledge, KnownDag};

use super::Failure;
use crate::config::Settings;
use clap::Subcommand;
use std::process::ExitCode;

#[derive(Subcommand, Debug)]
pub(crate) enum DagsCommand {
    /// List the DAGs with their schedules and their last runs
    List(list::ListArguments),
    /// Show a DAG: its facts, its params, its tasks, its last runs
    Show(show::ShowArguments),
    /// Draw a DAG as text, or write it for Graphviz or Mermaid
    Graph(graph::GraphArguments),
    /// List the runs that the schedule of a DAG will start
    Preview(preview::PreviewArguments),
    /// Make a secret with which others can start runs of a DAG, or take it away
    Webhook(webhook::WebhookArguments),
    /// Pause a DAG: its schedule starts no runs
    Pause(pause::PauseArguments),
    /// Let the schedule of a DAG start runs again
    Unpause(pause::PauseArguments),
}

pub(crate) async fn dags(settings: &Settings, command: DagsCommand) -> Result<ExitCode, Failure> {
    match command {
        DagsCommand::List(arguments) => list::list(settings, arguments).await?,
        DagsCommand::Show(arguments) => show::show(settings, &arguments).await?,
        DagsCommand::Graph(arguments) => graph::graph(settings, &arguments).await?,
        DagsCommand::Preview(arguments) => preview::preview_runs(settings, &arguments).await?,
        DagsCommand::Webhook(arguments) => webhook::webhook(settings, &arguments).await?,
        DagsCommand::Pause(arguments) => pause::set_paused(settings, &arguments, true).await?,
        DagsCommand::Unpause(arguments) => pause::set_paused(settings, &arguments, false).await?,
    }
    Ok(ExitCode::SUCCESS)
}
