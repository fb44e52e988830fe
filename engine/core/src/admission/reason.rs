//! Why an instance that is scheduled does not start, in one sentence.

use std::fmt;

/// Why an instance that is scheduled does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// All slots of the engine are held.
    EngineIsFull {
        /// How many there are.
        slots: usize,
    },
    /// As many instances of its run are running as may.
    RunIsFull {
        /// How many.
        max: u32,
    },
    /// As many instances of its task are running as may, over all runs.
    TaskIsFull {
        /// How many.
        max: u32,
    },
    /// As many instances of its task are running in its run as may.
    TaskIsFullInRun {
        /// How many.
        max: u32,
    },
    /// Its pool has fewer free slots than it needs.
    PoolIsFull {
        /// The pool.
        pool: String,
        /// How many slots it has.
        slots: u32,
        /// How many of them nobody holds.
        free: u32,
        /// How many are needed.
        needed: u32,
    },
    /// Its pool will never have as many slots as it needs.
    PoolIsTooSmall {
        /// The pool.
        pool: String,
        /// How many slots it has.
        slots: u32,
        /// How many are needed.
        needed: u32,
    },
    /// Its pool does not exist.
    NoSuchPool {
        /// The pool.
        pool: String,
    },
    /// It could start, but others come before it.
    NotItsTurn {
        /// Its pool.
        pool: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EngineIsFull { slots } => {
                write!(formatter, "all {slots} slots of the engine are in use (parallelism)")
            }
            Self::RunIsFull { max } => {
                write!(formatter, "{}, as many as max_active_tasks allows", running(*max, "its run"))
            }
            Self::TaskIsFull { max } => {
                write!(formatter, "{}, as many as max_active_tis_per_dag allows", running(*max, "its task"))
            }
            Self::TaskIsFullInRun { max } => write!(
                formatter,
                "{} in this run, as many as max_active_tis_per_dagrun allows",
                running(*max, "its task")
            ),
            Self::PoolIsFull { pool, slots: 1, free: 0, .. } => {
                write!(formatter, "the only slot of the pool \"{pool}\" is in use")
            }
            Self::PoolIsFull { pool, slots, free: 0, .. } => {
                write!(formatter, "all {slots} slots of the pool \"{pool}\" are in use")
            }
            Self::PoolIsFull { pool, slots, free, needed } => write!(
                formatter,
                "it needs {needed} slots of the pool \"{pool}\", and {free} of {slots} are free; they are kept for it"
            ),
            Self::PoolIsTooSmall { pool, slots, needed } => write!(
                formatter,
                "it needs {needed} slots of the pool \"{pool}\", which has {slots}: it can never start, unless the pool \
                 grows (esteira pools set {pool} {needed})"
            ),
            Self::NoSuchPool { pool } => {
                write!(formatter, "there is no pool \"{pool}\": make it with esteira pools set {pool} 8")
            }
            Self::NotItsTurn { pool } => {
                write!(
                    formatter,
                    "others come before it in the pool \"{pool}\", and it starts when it is its turn"
                )
            }
        }
    }
}

fn running(count: u32, of: &str) -> String {
    match count {
        1 => format!("1 task instance of {of} is running"),
        count => format!("{count} task instances of {of} are running"),
    }
}
