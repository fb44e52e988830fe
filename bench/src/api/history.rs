//! A home with a long past: many DAGs, a hundred runs of each, one a day until now, and every event of them.
//!
//! It goes through the store's own writer, so that the hash chain is whole and the summaries are what the events say:
//! `esteira audit verify` finds nothing to complain of.

use super::story::{Course, Story};
use crate::world::engine_in;
use anyhow::{Result, ensure};
use esteira_operator::EnvironmentConnections;
use esteira_runtime::LoadedDag;
use esteira_runtime::home::{self, Home};
use esteira_store::{Batch, Writer, open_writer};
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// How many runs each DAG has.
pub(crate) const RUNS: usize = 100;

/// The time from one run of a DAG to the next.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What stands in the folder of a home that is filled.
const MARK: &str = "filled";

/// How large a home is.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// How many DAGs it has.
    pub(crate) dags: usize,
    /// How many tasks each of them has, one after the other.
    pub(crate) tasks: usize,
}

/// What the home knows of.
pub(crate) struct Past {
    /// How many DAGs there are.
    pub(crate) dags: usize,
}

/// The name of a DAG.
pub(crate) fn dag_id(number: usize) -> String {
    format!("dag_{number:04}")
}

/// The home in this folder; filled, unless it was before.
pub(crate) async fn in_folder(folder: &Path, size: Size) -> Result<Past> {
    let mark = folder.join(MARK);
    if mark.is_file() {
        let dags = fs::read_to_string(mark)?.trim().parse()?;
        println!("{dags} DAGs with {} runs: used again", dags * RUNS);
        return Ok(Past { dags });
    }
    ensure!(!folder.join("home").exists(), "{} was not filled to its end: remove it", folder.display());
    write_dags(&folder.join("dags"), size)?;
    fill(folder).await?;
    fs::write(mark, size.dags.to_string())?;
    Ok(Past { dags: size.dags })
}

fn write_dags(folder: &Path, size: Size) -> Result<()> {
    fs::create_dir_all(folder)?;
    for number in 0..size.dags {
        let mut yaml = format!(
            "dag_id: {}\ndescription: Number {number} of many\ntags: [team_{}]\ntasks:\n  task_0: {{operator: empty}}\n",
            dag_id(number),
            number % 20
        );
        for task in 1..size.tasks {
            writeln!(yaml, "  task_{task}: {{operator: empty, depends_on: task_{}}}", task - 1)?;
        }
        fs::write(folder.join(format!("{}.yaml", dag_id(number))), yaml)?;
    }
    Ok(())
}

async fn fill(folder: &Path) -> Result<()> {
    let dags = load(folder).await?;
    let begun = Instant::now();
    let home = Home::open(&folder.join("home"))?;
    let database = home::database(home.root());
    let mut writer = open_writer(&database).await?;
    // Somewhat earlier than need be, so that the last run is over by now.
    let first = Timestamp::now() - DAY * RUNS as i32 - SignedDuration::from_hours(1);
    let (mut runs, mut instances, mut events) = (0, 0, 0);
    for day in 0..RUNS {
        let batch = one_day(&mut writer, &dags, day, first + DAY * day as i32)?;
        runs += batch.new_runs.len();
        instances += batch.instances.len();
        events += batch.events.len();
        writer.commit(&batch).await?;
    }
    writer.close().await?;
    println!(
        "a home with {} DAGs, {runs} runs, {instances} task instances, {events} events: filled in {:.0} s, {:.0} MB",
        dags.len(),
        begun.elapsed().as_secs_f64(),
        fs::metadata(database)?.len() as f64 / 1_048_576.0
    );
    Ok(())
}

/// Lets an engine make the home, and the DAGs and their versions in it.
async fn load(folder: &Path) -> Result<Vec<Arc<LoadedDag>>> {
    let (engine, ..) = engine_in(folder, EnvironmentConnections::default(), false).await?;
    let dags = engine.handle().dags();
    engine.stop().await?;
    Ok(dags)
}

/// One run of every DAG, one after the other in the course of a day.
fn one_day(writer: &mut Writer, dags: &[Arc<LoadedDag>], day: usize, from: Timestamp) -> Result<Batch> {
    let mut batch = Batch::default();
    let apart = DAY / dags.len() as i32;
    for (place, loaded) in dags.iter().enumerate() {
        let began = Timestamp::from_second((from + apart * place as i32).as_second())?;
        let run_key = writer.next_run_key();
        Story::new(loaded, run_key, (began, course(day, place, loaded.dag.tasks.len())), &mut batch)
            .tell()?;
    }
    Ok(batch)
}

/// Of a hundred runs, eight fail and seven end early, each at a task of its own.
fn course(day: usize, place: usize, tasks: usize) -> Course {
    let at = (day * 37 + place) % tasks;
    match (day * 37 + place * 61) % 100 {
        0..8 => Course::FailsAt(at),
        8..15 => Course::EndsAt(at),
        _ => Course::Smooth,
    }
}
