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
    pub(crate) connectors: Connectors,
    pub(crate) masker: Arc<Masker>,
    folder: TempDir,
}

impl World {
    /// An engine with one DAG, on the embedded twins.
    pub(crate) async fn with(yaml: &str) -> Result<Self> {
        Self::connected(yaml, EnvironmentConnections::default()).await
    }

    /// An engine with one DAG and these services.
    pub(crate) async fn connected(yaml: &str, connections: EnvironmentConnections) -> Result<Self> {
        let folder = Self::folder(&[("dag.yaml".to_owned(), yaml.to_owned())])?;
        Self::start(folder, connections, false).await
    }

    fn folder(files: &[(String, String)]) -> Result<TempDir> {
        let folder = tempfile::Builder::new().prefix("esteira-bench").tempdir_in(".")?;
        let dags = folder.path().join("dags");
        std::fs::create_dir(&dags)?;
        for (name, yaml) in files {
            std::fs::write(dags.join(name), yaml)?;
        }
        Ok(folder)
    }

    async fn start(folder: TempDir, connections: EnvironmentConnections, is_serving: bool) -> Result<Self> {
        let (engine, connectors, masker) = engine_in(folder.path(), connections, is_serving).await?;
        Ok(Self { engine, connectors, masker, folder })
    }

    /// An engine that serves a folder of DAG files: it watches them, and their schedules start runs.
    pub(crate) async fn serving(files: &[(String, String)]) -> Result<Self> {
        let folder = Self::folder(files)?;
        Self::start(folder, EnvironmentConnections::default(), true).await
    }

    /// Writes a DAG file.
    pub(crate) fn write(&self, name: &str, yaml: &str) -> Result<()> {
        Ok(std::fs::write(self.folder.path().join("dags").join(name), yaml)?)
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

/// An engine on the home in this folder, with the DAG files beside it.
pub(crate) async fn engine_in(
    folder: &Path,
    connections: EnvironmentConnections,
    is_serving: bool,
) -> Result<(Engine, Connectors, Arc<Masker>)> {
    let home = Home::open(&folder.join("home"))?;
    let masker = Arc::new(Masker::default());
    let connectors = Connectors::new(Arc::new(connections), Arc::clone(&masker), home::embedded(home.root()));
    let mut registry = Registry::new();
    esteira_tasks::operators::register_all(&mut registry, &connectors);
    registry.register(crate::authoring::Lines);
    let mut options = Options::new(home, folder.join("dags"), Arc::new(registry), Arc::clone(&masker));
    options.is_serving = is_serving;
    Ok((Engine::start(options).await?, connectors, masker))
}
