//! The thirteen trigger rules: what follows for a task from how its direct upstreams ended.
//!
//! Every rule is a function of a few yes-or-no facts about the upstreams ([`Facts`]), and each fact changes at most
//! once as they end. So a rule costs the same for ten upstreams as for ten thousand, and a mapped task looks at all
//! its instances only when a fact has changed.
//!
//! Source: Airflow 3.3, `ti_deps/deps/trigger_rule_dep.py`.

use super::Upstreams;
use serde::{Deserialize, Serialize};
use std::fmt;

crate::states::labelled! {
    /// When a task runs, as its direct upstreams end (Airflow's names).
    TriggerRule {
        /// All have succeeded.
        AllSuccess = "all_success",
        /// All have failed.
        AllFailed = "all_failed",
        /// All have ended, however.
        AllDone = "all_done",
        /// All have ended, none was skipped, and one or more has succeeded.
        AllDoneMinOneSuccess = "all_done_min_one_success",
        /// All have ended, and a setup among them has succeeded: the rule of teardowns.
        AllDoneSetupSuccess = "all_done_setup_success",
        /// One has succeeded; the others are not waited for.
        OneSuccess = "one_success",
        /// One has failed; the others are not waited for.
        OneFailed = "one_failed",
        /// One has succeeded or failed; the others are not waited for.
        OneDone = "one_done",
        /// None has failed.
        NoneFailed = "none_failed",
        /// None has failed, and one or more has succeeded.
        NoneFailedMinOneSuccess = "none_failed_min_one_success",
        /// None was skipped.
        NoneSkipped = "none_skipped",
        /// All were skipped.
        AllSkipped = "all_skipped",
        /// At once.
        Always = "always",
    }
}

/// What a trigger rule says of an instance that has not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not enough upstreams have ended to tell.
    Wait,
    /// It may run.
    Run,
    /// It is skipped.
    Skip,
    /// It will not run, because of an upstream's failure.
    UpstreamFailed,
}

/// What the rules need to know of how the direct upstreams ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// One or more has succeeded.
    pub any_success: bool,
    /// One or more has failed.
    pub any_failed: bool,
    /// One or more did not run because of its own upstreams.
    pub any_upstream_failed: bool,
    /// One or more was skipped.
    pub any_skipped: bool,
    /// One or more is no longer in the DAG.
    pub any_removed: bool,
    /// All have ended.
    pub all_done: bool,
}

impl Facts {
    /// The facts of upstreams of which `needed` tasks must end.
    pub fn new(upstreams: Upstreams, needed: u32) -> Self {
        let counts = upstreams.counts;
        Self {
            any_success: counts.success > 0,
            any_failed: counts.failed > 0,
            any_upstream_failed: counts.upstream_failed > 0,
            any_skipped: counts.skipped > 0,
            any_removed: counts.removed > 0,
            all_done: upstreams.tasks_done >= needed,
        }
    }

    /// The facts of these upstreams and of those together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            any_success: self.any_success || other.any_success,
            any_failed: self.any_failed || other.any_failed,
            any_upstream_failed: self.any_upstream_failed || other.any_upstream_failed,
            any_skipped: self.any_skipped || other.any_skipped,
            any_removed: self.any_removed || other.any_removed,
            all_done: self.all_done && other.all_done,
        }
    }

    fn any_failure(self) -> bool {
        self.any_failed || self.any_upstream_failed
    }
}

impl TriggerRule {
    /// What follows for an instance with upstreams like these. One without upstreams always runs; the caller sees to
    /// that. Setups among the upstreams of a teardown are `setups`, none for any other task.
    pub fn verdict(self, facts: Facts, setups: Option<Facts>) -> Verdict {
        match self {
            Self::AllSuccess => all_success(facts),
            Self::NoneFailed => none_failed(facts),
            Self::NoneFailedMinOneSuccess => none_failed_min_one_success(facts),
            Self::AllFailed => skip_if(facts.any_success || facts.any_skipped, run_if(facts.all_done)),
            Self::AllDone => run_if(facts.all_done),
            Self::AllDoneMinOneSuccess => all_done_min_one_success(facts),
            Self::AllDoneSetupSuccess => all_done_setup_success(facts, setups),
            Self::OneSuccess => one_success(facts),
            Self::OneFailed => one_or_skip(facts.any_failure(), facts),
            Self::OneDone => one_or_skip(facts.any_success || facts.any_failed, facts),
            Self::NoneSkipped => skip_if(facts.any_skipped, run_if(facts.all_done)),
            Self::AllSkipped => skip_if(facts.any_success || facts.any_failure(), run_if(facts.all_done)),
            Self::Always => Verdict::Run,
        }
    }
}

fn run_if(is_met: bool) -> Verdict {
    if is_met { Verdict::Run } else { Verdict::Wait }
}

fn skip_if(is_ruled_out: bool, otherwise: Verdict) -> Verdict {
    if is_ruled_out { Verdict::Skip } else { otherwise }
}

/// A rule that one upstream satisfies, and that all together can rule out.
fn one_or_skip(is_met: bool, facts: Facts) -> Verdict {
    if is_met { Verdict::Run } else { skip_if(facts.all_done, Verdict::Wait) }
}

fn all_success(facts: Facts) -> Verdict {
    if facts.any_failure() {
        Verdict::UpstreamFailed
    } else {
        skip_if(facts.any_skipped, run_if(facts.all_done))
    }
}

fn none_failed(facts: Facts) -> Verdict {
    if facts.any_failure() { Verdict::UpstreamFailed } else { run_if(facts.all_done) }
}

fn none_failed_min_one_success(facts: Facts) -> Verdict {
    match (facts.any_failure(), facts.all_done, facts.any_success) {
        (true, _, _) => Verdict::UpstreamFailed,
        (false, false, _) => Verdict::Wait,
        (false, true, true) => Verdict::Run,
        // All were skipped, or some were and the rest was removed.
        (false, true, false) if facts.any_removed || !facts.any_skipped => Verdict::UpstreamFailed,
        (false, true, false) => Verdict::Skip,
    }
}

fn all_done_min_one_success(facts: Facts) -> Verdict {
    match (facts.any_skipped, facts.all_done, facts.any_success) {
        (true, _, _) => Verdict::Skip,
        (false, false, _) => Verdict::Wait,
        (false, true, true) => Verdict::Run,
        (false, true, false) => Verdict::UpstreamFailed,
    }
}

fn all_done_setup_success(facts: Facts, setups: Option<Facts>) -> Verdict {
    if let Some(setups) = setups.filter(|setups| setups.all_done && !setups.any_success) {
        let is_failure = setups.any_failure();
        return if is_failure { Verdict::UpstreamFailed } else { Verdict::Skip };
    }
    run_if(facts.all_done)
}

fn one_success(facts: Facts) -> Verdict {
    if facts.any_success {
        return Verdict::Run;
    }
    match (facts.all_done, facts.any_failure() || facts.any_removed) {
        (false, _) => Verdict::Wait,
        (true, true) => Verdict::UpstreamFailed,
        (true, false) => Verdict::Skip,
    }
}
