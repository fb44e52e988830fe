//! What the API's lists and the pages take: each alone, and all together at a steady rate while runs go on. The rate is kept
//! however late the answers are, so what one request waits for another counts. A page is made before its first byte is
//! sent, so that the whole answer stands for the first byte.

use super::history::{self, Past, RUNS};
use super::site::Site;
use super::triggers::Load;
use super::{millis, quantile};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Addresses that are measured together, with `{dag}` and `{run}` for those of a sample.
pub(super) struct Set {
    /// What they are.
    pub(super) name: &'static str,
    pub(super) routes: &'static [&'static str],
    /// How many are asked for in a second.
    pub(super) rate: usize,
    /// What 99 of 100 answers are wanted under, in milliseconds.
    pub(super) wanted: u32,
    /// Whether they are asked for compressed, as a browser does.
    pub(super) is_compressed: bool,
}

/// The lists of the API.
pub(super) const LISTS: Set = Set {
    name: "lists",
    routes: &[
        "/api/v2/dags?limit=50",
        "/api/v2/dags/{dag}/dagRuns?limit=50&order_by=-start_date",
        "/api/v2/dags/~/dagRuns?limit=50&order_by=-start_date",
        "/api/v2/dags/~/dagRuns?state=failed&limit=50",
        "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances",
        "/api/v2/dags/~/dagRuns/~/taskInstances?limit=50",
        "/api/v2/dags/~/dagRuns/~/taskInstances?state=failed&limit=50&order_by=-start_date",
        "/api/v2/eventLogs?limit=50",
        "/api/v2/dagStats",
        "/api/v2/dagTags",
        "/api/v2/pools",
        "/api/v2/variables",
        "/api/v2/importErrors",
        "/api/v2/assets",
        "/api/v2/dags/{dag}/dagVersions",
        "/api/v2/dags/{dag}/tasks",
        "/api/v2/backfills?dag_id={dag}",
    ],
    rate: 200,
    wanted: 20,
    is_compressed: false,
};

/// How many runs are asked about in turn.
const SAMPLES: usize = 50;

/// How often a list is asked for alone.
const ALONE: usize = 10;

/// For how many seconds all are asked for in turn.
const SECONDS: usize = 20;

/// How many runs begin in a second meanwhile.
const RUNS_PER_SECOND: f64 = 5.0;

/// After the last request, how long answers are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A run to ask about.
struct Sample {
    dag_id: String,
    run_id: String,
}

/// An answer that came, or did not.
#[derive(Clone)]
struct Answer {
    took: Duration,
    length: usize,
    fault: Option<String>,
}

/// Asks for each of the set alone, then for all while runs begin.
pub(super) async fn measure(site: &Site, past: &Past, set: &Set) -> Result<()> {
    let samples = samples(site, past).await?;
    let mut alone = Vec::new();
    for route in set.routes {
        alone.push(one_by_one(site, &samples, (route, set.is_compressed)).await?);
    }
    let round: Duration = alone.iter().map(|answer| answer.took).sum();
    println!(
        "{} {}, one after the other        {:>8.1} ms: {:.0} a second",
        set.routes.len(),
        set.name,
        millis(round),
        set.routes.len() as f64 / round.as_secs_f64()
    );
    site.settle().await?;
    let load = Load::start(site, RUNS_PER_SECOND);
    let answers = together(site, &samples, set).await;
    let asked = load.stop();
    print_all(set, &answers);
    print_each(set, &alone, &answers);
    let late = millis(quantile(&asked.times, 0.99));
    println!("    {:<76} {:>9} {late:>9.1}", "(POST) dags/{dag}/dagRuns", "");
    if let Some(fault) = asked.fault {
        println!("    a run was refused: {fault}");
    }
    Ok(())
}

fn print_all(set: &Set, answers: &[Answer]) {
    let times = sorted(answers.iter().map(|answer| answer.took));
    let faults: Vec<&str> = answers.iter().filter_map(|answer| answer.fault.as_deref()).collect();
    println!(
        "{}, {} a second for {SECONDS} s, while {RUNS_PER_SECOND} runs a second begin: p50 {:.1} ms, p99 {:.1} ms, \
         max {:.1} ms; wanted: p99 under {} ms",
        set.name,
        set.rate,
        millis(quantile(&times, 0.5)),
        millis(quantile(&times, 0.99)),
        millis(quantile(&times, 1.0)),
        set.wanted,
    );
    if let Some(first) = faults.first() {
        println!("    {} of {} were not answered well, such as: {first}", faults.len(), answers.len());
    }
}

