//! What issue-sized folders and mapped tasks cost: 10,000 mapped instances beside 10,000 static tasks, 1,000 DAG files,
//! 100 DAGs that are due at the same time.

use crate::process;
use crate::world::World;
use anyhow::{Result, ensure};
use esteira_runtime::Notice;
use esteira_store::RunRow;
use jiff::Timestamp;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const MAPPED: usize = 10_000;
const FILES: usize = 1_000;
const DUE: usize = 100;

pub(crate) async fn measure() -> Result<()> {
    // The mapped tasks first: the peak of memory is that of the process so far.
    let mapped = mapped().await?;
    let peak = process::peak_memory(std::process::id())?;
    let alone = fixed().await?;
    println!(
        "{MAPPED} mapped instances    {mapped:>10.0} /s, {:.2} of the rate of {MAPPED} static tasks ({alone:.0} /s); wanted: 0.5",
        mapped / alone
    );
    println!("    peak memory             {peak:>10.1} MB; wanted: under 200 MB");
    folder().await?;
    due_together().await
}

async fn mapped() -> Result<f64> {
    let numbers: Vec<String> = (0..MAPPED).map(|number| number.to_string()).collect();
    let yaml = format!(
        "dag_id: mapped\nmax_active_tasks: 32\nmax_map_length: {MAPPED}\ntask_groups:\n  each:\n    expand: {{n: [{}]}}\n    \
         tasks: {{one: {{operator: empty}}}}\ntasks: {{after: {{operator: empty, depends_on: each}}}}\n",
        numbers.join(", ")
    );
    let world = World::with(&yaml).await?;
    let run = world.run("mapped").await?;
    let rows = world.engine.handle().reader().instances(run.run_key).await?;
    ensure!(
        rows.len() == MAPPED + 1 && rows.iter().all(|row| row.try_number == 1),
        "not every instance ran once"
    );
    world.engine.stop().await?;
    rate(&run)
}

async fn fixed() -> Result<f64> {
    let mut yaml = String::from(
        "dag_id: fixed\nmax_active_tasks: 32\ntasks:\n  after: {operator: empty, depends_on: each}\n",
    );
    yaml.push_str("task_groups:\n  each:\n    tasks:\n");
    for task in 0..MAPPED {
        writeln!(yaml, "      t{task}: {{operator: empty}}")?;
    }
    let world = World::with(&yaml).await?;
    let run = world.run("fixed").await?;
    world.engine.stop().await?;
    rate(&run)
}

/// Task instances a second from a run's start to its end.
fn rate(run: &RunRow) -> Result<f64> {
    let (Some(start), Some(end)) = (run.started_at, run.ended_at) else {
        anyhow::bail!("the run has no end")
    };
    Ok(MAPPED as f64 / end.duration_since(start).as_secs_f64())
}

fn usual(dag_id: &str, text: &str) -> String {
    format!(
        "dag_id: {dag_id}\ndescription: {text}\nschedule: \"@daily\"\nis_paused_upon_creation: true\ntasks:\n  \
         a: {{operator: bash, with: {{bash_command: 'echo {{{{ run_id }}}}'}}}}\n  \
         b: {{operator: bash, depends_on: a, with: {{bash_command: \"echo {{{{ ti.xcom_pull('a') }}}}\"}}}}\n  \
         c: {{operator: empty, depends_on: [a, b]}}\n"
    )
}

async fn folder() -> Result<()> {
    let files: Vec<(String, String)> =
        (0..FILES).map(|n| (format!("dag_{n}.yaml"), usual(&format!("dag_{n}"), "first"))).collect();
    let begin = Instant::now();
    let world = World::serving(&files).await?;
    let loaded = begin.elapsed();
    ensure!(world.engine.handle().dags().len() == FILES, "not every file was loaded");
    println!(
        "{FILES} DAG files loaded      {:>10.0} ms, the engine's start included; wanted: under 1 s",
        millis(loaded)
    );
    let mut times = Vec::new();
    for round in 0..20 {
        let mut notices = world.engine.handle().subscribe();
        let dag_id = format!("dag_{}", round * 37 % FILES);
        let begin = Instant::now();
        world.write(&format!("{dag_id}.yaml"), &usual(&dag_id, &format!("round {round}")))?;
        loop {
            if let Notice::Event(event) = notices.recv().await?
                && event.name == "dag.version_added"
                && event.dag_id == dag_id
            {
                break;
            }
        }
        times.push(begin.elapsed());
    }
    times.sort();
    println!(
        "a changed file is live after {:>7.0} ms (median of 20), {:.0} ms (slowest); wanted: under 200 ms",
        millis(times[times.len() / 2]),
        millis(times[times.len() - 1])
    );
    world.engine.stop().await?;
    Ok(())
}

async fn due_together() -> Result<()> {
    // Due at the next full minute or half minute, all at once.
    let dag = |n: usize| format!("dag_id: due_{n}\nschedule: every 10s\ntasks: {{a: {{operator: empty}}}}\n");
    let files: Vec<(String, String)> = (0..DUE).map(|n| (format!("due_{n}.yaml"), dag(n))).collect();
    let world = World::serving(&files).await?;
    let mut notices = world.engine.handle().subscribe();
    let mut late = Vec::new();
    while late.len() < DUE {
        let Notice::Event(event) = notices.recv().await? else { continue };
        if event.name == "run.started" {
            // It is told of once it is durable.
            let told = Timestamp::now();
            let run = world.engine.handle().reader().run(&event.dag_id, &event.run_id).await?;
            let due = run.map_or(event.at, |run| run.run_after);
            late.push(told.duration_since(due));
        }
    }
    late.sort();
    println!(
        "{DUE} DAGs due together: the last starts {:.0} ms after it is due; wanted: under 200 ms",
        late[DUE - 1].as_secs_f64() * 1_000.0
    );
    world.engine.stop().await?;
    Ok(())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
