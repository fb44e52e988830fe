//! Processes found by the mark in their environment, wherever they have gone.

use super::MARK;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long processes of a dead engine have between SIGTERM and SIGKILL.
const REAP_GRACE: Duration = Duration::from_secs(2);
/// How long it is tried to be rid of processes that new ones are started by.
const REAP_PATIENCE: Duration = Duration::from_secs(5);
const LOOK_PERIOD: Duration = Duration::from_millis(20);

/// Ends every process of this machine's that carries the mark, or one beneath it: of the mark `engine` also those of
/// `engine/attempt`. SIGTERM, then SIGKILL; blocks until they are gone. Gives how many there were.
///
/// For attempts of an engine that is dead: at the start of the next, and by the watchdog.
pub fn reap_marked(mark: &str) -> usize {
    let mut ended = BTreeSet::new();
    let started = Instant::now();
    loop {
        let found = marked(mark);
        if found.is_empty() || started.elapsed() > REAP_PATIENCE {
            return ended.len();
        }
        // SIGTERM is for once, and for who is there at first: what comes later may be started to tidy up.
        let signal = match (ended.is_empty(), started.elapsed() < REAP_GRACE) {
            (true, true) => Some(Signal::SIGTERM),
            (false, true) => None,
            (_, false) => Some(Signal::SIGKILL),
        };
        for pid in found {
            ended.insert(pid);
            if let Some(signal) = signal {
                // One that has just ended by itself is what is wanted.
                let _ = kill(pid, signal);
            }
        }
        std::thread::sleep(LOOK_PERIOD);
    }
}

/// The living processes that carry the mark, or one beneath it; never this one.
pub(super) fn marked(mark: &str) -> Vec<Pid> {
    // An empty mark would be everyone's.
    if mark.is_empty() {
        return Vec::new();
    }
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id();
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own && carries(*pid, mark))
        .filter_map(|pid| i32::try_from(pid).ok().map(Pid::from_raw))
        .collect()
}

/// Whether a process group has a member that has not ended; true where that cannot be seen.
pub(super) fn has_living_member(group: Pid) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc/") else { return true };
    entries.filter_map(Result::ok).any(|entry| {
        let status = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // "pid (name) state parent group …"; the name may hold anything, brackets too.
        let Some((_, fields)) = status.rsplit_once(')') else { return false };
        let mut fields = fields.split_whitespace();
        let (state, of_group) = (fields.next(), fields.nth(1).and_then(|number| number.parse::<i32>().ok()));
        of_group == Some(group.as_raw()) && !matches!(state, Some("Z" | "X"))
    })
}

/// Whether a process carries the mark. The environment of others' processes, and of those that have ended, cannot be
/// read: they are none of ours.
fn carries(pid: u32, mark: &str) -> bool {
    let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { return false };
    environment.split(|byte| *byte == 0).any(|variable| {
        variable
            .strip_prefix(MARK.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
            .is_some_and(|value| is_of(value, mark))
    })
}

/// Whether a mark is this one or beneath it. `engine/1` is not above `engine/10`.
fn is_of(value: &[u8], mark: &str) -> bool {
    match value.strip_prefix(mark.as_bytes()) {
        Some(rest) => rest.is_empty() || rest.starts_with(b"/") || mark.ends_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_compared_by_their_steps() {
        let table = [
            ("engine/10", "engine/10", true),
            ("engine/10", "engine", true),
            ("engine/10", "engine/", true),
            ("engine/10", "engine/1", false),
            ("engine2/1", "engine", false),
        ];
        for (value, mark, expected) in table {
            assert_eq!(is_of(value.as_bytes(), mark), expected, "{value} {mark}");
        }
        assert!(marked("").is_empty());
    }
}
