//! When the instances of a run waited and ran: the bars beside the list of tasks. Waiting is drawn apart from
//! running, so that the cause of slowness is seen.

use crate::show::{Mark, duration, mark_of_event, span, state_after};
use crate::t;
use esteira_store::{EventRow, RunRow, TaskInstanceRow};
use jiff::Timestamp;
use std::collections::HashMap;

/// The width of the whole run, in the units of the picture.
const WIDTH: f64 = 1000.0;

/// A stretch of time shorter than this would not be seen.
const WIDTH_MIN: f64 = 3.0;

/// A part of a bar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    /// `wait`, or the name of the state that the attempt ended in (`running` while it goes on).
    pub(crate) kind: &'static str,
    pub(crate) x: f64,
    pub(crate) width: f64,
    pub(crate) title: String,
}

/// The time that the bars cover.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    start: Timestamp,
    end: Timestamp,
    now: Timestamp,
}

/// A task's name, which no version changes, and the map index.
pub(crate) type Place = (String, i32);

impl Window {
    /// From the run's beginning to its end, or to now.
    pub(crate) fn of_run(run: &RunRow, now: Timestamp) -> Self {
        let start = run.started_at.unwrap_or(run.queued_at);
        Self { start, end: run.ended_at.unwrap_or(now).max(start), now }
    }

    /// How long it is.
    pub(crate) fn length(&self) -> String {
        duration(span(self.start, self.end))
    }

    /// Points of the axis: places in thousandths of the width, and the time since the beginning there.
    pub(crate) fn ticks(&self) -> Vec<(u32, String)> {
        let whole = span(self.start, self.end);
        (0..=4u32).map(|part| (part * 250, duration(whole * i32::try_from(part).unwrap_or(0) / 4))).collect()
    }

    fn x(&self, at: Timestamp) -> f64 {
        let whole = span(self.start, self.end).as_secs_f64();
        if whole == 0.0 { 0.0 } else { (span(self.start, at).as_secs_f64() / whole * WIDTH).min(WIDTH) }
    }

    fn piece(&self, kind: &'static str, word: &str, start: Timestamp, end: Timestamp) -> Piece {
        let width = (self.x(end) - self.x(start)).max(if kind == "wait" { 0.0 } else { WIDTH_MIN });
        let x = self.x(start).min(WIDTH - width);
        Piece { kind, x, width, title: format!("{word} {}", duration(span(start, end))) }
    }

    /// The bars of all instances from the run's events: every attempt and every wait.
    pub(crate) fn bars(&self, events: &[EventRow]) -> HashMap<Place, Vec<Piece>> {
        let mut bars: HashMap<Place, Vec<Piece>> = HashMap::new();
        let mut since: HashMap<Place, (Timestamp, bool)> = HashMap::new();
        for event in events {
            let Some(mark) = state_after(event).filter(|_| !event.task_id.is_empty()) else { continue };
            let place = (event.task_id.clone(), event.map_index);
            let bar = bars.entry(place.clone()).or_default();
            match since.remove(&place) {
                Some((start, true)) => {
                    let outcome = mark_of_event(event).unwrap_or(mark);
                    bar.push(self.piece(outcome.name, outcome.word(), start, event.at));
                }
                Some((start, false)) => bar.push(self.piece("wait", t("waited"), start, event.at)),
                None => {}
            }
            match mark.name {
                "running" => since.insert(place, (event.at, true)),
                "scheduled" | "up_for_retry" => since.insert(place, (event.at, false)),
                _ => None,
            };
        }
        for (place, (start, is_running)) in since {
            let kind = if is_running { ("running", t("running for")) } else { ("wait", t("waiting for")) };
            bars.entry(place).or_default().push(self.piece(kind.0, kind.1, start, self.now.min(self.end)));
        }
        bars
    }

    /// The bar of an instance's newest attempt only, for runs that are too large for all their events.
    pub(crate) fn newest_bar(&self, instance: &TaskInstanceRow) -> Vec<Piece> {
        let mark = Mark::of_instance(instance.state);
        let until = |at: Option<Timestamp>| at.unwrap_or(self.end);
        let waited =
            instance.scheduled_at.map(|at| self.piece("wait", t("waited"), at, until(instance.started_at)));
        let ran =
            instance.started_at.map(|at| self.piece(mark.name, mark.word(), at, until(instance.ended_at)));
        waited.into_iter().chain(ran).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seconds: i64, name: &str, body: &str) -> EventRow {
        EventRow {
            seq: seconds,
            at: Timestamp::from_second(seconds).unwrap(),
            name: name.to_owned(),
            run_key: Some(1),
            dag_id: "d".into(),
            run_id: "r".into(),
            task_id: "t".into(),
            task_index: Some(0),
            map_index: -1,
            try_number: 1,
            actor: "engine".into(),
            via: "engine".into(),
            body: body.into(),
            hash: String::new(),
        }
    }

    #[test]
    fn every_attempt_and_every_wait_is_a_piece() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let window = Window { start: at(0), end: at(100), now: at(100) };
        let events = [
            event(0, "task.scheduled", ""),
            event(10, "task.started", ""),
            event(30, "task.failed", r#"{"error":{},"retry_at":1}"#),
            event(50, "task.scheduled", ""),
            event(50, "task.started", ""),
        ];
        let bars = window.bars(&events);
        let pieces: Vec<(&str, f64, f64)> =
            bars[&("t".to_owned(), -1)].iter().map(|piece| (piece.kind, piece.x, piece.width)).collect();
        assert_eq!(
            pieces,
            [
                ("wait", 0.0, 100.0),
                ("up_for_retry", 100.0, 200.0),
                ("wait", 300.0, 200.0),
                ("wait", 500.0, 0.0),
                ("running", 500.0, 500.0)
            ]
        );
    }

    #[test]
    fn an_attempt_that_went_with_the_engine_is_told_and_waits_again() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let window = Window { start: at(0), end: at(100), now: at(100) };
        let events = [
            event(0, "task.started", ""),
            event(20, "task.interrupted", ""),
            event(40, "task.started", ""),
            event(60, "task.lost", r#"{"again":true}"#),
            event(70, "task.started", ""),
            event(90, "task.succeeded", ""),
        ];
        let bars = window.bars(&events);
        let pieces: Vec<(&str, f64, &str)> = bars[&("t".to_owned(), -1)]
            .iter()
            .map(|piece| (piece.kind, piece.x, piece.title.as_str()))
            .collect();
        assert_eq!(
            pieces,
            [
                ("lost", 0.0, "interrupted 20.0 s"),
                ("wait", 200.0, "waited 20.0 s"),
                ("lost", 400.0, "lost 20.0 s"),
                ("wait", 600.0, "waited 10.0 s"),
                ("success", 700.0, "success 20.0 s")
            ]
        );
    }
}
