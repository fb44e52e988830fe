//! Puts the parts together: connections, connectors, operators, engine.

use crate::cli::Failure;
use crate::config::Settings;
use esteira_operator::{ConnectionSource, Masker, Registry};
use esteira_runtime::home::{self, Home, HomeError};
use esteira_runtime::{Engine, EngineError, Options, Vault};
use esteira_store::StoreError;
use esteira_tasks::connectors::Connectors;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// What a program of one's own adds its operators to.
pub struct Outside<'a> {
    /// Where they go.
    pub registry: &'a mut Registry,
    /// Where they find services, by the ids of connections.
    pub connections: Arc<dyn ConnectionSource>,
    /// What it is told is shown nowhere.
    pub masker: Arc<Masker>,
}

type Register = Box<dyn Fn(&mut Outside<'_>) + Send + Sync>;

/// What registers further operators; there is one command line in a process, and so one of these.
static OUTSIDE: OnceLock<Register> = OnceLock::new();

/// Keeps what registers further operators, before the command line is read.
pub(crate) fn set_outside(register: Register) {
    // A second call has nothing to say: the first command line is under way.
    let _ = OUTSIDE.set(register);
}

/// What operators need, and the operators.
pub(crate) struct Parts {
    pub(crate) vault: Arc<Vault>,
    pub(crate) connectors: Connectors,
    pub(crate) registry: Arc<Registry>,
}

impl Parts {
    /// The parts for these settings. Nothing is connected to yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        let vault = Arc::new(vault(settings));
        let source: Arc<dyn ConnectionSource> = Arc::<Vault>::clone(&vault);
        let masker = Arc::clone(vault.masker());
        let connectors = Connectors::new(source, masker, home::embedded(&settings.home));
        let mut registry = Registry::new();
        esteira_tasks::operators::register_all(&mut registry, &connectors);
        if let Some(register) = OUTSIDE.get() {
            let (connections, masker) = (Arc::clone(connectors.source()), Arc::clone(vault.masker()));
            register(&mut Outside { registry: &mut registry, connections, masker });
        }
        Self { vault, connectors, registry: Arc::new(registry) }
    }
}

/// Variables and connections as the environment has them; those of the store come when it is read.
pub(crate) fn vault(settings: &Settings) -> Vault {
    let masker = Arc::new(Masker::default());
    Vault::new(masker, settings.connections.clone(), std::env::vars(), settings.keys.clone())
}

/// Takes the home and starts an engine on it.
pub(crate) async fn start_engine(
    settings: &Settings,
    parts: &Parts,
    dags: PathBuf,
    is_serving: bool,
) -> Result<Engine, Failure> {
    let home = open_home(settings)?;
    // What the last engine's attempts started must not run on beside what this engine starts.
    let ended = esteira_tasks::process::reap_marked(&esteira_runtime::home_mark(&home));
    if ended > 0 {
        tracing::warn!(processes = ended, "ended processes that an earlier engine left behind");
    }
    let masker = Arc::clone(parts.vault.masker());
    let mut options = Options::new(home, dags, Arc::clone(&parts.registry), masker);
    options.vault = Arc::clone(&parts.vault);
    options.parallelism = settings.parallelism;
    options.base_url = settings.base_url.clone().unwrap_or_else(|| format!("http://{}", settings.listen));
    options.xcom_size_max = settings.xcom_size_max;
    options.is_serving = is_serving;
    Engine::start(options).await.map_err(engine_failure)
}

pub(crate) fn open_home(settings: &Settings) -> Result<Home, Failure> {
    Home::open(&settings.home).map_err(|error| match &error {
        HomeError::InUse { announcement: Some(announcement), .. } if announcement.url.is_some() => {
            Failure::usage(error.to_string())
                .hint("ask that engine instead: esteira trigger DAG; or choose another home with --home")
        }
        HomeError::InUse { .. } => Failure::usage(error.to_string())
            .hint("wait until it has ended, or choose another home with --home"),
        HomeError::Unusable { .. } => {
            Failure::usage(error.to_string()).hint("choose another home with --home")
        }
    })
}

/// An engine's fault in words for the command line.
pub(crate) fn engine_failure(error: EngineError) -> Failure {
    let failure = Failure::failed(error.to_string());
    match error {
        EngineError::DagFolder { .. } => {
            Failure::usage(error.to_string()).hint("name the folder with --dags DIR, or make it: mkdir dags")
        }
        EngineError::Store(StoreError::DiskFull) => {
            failure.hint("make room on the disk of the home, and start again")
        }
        EngineError::Store(StoreError::Busy) => {
            failure.hint("which other program has the home's database open? end it, and start again")
        }
        EngineError::Store(_) => failure.hint("may this user write to the home, and is its database whole?"),
        EngineError::Bug(_) => {
            failure.hint("nothing that was accepted is lost; please report this with the log")
        }
    }
}
