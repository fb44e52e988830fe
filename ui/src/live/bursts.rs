//! What happens, as the text of server-sent events: made once, gathered into bursts, and given to all who listen.
//!
//! After a quiet while, what happens is told at once; what follows within [`SPACING`] is told together. So a busy engine
//! costs each listener a few writes a second, whatever happens meanwhile, and not one for each event.

use crate::show::state_after;
use axum::body::Bytes;
use esteira_runtime::{Notice, ProgressNotice};
use esteira_store::EventRow;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

/// The least time between two bursts.
const SPACING: Duration = Duration::from_millis(250);

/// How many bursts a listener may fall behind before it has to read what it missed.
const BURSTS: usize = 64;

/// One event for listeners.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Its number in the history; none for progress, which is not kept.
    pub(super) seq: Option<i64>,
    pub(super) dag_id: Arc<str>,
    pub(super) run_id: Arc<str>,
    /// As it is sent, with its empty line.
    pub(super) text: Bytes,
}

/// What listeners are told together.
#[derive(Clone, Debug)]
pub(super) enum Burst {
    /// These, in order, and all of them in one text.
    Lines(Vec<Line>, Bytes),
    /// Something was missed on the way: the store has it.
    Gap,
}

/// Where bursts come from. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Bursts(broadcast::Sender<Arc<Burst>>);

impl Bursts {
    /// Gathers what these notices tell, for as long as they do.
    pub(crate) fn gather(notices: broadcast::Receiver<Notice>) -> Self {
        let (sender, _) = broadcast::channel(BURSTS);
        tokio::spawn(run(notices, sender.clone()));
        Self(sender)
    }

    /// Every burst from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Burst>> {
        self.0.subscribe()
    }
}

async fn run(mut notices: broadcast::Receiver<Notice>, bursts: broadcast::Sender<Arc<Burst>>) {
    loop {
        let mut first = Gathered::default();
        if !first.take(notices.recv().await) {
            return;
        }
        first.take_waiting(&mut notices);
        first.send(&bursts);
        // For as long as more comes, it comes together.
        loop {
            let (gathered, is_over) = gather(&mut notices, Instant::now() + SPACING).await;
            let is_quiet = gathered.is_empty();
            gathered.send(&bursts);
            if is_over {
                return;
            }
            if is_quiet {
                break;
            }
        }
    }
}

/// What comes until then, and whether nothing more will.
async fn gather(notices: &mut broadcast::Receiver<Notice>, until: Instant) -> (Gathered, bool) {
    let mut gathered = Gathered::default();
    while let Ok(notice) = timeout_at(until, notices.recv()).await {
        if !gathered.take(notice) {
            return (gathered, true);
        }
    }
    (gathered, false)
}

/// What has come since the last burst.
#[derive(Default)]
struct Gathered {
    notices: Vec<Notice>,
    has_gap: bool,
}

impl Gathered {
    /// Takes a notice; says whether there may be more.
    fn take(&mut self, notice: Result<Notice, RecvError>) -> bool {
        match notice {
            Ok(notice) => self.notices.push(notice),
            Err(RecvError::Lagged(_)) => self.has_gap = true,
            Err(RecvError::Closed) => return false,
        }
        true
    }

    fn is_empty(&self) -> bool {
        self.notices.is_empty() && !self.has_gap
    }

    fn take_waiting(&mut self, notices: &mut broadcast::Receiver<Notice>) {
        while let Ok(notice) = notices.try_recv() {
            self.notices.push(notice);
        }
    }

    fn send(self, bursts: &broadcast::Sender<Arc<Burst>>) {
        // Whoever begins to listen after this look finds in the store what is not told here.
        if bursts.receiver_count() == 0 || self.is_empty() {
            return;
        }
        let burst = if self.has_gap {
            Burst::Gap
        } else {
            let lines = lines(&self.notices);
            let whole = whole(&lines);
            Burst::Lines(lines, whole)
        };
        // That everybody has left meanwhile is no fault.
        let _ = bursts.send(Arc::new(burst));
    }
}

/// All lines in one text.
pub(super) fn whole(lines: &[Line]) -> Bytes {
    match lines {
        [line] => line.text.clone(),
        lines => {
            let mut text = Vec::with_capacity(lines.iter().map(|line| line.text.len()).sum());
            lines.iter().for_each(|line| text.extend_from_slice(&line.text));
            text.into()
        }
    }
}

