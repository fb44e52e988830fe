//! `esteira dags webhook`: a secret with which others can start runs of a DAG. Through the engine that serves the home.

use crate::cli::Failure;
use crate::cli::output::{print, say};
use crate::cli::server::{Server, ServerArguments};
use crate::config::Settings;
use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct WebhookArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// Take the webhook away: no secret starts a run any more
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn webhook(settings: &Settings, arguments: &WebhookArguments) -> Result<(), Failure> {
    let server = Server::find(settings, &arguments.server, "esteira serve starts one")?;
    let dag_id = arguments.dag_id.as_str();
    if arguments.remove {
        server.own("DELETE", &["dags", dag_id, "webhook"]).await?;
        say!("DAG {dag_id} has no webhook any more");
        return Ok(());
    }
    let answer = server.own("PUT", &["dags", dag_id, "webhook"]).await?;
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let (address, path) = (server.address(), text("path"));
    say!(
        "whoever has this secret can start runs of DAG {dag_id}; it is shown this once, and voids the one before:"
    );
    print(text("secret"))?;
    say!("curl -X POST {address}{path} -H 'Authorization: Bearer SECRET' -d '{{\"param\": \"value\"}}'");
    Ok(())
}
