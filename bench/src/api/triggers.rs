//! How soon a run that is asked for begins, and runs that are asked for at a steady rate while something else is
//! measured.

use super::site::Site;
use super::{history, millis, quantile};
use crate::engine::sync_time;
use anyhow::{Context, Result};
use jiff::Timestamp;
use reqwest::Response;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};

/// How many runs are asked for, one after the other.
const TIMES: usize = 200;

/// How long the server is left alone before the next is asked for. Streams gather what comes within a quarter of a second,
/// and are at rest only when nothing has come for that long.
const REST: Duration = Duration::from_millis(600);

/// The DAG that runs.
fn dag_id() -> String {
    history::dag_id(0)
}

/// A name that no other run has, also on a home that is used again.
fn run_id(number: usize) -> String {
    format!("bench_{}_{number}", Timestamp::now().as_microsecond())
}

/// From the sending of the request to the first task's start.
pub(super) async fn measure(site: &Site) -> Result<()> {
    let sync = sync_time()?;
    let mut events = Events::open(site, &format!("/api/events?dag_id={}", dag_id())).await?;
    let (mut begun, mut told, mut answered) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..TIMES {
        let run_id = run_id(number);
        let (sent, clock) = (Timestamp::now(), Instant::now());
        site.trigger(&dag_id(), &run_id).await?;
        answered.push(clock.elapsed());
        let (event, heard) = events.until("task.started", &run_id).await?;
        let at: Timestamp = event["at"].as_str().context("an event without a time")?.parse()?;
        begun.push(Duration::try_from(at.duration_since(sent)).unwrap_or_default());
        told.push(heard.duration_since(clock));
        events.until("run.ended", &run_id).await?;
        tokio::time::sleep(REST).await;
    }
    for times in [&mut begun, &mut told, &mut answered] {
        times.sort();
    }
    println!("one write and sync of this disk      {:>8.2} ms (median of 200)", millis(sync));
    line("trigger to the first task's start", &begun, "by the event's time; wanted: under 5 ms");
    line("    a stream has told of it", &told, "so it is durable");
    line("    the answer is there", &answered, "");
    Ok(())
}

fn line(name: &str, times: &[Duration], remark: &str) {
    println!(
        "{name:<36} {:>8.2} ms (median of {TIMES}), p99 {:.2} ms{}{remark}",
        millis(quantile(times, 0.5)),
        millis(quantile(times, 0.99)),
        if remark.is_empty() { "" } else { ", " }
    );
}

/// A stream of events that is read.
struct Events {
    response: Response,
    unread: Vec<u8>,
    waiting: VecDeque<(Value, Instant)>,
}

impl Events {
    async fn open(site: &Site, path: &str) -> Result<Self> {
        Ok(Self { response: site.open(path).await?, unread: Vec::new(), waiting: VecDeque::new() })
    }

    /// The next event of this name about this run, and when it came. Those before it are passed over.
    async fn until(&mut self, name: &str, run_id: &str) -> Result<(Value, Instant)> {
        loop {
            while let Some((event, heard)) = self.waiting.pop_front() {
                if event["name"] == name && event["run_id"] == run_id {
                    return Ok((event, heard));
                }
            }
            let chunk = self.response.chunk().await?.context("the stream has ended")?;
            let heard = Instant::now();
            self.unread.extend_from_slice(&chunk);
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                if let Some(data) = line.strip_prefix(b"data: ") {
                    self.waiting.push_back((serde_json::from_slice(data)?, heard));
                }
            }
        }
    }
}

/// Runs that are asked for at a steady rate, each when it is due, until that is stopped.
pub(super) struct Load {
    asking: JoinHandle<()>,
    answers: Arc<Mutex<Asked>>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Asked {
    /// From when a run was due to be asked for until it was durable, in order.
    pub(super) times: Vec<Duration>,
    /// Why the first was refused, if one was.
    pub(super) fault: Option<String>,
}

impl Load {
    pub(super) fn start(site: &Site, runs_per_second: f64) -> Self {
        let answers = Arc::<Mutex<Asked>>::default();
        let asking = tokio::spawn(keep_asking(site.clone(), runs_per_second, Arc::clone(&answers)));
        Self { asking, answers }
    }

    /// Stops it.
    pub(super) fn stop(self) -> Asked {
        self.asking.abort();
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut asked = std::mem::take(&mut *answers);
        asked.times.sort();
        asked
    }
}

async fn keep_asking(site: Site, runs_per_second: f64, answers: Arc<Mutex<Asked>>) {
    let begun = Instant::now();
    let mut asked = JoinSet::new();
    for number in 0.. {
        let due = begun + Duration::from_secs_f64(number as f64 / runs_per_second);
        tokio::time::sleep_until(due.into()).await;
        let (site, answers) = (site.clone(), Arc::clone(&answers));
        asked.spawn(async move {
            let result = site.trigger(&dag_id(), &run_id(number)).await;
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.times.push(due.elapsed());
            if let Err(error) = result {
                answers.fault.get_or_insert(error.to_string());
            }
        });
        while asked.try_join_next().is_some() {}
    }
}
