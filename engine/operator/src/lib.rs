//! The seam to tasks: what an operator is given, what it returns, and where it finds the services it talks to.
//!
//! An operator knows nothing of runs, schedulers or databases. It implements [`Operator`], reads its rendered
//! arguments, speaks through its [`TaskContext`], and returns a [`TaskOutput`] or a [`TaskError`].
#![warn(missing_docs)]

mod arguments;
mod connection;
mod connection_fields;
mod context;
mod door;
mod error;
mod masking;
mod registry;
mod sieve;
mod waiting;

pub use arguments::parse_arguments;
pub use connection::{
    Connection, ConnectionError, ConnectionSource, DEFAULT_IDS, EnvironmentConnections, is_secret_name,
};
pub use connection_fields::ConnectionFields;
pub use context::{Level, Progress, TaskContext, TaskReporter};
pub use door::{EngineDoor, FoundRun, NoEngine, RunAsked};
pub use error::{TaskError, TaskErrorKind};
pub use esteira_core::catalog::{Argument, ArgumentKind, Catalog, Signature};
pub use esteira_core::run::{Answer, Consequence, Follow, Question};
pub use esteira_core::spec::read_params;
pub use masking::Masker;
pub use registry::Registry;
pub use waiting::{Poke, Poked, Trigger, Waiting};

use async_trait::async_trait;
use serde_json::Value;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// How long most operators may take to end once they are told to.
pub const END_GRACE: Duration = Duration::from_secs(15);

/// The code behind a task's `operator:` key. One value serves all attempts, at the same time.
#[async_trait]
pub trait Operator: Send + Sync + 'static {
    /// Its name, its arguments and their types: what `validate` checks, and what help prints.
    fn signature(&self) -> Signature;

    /// A check of a literal argument that goes deeper than its kind. The error is one sentence.
    fn check(&self, _argument: &str, _value: &Value) -> Result<(), String> {
        Ok(())
    }

    /// How long an attempt with these arguments may take to end once `context.cancel` has fired; then its future is
    /// dropped. An operator that gives something else time to end (a child process) needs that time and a little more.
    fn end_grace(&self, _arguments: &Value) -> Duration {
        END_GRACE
    }

    /// Runs one attempt.
    ///
    /// `arguments` is `with:` with every template rendered: an object whose keys the signature names.
    /// When `context.cancel` fires, the operator should end soon; after [`Operator::end_grace`] its future is dropped.
    async fn execute(&self, context: &TaskContext, arguments: Value) -> Result<TaskOutput, TaskError>;
}

/// What runs after the task's result is durable.
pub type AfterCommit = Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send>>;

/// What a successful attempt leaves behind. Its XCom values and its success become durable in one transaction.
#[derive(Default)]
pub struct TaskOutput {
    /// The values for downstream tasks, by key. The result proper is under `return_value`.
    pub xcom: Vec<(String, Value)>,
    /// To be run once the result is durable: an acknowledgement to the outside world (committed offsets). Should
    /// the engine die in between, it is never run, so it must be something that may be lost and done again.
    pub after_commit: Option<AfterCommit>,
    /// Which of the tasks directly after this one go on, for an operator that branches; names of tasks or groups.
    pub follow: Option<Follow>,
    /// What the attempt waits for, if it is not done: it holds no slot meanwhile, and is executed again then, with
    /// [`TaskContext::resumed`]. Nothing else counts then.
    pub wait: Option<Waiting>,
}

impl TaskOutput {
    /// The key of the result proper (Airflow's name).
    pub const RETURN_VALUE: &'static str = "return_value";

    /// Nothing to leave behind.
    pub fn none() -> Self {
        Self::default()
    }

    /// A result under `return_value`; `null` leaves nothing.
    pub fn returning(value: Value) -> Self {
        let xcom = if value.is_null() { Vec::new() } else { vec![(Self::RETURN_VALUE.to_owned(), value)] };
        Self { xcom, ..Self::default() }
    }

    /// The result proper, or null, for an operator that goes on from another's.
    pub fn into_return_value(self) -> Value {
        let found = self.xcom.into_iter().find(|(key, _)| key == Self::RETURN_VALUE);
        found.map_or(Value::Null, |(_, value)| value)
    }

    /// Not done: the attempt waits.
    pub fn waiting(wait: Waiting) -> Self {
        Self { wait: Some(wait), ..Self::default() }
    }

    /// One more value, by key.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: Value) -> Self {
        self.xcom.push((key.into(), value));
        self
    }

    /// Which of the tasks directly after this one go on.
    #[must_use]
    pub fn following(mut self, follow: Follow) -> Self {
        self.follow = Some(follow);
        self
    }

    /// What to run once the result is durable.
    #[must_use]
    pub fn then(
        mut self,
        after_commit: impl Future<Output = Result<(), TaskError>> + Send + 'static,
    ) -> Self {
        self.after_commit = Some(Box::pin(after_commit));
        self
    }
}

impl fmt::Debug for TaskOutput {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.xcom.iter().map(|(key, _)| key).collect();
        formatter.debug_struct("TaskOutput").field("xcom", &keys).finish_non_exhaustive()
    }
}
