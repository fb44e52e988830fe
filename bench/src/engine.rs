//! The engine alone: how long from the end of a task to the start of the next, and how many tasks a second, with
//! every event durable; beside what the disk itself takes for a commit.

use crate::world::World;
use anyhow::Result;
use esteira_store::TaskInstanceRow;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

const CHAIN: usize = 1_000;
const FAN: usize = 10_000;

pub(crate) async fn measure() -> Result<()> {
    let sync = sync_time()?;
    println!("one write and sync of this disk      {:>10.3} ms (median of 200)", millis(sync));
    let gap = chain().await?;
    println!(
        "chain of {CHAIN}: end to next start    {:>10.3} ms (median), {:.1} x a sync; wanted: under 1 ms",
        millis(gap),
        gap.as_secs_f64() / sync.as_secs_f64()
    );
    let rate = fan().await?;
    println!(
        "{FAN} side by side                  {rate:>10.0} tasks/s, {:.1} tasks in the time of a sync; wanted: 10,000",
        rate * sync.as_secs_f64()
    );
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The median time from a task's end to the start of the next, in a chain.
async fn chain() -> Result<Duration> {
    let mut yaml = String::from("dag_id: chain\ntasks:\n  t0: {operator: empty}\n");
    for task in 1..CHAIN {
        writeln!(yaml, "  t{task}: {{operator: empty, depends_on: t{}}}", task - 1)?;
    }
    let world = World::with(&yaml).await?;
    let run = world.run("chain").await?;
    let rows = world.engine.handle().reader().instances(run.run_key).await?;
    let starts = rows.iter().filter_map(|row| row.started_at).collect::<Vec<_>>();
    // The next task's start is in the transaction that ends this one; it runs once that is durable. So the gap that a
    // person waits for is from one start to the next, which holds one commit and one whole `empty` attempt.
    let mut gaps: Vec<Duration> = starts
        .windows(2)
        .filter_map(|pair| Duration::try_from(pair[1].duration_since(pair[0])).ok())
        .collect();
    anyhow::ensure!(gaps.len() == CHAIN - 1, "not every task of the chain ran");
    world.engine.stop().await?;
    gaps.sort();
    Ok(gaps[gaps.len() / 2])
}

/// Tasks a second from the run's start to its end, all side by side.
async fn fan() -> Result<f64> {
    let mut yaml = String::from("dag_id: fan\nmax_active_tasks: 32\ntasks:\n");
    for task in 0..FAN {
        writeln!(yaml, "  t{task}: {{operator: empty}}")?;
    }
    let world = World::with(&yaml).await?;
    let run = world.run("fan").await?;
    let rows: Vec<TaskInstanceRow> = world.engine.handle().reader().instances(run.run_key).await?;
    anyhow::ensure!(rows.iter().all(|row| row.try_number == 1), "not every task ran once");
    let (Some(start), Some(end)) = (run.started_at, run.ended_at) else {
        anyhow::bail!("the run has no end")
    };
    world.engine.stop().await?;
    Ok(FAN as f64 / end.duration_since(start).as_secs_f64())
}

/// How long this disk takes to keep one small write.
pub(crate) fn sync_time() -> Result<Duration> {
    let mut file: File = tempfile::tempfile_in(".")?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}
