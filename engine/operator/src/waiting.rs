//! How an attempt waits without a slot: for a time, for a run, or for something that is looked at again and again.

use async_trait::async_trait;
use esteira_core::run::Question;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What an attempt waits for without a slot.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// How long, at the most.
    pub at_most: Duration,
    /// The run whose end ends the wait sooner: its DAG and its name.
    pub run: Option<(String, String)>,
    /// What is looked at meanwhile.
    pub trigger: Option<Trigger>,
    /// What it waits for, in one sentence for people.
    pub reason: String,
    /// What people are asked meanwhile; an answer ends the wait. The history keeps it: no secrets.
    pub question: Option<Question>,
    /// What it wants to be told when it goes on. The history keeps it: no secrets.
    pub state: Value,
}

impl Waiting {
    /// A wait for an answer. The attempt is told `{"answer": …, "state": …}` when it goes on: an
    /// [`esteira_core::run::Answer`], or null if nobody answered in time.
    pub fn for_answer(question: Question, at_most: Duration) -> Self {
        let reason = format!("it waits for an answer: {}", question.subject);
        Self { question: Some(question), ..Self::at_most(at_most, reason) }
    }

    /// A wait for a time, and nothing else.
    pub fn at_most(at_most: Duration, reason: impl Into<String>) -> Self {
        Self { at_most, run: None, trigger: None, reason: reason.into(), question: None, state: Value::Null }
    }
}

/// Something that is looked at, while an attempt waits, at intervals. It costs neither a slot nor a thread, and leaves no
/// trace in the history until it has come (Airflow's triggerer).
///
/// It lives in memory: after a restart the attempt is executed once more, and gives it anew.
#[derive(Clone)]
pub struct Trigger {
    /// The time until the first look.
    pub poke_interval: Duration,
    /// What the interval is multiplied with after each look; 1 keeps it.
    pub growth: f64,
    /// The longest interval.
    pub interval_max: Duration,
    /// What looks.
    pub poke: Arc<dyn Poke>,
}

impl fmt::Debug for Trigger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Trigger").field("poke_interval", &self.poke_interval).finish_non_exhaustive()
    }
}

/// A look at what is waited for.
#[async_trait]
pub trait Poke: Send + Sync {
    /// Looks once. It must not block the thread, and must come to an end by itself.
    async fn poke(&self) -> Poked;
}

/// What a look found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poked {
    /// Nothing yet.
    NotYet,
    /// It has come, or could not be looked at: the attempt goes on, sees for itself, and says so.
    GoOn,
}
