//! What it costs the server that many clients follow what happens: the time that it has a core while it is followed,
//! beside the same load without.

use super::site::Site;
use super::triggers::Load;
use super::{millis, quantile};
use anyhow::{Result, ensure};
use reqwest::Response;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How many clients follow.
const STREAMS: usize = 500;

/// A run leaves 33 events: this makes about 100 a second.
const RUNS_PER_SECOND: f64 = 3.0;

/// How long the load goes on before it is measured, and while it is.
const WARM: Duration = Duration::from_secs(2);
const WATCHED: Duration = Duration::from_secs(20);

pub(super) async fn measure(site: &Site) -> Result<()> {
    let without = under_load(site, None).await?;
    site.settle().await?;
    let mut streams = Streams::open(site).await?;
    site.settle().await?;
    let with = under_load(site, Some(&streams)).await?;
    streams.ensure_open()?;
    println!(
        "a stream is open after               {:>8.1} ms (median of {STREAMS})",
        millis(streams.opened_after)
    );
    println!(
        "{STREAMS} open streams                     {:>8.1} % of one core more; wanted: under 5 %",
        (with.share - without.share) * 100.0
    );
    println!(
        "    without: {:.1} % at {:.0} events a second; with: {:.1} % at {:.0} events a second, {:.1} % of them read by each",
        without.share * 100.0,
        without.events,
        with.share * 100.0,
        with.events,
        with.read * 100.0
    );
    Ok(())
}

/// What was seen of the server in one go.
struct Seen {
    /// The share of one core that it had.
    share: f64,
    /// Events a second.
    events: f64,
    /// How many of the events each stream has read.
    read: f64,
}

async fn under_load(site: &Site, streams: Option<&Streams>) -> Result<Seen> {
    let read = || streams.map_or(0, |streams| streams.read.load(Ordering::Relaxed));
    let load = Load::start(site, RUNS_PER_SECOND);
    tokio::time::sleep(WARM).await;
    let (begun, events, cpu, read_before) =
        (Instant::now(), site.event_count().await?, site.cpu_time()?, read());
    tokio::time::sleep(WATCHED).await;
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), site.cpu_time()? - cpu);
    let (events, read) = (site.event_count().await? - events, read() - read_before);
    let fault = load.stop().fault;
    ensure!(fault.is_none(), "a run was refused: {}", fault.unwrap_or_default());
    Ok(Seen {
        share: cpu / seconds,
        events: events as f64 / seconds,
        read: read as f64 / (events * STREAMS as u64) as f64,
    })
}

/// Clients that follow; they leave when this is dropped.
struct Streams {
    clients: JoinSet<()>,
    read: Arc<AtomicU64>,
    /// How long one took to open; the median.
    opened_after: Duration,
}

impl Streams {
    async fn open(site: &Site) -> Result<Self> {
        let (mut clients, read) = (JoinSet::new(), Arc::<AtomicU64>::default());
        let mut times = Vec::new();
        for _ in 0..STREAMS {
            let begun = Instant::now();
            let response = site.open("/api/events").await?;
            times.push(begun.elapsed());
            clients.spawn(follow(response, Arc::clone(&read)));
        }
        times.sort();
        Ok(Self { clients, read, opened_after: quantile(&times, 0.5) })
    }

    /// No client may have been left alone.
    fn ensure_open(&mut self) -> Result<()> {
        ensure!(self.clients.try_join_next().is_none(), "a stream has ended");
        Ok(())
    }
}

/// Reads a stream and counts its messages, which end with an empty line each.
async fn follow(mut response: Response, read: Arc<AtomicU64>) {
    let mut last = b'\n';
    while let Ok(Some(chunk)) = response.chunk().await {
        let mut messages = 0;
        for byte in chunk.iter().copied() {
            messages += u64::from(byte == b'\n' && last == b'\n');
            last = byte;
        }
        read.fetch_add(messages, Ordering::Relaxed);
    }
}
