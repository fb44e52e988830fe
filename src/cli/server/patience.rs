//! Patience with a server that is away for a while: it is started anew, or the network is.

use super::answer::Trouble;
use crate::cli::output::say;
use std::time::{Duration, Instant};

/// How long a server may be away. Who waits for hours bears that it is replaced by a newer one meanwhile.
const AWAY_MAX: Duration = Duration::from_secs(300);

/// How soon it is asked again.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long a server has been away.
#[derive(Default)]
pub(super) struct Patience {
    away_since: Option<Instant>,
}

impl Patience {
    /// Waits a moment, if what is wrong may pass by itself and has not gone on for too long: then ask again.
    pub(super) async fn bears(&mut self, trouble: &Trouble) -> bool {
        if !trouble.may_pass() {
            return false;
        }
        let since = self.away_since.get_or_insert_with(|| {
            say!("{}; it is asked again, for {} min at the most", trouble.message(), AWAY_MAX.as_secs() / 60);
            Instant::now()
        });
        if since.elapsed() > AWAY_MAX {
            return false;
        }
        tokio::time::sleep(ASK_AGAIN).await;
        true
    }
}
