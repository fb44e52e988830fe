//! A mapped task in one mark: what a person should know first of all its instances.

use super::Mark;
use crate::tn;
use esteira_core::states::TaskInstanceState;

/// The state to show for several, the one that asks for attention first.
pub(crate) fn state_among(
    states: impl Iterator<Item = Option<TaskInstanceState>>,
) -> Option<TaskInstanceState> {
    use TaskInstanceState as S;
    let rank = |state: Option<S>| match state {
        Some(S::Failed) => 0,
        Some(S::UpstreamFailed) => 1,
        Some(S::UpForRetry) => 2,
        Some(S::Running | S::Restarting) => 3,
        Some(S::AwaitingInput) => 4,
        Some(S::UpForReschedule | S::Deferred) => 5,
        Some(S::Queued | S::Scheduled) => 6,
        None => 7,
        Some(S::Success) => 8,
        Some(S::Skipped | S::Removed) => 9,
    };
    states.min_by_key(|state| rank(*state)).flatten()
}

/// `3 instances: 2 success, 1 failed`. States may come several times, each with how many are in it.
pub(crate) fn counts(states: impl Iterator<Item = (Option<TaskInstanceState>, u64)>) -> String {
    let mut counts: Vec<(&'static str, u64)> = Vec::new();
    for (state, more) in states {
        let label = Mark::of_instance(state).word();
        match counts.iter_mut().find(|(known, _)| *known == label) {
            Some((_, count)) => *count += more,
            None => counts.push((label, more)),
        }
    }
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let parts: Vec<String> = counts.iter().map(|(label, count)| format!("{count} {label}")).collect();
    format!("{}: {}", tn(total, "1 instance", "{} instances"), parts.join(", "))
}