/// The notices as lines. Of an attempt's progress only the last counts.
fn lines(notices: &[Notice]) -> Vec<Line> {
    let is_same = |one: &ProgressNotice, other: &ProgressNotice| {
        one.run_id == other.run_id
            && one.dag_id == other.dag_id
            && one.task_id == other.task_id
            && one.map_index == other.map_index
    };
    let is_outdone = |place: usize, progress: &ProgressNotice| {
        notices[place + 1..]
            .iter()
            .any(|later| matches!(later, Notice::Progress(later) if is_same(later, progress)))
    };
    notices
        .iter()
        .enumerate()
        .filter_map(|(place, notice)| match notice {
            Notice::Event(event) => Some(of_event(event)),
            Notice::Progress(progress) => (!is_outdone(place, progress)).then(|| of_progress(progress)),
        })
        .collect()
}

/// An event of the history.
pub(super) fn of_event(event: &EventRow) -> Line {
    Line {
        seq: Some(event.seq),
        dag_id: event.dag_id.as_str().into(),
        run_id: event.run_id.as_str().into(),
        text: text("change", Some(event.seq), &as_json(event).to_string()),
    }
}

fn of_progress(progress: &ProgressNotice) -> Line {
    Line {
        seq: None,
        dag_id: progress.dag_id.as_str().into(),
        run_id: progress.run_id.as_str().into(),
        text: text("progress", None, &serde_json::to_string(progress).unwrap_or_default()),
    }
}

/// A server-sent event. Data of JSON has no line breaks.
pub(super) fn text(name: &str, seq: Option<i64>, data: &str) -> Bytes {
    let id = seq.map(|seq| format!("id: {seq}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n").into()
}

/// An event with the state that it leads to, ready to be shown.
fn as_json(event: &EventRow) -> Value {
    let mark = state_after(event);
    json!({
        "seq": event.seq,
        "at": event.at,
        "name": event.name,
        "dag_id": event.dag_id,
        "run_id": event.run_id,
        "task_id": event.task_id,
        "map_index": event.map_index,
        "try_number": event.try_number,
        "actor": event.actor,
        "via": event.via,
        "state": mark.map(|mark| mark.name),
        "label": mark.map(|mark| mark.label),
        "glyph": mark.map(|mark| mark.glyph),
        "body": serde_json::from_str::<Value>(&event.body).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(task_id: &str, done: u64) -> Notice {
        Notice::Progress(Arc::new(ProgressNotice {
            dag_id: "d".into(),
            run_id: "r".into(),
            task_id: task_id.into(),
            map_index: -1,
            try_number: 1,
            done,
            total: None,
            unit: "rows",
        }))
    }

    #[test]
    fn of_progress_only_the_last_is_told() {
        let lines = lines(&[progress("a", 1), progress("b", 1), progress("a", 2)]);
        let told = String::from_utf8(whole(&lines).to_vec()).unwrap();
        assert_eq!(lines.len(), 2);
        assert!(told.contains("\"task_id\":\"a\",\"map_index\":-1,\"try_number\":1,\"done\":2"), "{told}");
        assert!(told.starts_with("event: progress\ndata: {") && told.ends_with("}\n\n"), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_a_quiet_while_is_told_at_once_and_the_rest_together() {
        let (sender, receiver) = broadcast::channel(100);
        let bursts = Bursts::gather(receiver);
        let mut told = bursts.subscribe();
        let start = Instant::now();
        for done in 0..10 {
            sender.send(progress(&done.to_string(), done)).unwrap();
            tokio::task::yield_now().await;
        }
        let mut sizes = Vec::new();
        while sizes.iter().sum::<usize>() < 10 {
            let burst = told.recv().await.unwrap();
            let Burst::Lines(lines, _) = &*burst else { panic!("nothing is missed") };
            if sizes.is_empty() {
                assert_eq!(start.elapsed(), Duration::ZERO);
            }
            sizes.push(lines.len());
        }
        assert!(sizes.len() == 2 && start.elapsed() == SPACING, "{sizes:?} after {:?}", start.elapsed());
    }
}
