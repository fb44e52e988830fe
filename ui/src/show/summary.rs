//! A mapped task in one mark: what a person should know first of all its instances.

use super::Mark;
use crate::tn;
use esteira_core::states::TaskInstanceState;
use esteira_store::TaskInstanceRow;

/// The state to show for instances in these states, the one that asks for attention first.
pub(crate) fn state_of<'a>(
    instances: impl Iterator<Item = &'a TaskInstanceRow>,
) -> Option<TaskInstanceState> {
    state_among(instances.map(|instance| instance.state))
}

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

/// `3 instances: 2 success, 1 failed`.
pub(crate) fn counts(instances: &[&TaskInstanceRow]) -> String {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for instance in instances {
        let label = Mark::of_instance(instance.state).word();
        match counts.iter_mut().find(|(known, _)| *known == label) {
            Some((_, count)) => *count += 1,
            None => counts.push((label, 1)),
        }
    }
    let parts: Vec<String> = counts.iter().map(|(label, count)| format!("{count} {label}")).collect();
    format!("{}: {}", tn(instances.len() as u64, "1 instance", "{} instances"), parts.join(", "))
}
