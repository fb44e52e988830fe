//! A home and an engine for a measurement, thrown away afterwards.

use anyhow::Result;
use esteira_core::states::TriggeredBy;
use esteira_operator::{EnvironmentConnections, Masker, Registry};
use esteira_runtime::home::{self, Home};
use esteira_runtime::{Actor, Engine, Notice, Options, TriggerRequest};
use esteira_store::RunRow;
use esteira_tasks::connectors::Connectors;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// An engine on a home of its own.
pub(crate) struct World {
    pub(crate) engine: Engine,
    _folder: TempDir,
}

impl World {
    /// An engine with one DAG.
    pub(crate) async fn with(yaml: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("esteira-bench").tempdir_in(".")?;
        let dags = folder.path().join("dags");
        std::fs::create_dir(&dags)?;
        std::fs::write(dags.join("dag.yaml"), yaml)?;
        let home = Home::open(&folder.path().join("home"))?;
        let registry = registry(&home::embedded(home.root()))?;
        let mut options = Options::new(home, dags, Arc::new(registry), Arc::new(Masker::default()));
        options.is_serving = false;
        Ok(Self { engine: Engine::start(options).await?, _folder: folder })
    }

    /// Triggers a DAG and waits for its end.
    pub(crate) async fn run(&self, dag_id: &str) -> Result<RunRow> {
        let handle = self.engine.handle();
        let mut notices = handle.subscribe();
        let run =
            handle.trigger(TriggerRequest::manual(dag_id, Actor::new("bench", TriggeredBy::Cli))).await?;
        loop {
            match notices.recv().await {
                Ok(Notice::Event(event))
                    if event.name == "run.ended" && event.run_key == Some(run.run_key) =>
                {
                    break;
                }
                Ok(_) => {}
                // What was missed stands in the database.
                Err(_) => {
                    let row = handle.reader().run_by_key(run.run_key).await?;
                    if row.is_some_and(|row| row.state.is_terminal()) {
                        break;
                    }
                }
            }
        }
        let row = handle.reader().run_by_key(run.run_key).await?;
        row.ok_or_else(|| anyhow::anyhow!("the run is gone"))
    }
}

fn registry(embedded: &Path) -> Result<Registry> {
    let source = Arc::new(EnvironmentConnections::from_variables(std::env::vars())?);
    let connectors = Connectors::new(source, Arc::new(Masker::default()), embedded.to_owned());
    let mut registry = Registry::new();
    esteira_tasks::operators::register_all(&mut registry, &connectors);
    Ok(registry)
}