fn print_each(set: &Set, alone: &[Answer], answers: &[Answer]) {
    println!(
        "    {:<76} {:>9} {:>9} {:>9}",
        "in ms: median alone, p99 of all together", "alone", "together", "KB"
    );
    for (route, alone) in alone.iter().enumerate() {
        let times = sorted(answers.iter().skip(route).step_by(set.routes.len()).map(|answer| answer.took));
        println!(
            "    {:<76} {:>9.1} {:>9.1} {:>9.1}",
            set.routes[route],
            millis(alone.took),
            millis(quantile(&times, 0.99)),
            alone.length as f64 / 1024.0
        );
    }
}

fn sorted(times: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times
}

/// Runs of different DAGs and days.
async fn samples(site: &Site, past: &Past) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for number in 0..SAMPLES {
        let dag_id = history::dag_id(number * 37 % past.dags);
        let path = format!("/api/v2/dags/{dag_id}/dagRuns?limit=1&offset={}", number * 7 % RUNS);
        let answer = site.json(&path).await?;
        let run_id = answer["dag_runs"][0]["dag_run_id"].as_str().map(str::to_owned);
        samples.push(Sample { run_id: run_id.with_context(|| format!("{dag_id} has no run"))?, dag_id });
    }
    Ok(samples)
}

/// The route for a sample.
fn path(route: &str, sample: &Sample) -> String {
    let run_id = sample.run_id.replace('+', "%2B");
    route.replace("{dag}", &sample.dag_id).replace("{run}", &run_id)
}

async fn ask(site: &Site, path: &str, is_compressed: bool, due: Instant) -> Answer {
    let result = if is_compressed { site.length_on_wire(path).await } else { site.length(path).await };
    let took = due.elapsed();
    match result {
        Ok(length) => Answer { took, length, fault: None },
        Err(error) => Answer { took, length: 0, fault: Some(error.to_string()) },
    }
}

/// One when nothing else is asked for: the median answer.
async fn one_by_one(site: &Site, samples: &[Sample], (route, is_compressed): (&str, bool)) -> Result<Answer> {
    let mut answers = Vec::new();
    for sample in samples.iter().cycle().take(ALONE) {
        let path = path(route, sample);
        let answer = ask(site, &path, is_compressed, Instant::now()).await;
        anyhow::ensure!(answer.fault.is_none(), "{}", answer.fault.unwrap_or_default());
        answers.push(answer);
    }
    answers.sort_by_key(|answer| answer.took);
    Ok(answers.swap_remove(ALONE / 2))
}

/// All in turn, each when it is due. The answers are in the order of the requests.
async fn together(site: &Site, samples: &[Sample], set: &Set) -> Vec<Answer> {
    let begun = Instant::now();
    let due = |number: usize| begun + Duration::from_secs_f64(number as f64 / set.rate as f64);
    let mut asked = JoinSet::new();
    for number in 0..set.rate * SECONDS {
        let path =
            path(set.routes[number % set.routes.len()], &samples[number / set.routes.len() % samples.len()]);
        let (site, due, is_compressed) = (site.clone(), due(number), set.is_compressed);
        tokio::time::sleep_until(due.into()).await;
        asked.spawn(async move { (number, ask(&site, &path, is_compressed, due).await) });
    }
    let mut answers = vec![None; set.rate * SECONDS];
    let end = tokio::time::Instant::now() + PATIENCE;
    while let Ok(Some(joined)) = tokio::time::timeout_at(end, asked.join_next()).await {
        // A request cannot panic; if one did, it would count as unanswered.
        if let Ok((number, answer)) = joined {
            answers[number] = Some(answer);
        }
    }
    asked.shutdown().await;
    let missing =
        |number| Answer { took: due(number).elapsed(), length: 0, fault: Some("no answer came".to_owned()) };
    answers
        .into_iter()
        .enumerate()
        .map(|(number, answer)| answer.unwrap_or_else(|| missing(number)))
        .collect()
}
