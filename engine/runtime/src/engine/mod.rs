//! Starting and stopping the engine.
//!
//! The parts of the loop: [`main_loop`] waits and takes turns, [`turn`] collects what a turn makes durable,
//! [`commands`], [`reruns`], [`resting`], [`answers`], [`xcoms`], [`removals`], [`folder`], [`schedules`], [`assets`] and [`backfills`] are what a turn may be about,
//! [`latest_version`] moves a run to another version of its DAG, [`expansions`] gives mapped tasks their
//! instances, [`queue`] says which runs may begin, [`pools`] which instances, [`past`] and [`waits`] what these wait for
//! besides, [`deadlines`] when runs are to be over, [`notifications`] who is told of what, [`secrets`] are variables and connections,
//! [`accounts`] users, [`recovery`] is the first turn of all.

mod accounts;
mod alerts;
mod answers;
mod assets;
mod backfills;
mod commands;
mod deadlines;
mod expansions;
mod folder;
mod latest_version;
mod live;
mod main_loop;
mod notifications;
mod past;
mod pools;
mod queue;
mod recovery;
mod removals;
mod reruns;
mod resting;
mod schedules;
mod secrets;
mod turn;
mod waits;
mod xcoms;

pub use accounts::change_account;
pub(crate) use backfills::BackfillChange;
pub(crate) use commands::created_body;
pub use secrets::change_secret;

use crate::accounts::Accounts;
use crate::dag_folder::{DagFolder, FolderChange};
use crate::executor::{Executor, Tools};
use crate::handle::Handle;
use crate::home::{self, Home};
use crate::logs::Logs;
use crate::vault::Vault;
use esteira_core::catalog::Catalog;
use esteira_operator::{Masker, Registry};
use esteira_store::{StoreError, XCOM_SIZE_MAX, open_reader, open_writer};
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How many attempts run at the same time unless configured otherwise (Airflow's `parallelism`).
pub const PARALLELISM: usize = 32;

/// Where people find the pages unless configured otherwise.
const BASE_URL: &str = "http://localhost:8080";

/// How many notices a subscriber may fall behind before it is told that it missed some.
const NOTICES: usize = 8_192;

/// How many commands may wait for the loop.
const COMMANDS: usize = 1_024;

/// What an engine is started with.
pub struct Options {
    /// Where all state lives; held for as long as the engine runs.
    pub home: Home,
    /// The folder of DAG files.
    pub dags: PathBuf,
    /// The operators.
    pub registry: Arc<Registry>,
    /// Variables and connections, and the secrets that no log may show.
    pub vault: Arc<Vault>,
    /// How many attempts run at the same time.
    pub parallelism: usize,
    /// Where people find the pages, for notifications: `http://localhost:8080`.
    pub base_url: String,
    /// The largest XCom value, in bytes of JSON text.
    pub xcom_size_max: usize,
    /// Whether the folder is watched and schedules start runs. A foreground run of one DAG does neither.
    pub is_serving: bool,
}

impl Options {
    /// The usual ones.
    pub fn new(home: Home, dags: PathBuf, registry: Arc<Registry>, masker: Arc<Masker>) -> Self {
        let vault = Arc::new(Vault::empty(masker, home.root()));
        Self {
            home,
            dags,
            registry,
            vault,
            parallelism: PARALLELISM,
            base_url: BASE_URL.to_owned(),
            xcom_size_max: XCOM_SIZE_MAX,
            is_serving: true,
        }
    }
}

/// Why an engine does not start or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The DAG folder is missing or cannot be read.
    #[error("the DAG folder {} cannot be read: {source}", path.display())]
    DagFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A bug: the loop decided what its own rules forbid, or panicked.
    #[error("the engine stopped by a bug of its own: {0}")]
    Bug(String),
}

/// A running engine.
pub struct Engine {
    handle: Handle,
    stop: CancellationToken,
    main_loop: JoinHandle<Result<(), EngineError>>,
    home: Arc<Home>,
}

