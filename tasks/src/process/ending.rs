//! Ends all processes of an attempt: its group, and those that left the group.

use super::marks;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::process::Child;
use tokio::time::Instant;

const LOOK_PERIOD: Duration = Duration::from_millis(20);
/// After SIGKILL processes go at once, save those that hang in the kernel; these are not waited for longer.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// All processes of an attempt. Dropped before they have ended, it kills them.
pub(super) struct Family {
    /// The child's group; none once it is empty, since its number may then become another's.
    group: Option<Pid>,
    mark: String,
    ended: bool,
}

impl Family {
    /// The processes that a child leads.
    pub(super) fn new(leader: Option<u32>, mark: String) -> Self {
        let group = leader.and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        Self { group, mark, ended: false }
    }

    /// Ends all that is left: SIGTERM to what is there at first, and SIGKILL to all after the grace. Gives how many processes were found outside the
    /// child itself, where they can be counted. The child, while it has not been waited for, is waited for here.
    pub(super) async fn end(&mut self, mut child: Option<&mut Child>, grace: Duration) -> usize {
        let mut found = BTreeSet::new();
        let mut told = false;
        let started = Instant::now();
        loop {
            if let Some(waited) = &mut child
                && matches!(waited.try_wait(), Ok(Some(_)))
            {
                child = None;
            }
            let left = self.look().await;
            if child.is_none() && left.is_empty() && self.group.is_none() {
                break;
            }
            let elapsed = started.elapsed();
            if elapsed > grace + KILL_PATIENCE {
                break;
            }
            if elapsed >= grace {
                self.signal(&left, Signal::SIGKILL, true);
            } else if !told {
                // SIGTERM is for once, and for who is there now: what comes later may be started to tidy up.
                self.signal(&left, Signal::SIGTERM, true);
                told = true;
            }
            found.extend(left);
            tokio::time::sleep(LOOK_PERIOD.min(grace.saturating_sub(elapsed)).max(Duration::from_millis(1)))
                .await;
        }
        self.ended = true;
        found.len()
    }

    /// The living processes that carry the mark; notices when the group is empty.
    async fn look(&mut self) -> Vec<i32> {
        let (mark, group) = (self.mark.clone(), self.group);
        // Looking through /proc takes a few milliseconds on a busy machine.
        let looking =
            tokio::task::spawn_blocking(move || (marks::marked(&mark), group.filter(|group| lives(*group))));
        // It ends early only when the runtime does, and then nothing is left to be done here.
        let (marked, group) = looking.await.unwrap_or_default();
        self.group = group;
        marked.into_iter().map(Pid::as_raw).collect()
    }

    /// Sends a signal to processes, and to the group too. One that has just ended is no fault.
    fn signal(&self, processes: &[i32], signal: Signal, with_group: bool) {
        if let (Some(group), true) = (self.group, with_group) {
            let _ = killpg(group, signal);
        }
        for process in processes {
            let process = Pid::from_raw(*process);
            // Those of the group have just heard it.
            let in_group =
                with_group && self.group.is_some() && nix::unistd::getpgid(Some(process)).ok() == self.group;
            if !in_group {
                let _ = kill(process, signal);
            }
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.group = self.group.filter(|group| lives(*group));
        let left: Vec<i32> = marks::marked(&self.mark).into_iter().map(Pid::as_raw).collect();
        self.signal(&left, Signal::SIGKILL, true);
    }
}

/// Whether a group has a living member. The kernel counts those that have ended and were not waited for, which may
/// stay for ever where process 1 does not do its duty; they are not living.
fn lives(group: Pid) -> bool {
    killpg(group, None) != Err(Errno::ESRCH) && marks::has_living_member(group)
}