impl Engine {
    /// Starts an engine on a home: goes on with the runs that were under way, loads the DAG folder, and is ready
    /// for commands when this returns.
    pub async fn start(options: Options) -> Result<Self, EngineError> {
        let database = home::database(options.home.root());
        let writer = open_writer(&database).await?;
        let reader = open_reader(&database).await?;
        let vault = Arc::clone(&options.vault);
        vault.load(&reader).await?;
        let accounts = Arc::new(Accounts::default());
        accounts.load(&reader).await?;
        let (notices, _) = broadcast::channel(NOTICES);
        let (commands, command_inbox) = mpsc::channel(COMMANDS);
        let (reports, report_inbox) = mpsc::unbounded_channel();
        let (folder_changes, folder_inbox) = mpsc::channel(1);
        let dags = Arc::new(RwLock::default());
        let started_at = turn::now();
        let handle = Handle {
            commands,
            notices: notices.clone(),
            reader: reader.clone(),
            logs: Logs::new(&home::logs(options.home.root())),
            dags,
            vault: Arc::clone(&vault),
            accounts: Arc::clone(&accounts),
            started_at,
            ended: CancellationToken::new(),
        };
        let tools = tools(&options, &handle);
        let catalog: Arc<dyn Catalog + Send + Sync> = options.registry;
        let mut folder = DagFolder::new(options.dags.clone(), Arc::clone(&catalog));
        let first_look =
            folder.look().map_err(|source| EngineError::DagFolder { path: options.dags, source })?;
        let stop = CancellationToken::new();
        // The loop reads through a connection of its own: a slow page must not hold it up.
        let loop_reader = open_reader(&database).await?;
        let mut main_loop = main_loop::MainLoop::new(main_loop::Parts {
            writer,
            reader: loop_reader,
            catalog,
            told: reports.clone(),
            executor: Executor::new(tools, reports),
            parallelism: options.parallelism,
            notices,
            dags: Arc::clone(&handle.dags),
            vault,
            accounts,
            is_serving: options.is_serving,
            stop: stop.clone(),
        })
        .await?;
        main_loop.recover(first_look).await?;
        if options.is_serving {
            tokio::spawn(folder.watch(folder_changes, stop.clone()));
        }
        let inboxes =
            main_loop::Inboxes { commands: command_inbox, reports: report_inbox, folder: folder_inbox };
        let ended = handle.ended.clone();
        let main_loop = tokio::spawn(async move {
            // However the loop ends, whoever follows a run must hear of it.
            let _guard = ended.drop_guard();
            main_loop.run(inboxes).await
        });
        Ok(Self { handle, stop, main_loop, home: Arc::new(options.home) })
    }

    /// The door to it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Its home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Waits until the engine stops by itself, which it does only for a fault.
    pub async fn failed(&mut self) -> EngineError {
        match (&mut self.main_loop).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => EngineError::Bug("the loop ended".to_owned()),
            Err(panic) => EngineError::Bug(panic.to_string()),
        }
    }

    /// Stops: attempts that run are told to end and recorded as lost, so that the next start tries them again
    /// without using up their retries. Returns when everything is durable.
    pub async fn stop(self) -> Result<(), EngineError> {
        self.stop.cancel();
        self.main_loop.await.map_err(|panic| EngineError::Bug(panic.to_string()))?
    }
}

fn tools(options: &Options, handle: &Handle) -> Tools {
    Tools {
        registry: Arc::clone(&options.registry),
        reader: handle.reader.clone(),
        logs: handle.logs.clone(),
        masker: Arc::clone(handle.vault.masker()),
        vault: Arc::clone(&handle.vault),
        notices: handle.notices.clone(),
        engine_mark: engine_mark(&options.home),
        xcom_size_max: options.xcom_size_max,
        commands: handle.commands.downgrade(),
        dags: Arc::clone(&handle.dags),
        base_url: options.base_url.clone(),
    }
}

/// What marks the child processes of this engine: the home, so that the next engine on it finds those of the last,
/// and the process, so that it spares its own.
pub fn engine_mark(home: &Home) -> String {
    format!("{}/{}", home_mark(home), std::process::id())
}

/// What marks the child processes of every engine on this home.
pub fn home_mark(home: &Home) -> String {
    // A copy of a home has its id, and children of its own.
    let place = crate::source_hash(&home.root().to_string_lossy());
    format!("esteira-{}-{}", home.id(), &place[..8])
}

/// A change of the folder that is still to be looked at.
type FolderInbox = mpsc::Receiver<FolderChange>;

/// Instants are kept in microseconds; what is in memory must be what will be read back.
pub(crate) fn to_micros(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}
