//! What the API's lists take: each alone, and all together at a steady rate while runs go on. The rate is kept however
//! late the answers are, so what one request waits for another counts.

use super::history::{self, Past, RUNS};
use super::site::Site;
use super::triggers::Load;
use super::{millis, quantile};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The lists, without `/api/v2/`.
const ROUTES: [&str; 17] = [
    "dags?limit=50",
    "dags/{dag}/dagRuns?limit=50&order_by=-start_date",
    "dags/~/dagRuns?limit=50&order_by=-start_date",
    "dags/~/dagRuns?state=failed&limit=50",
    "dags/{dag}/dagRuns/{run}/taskInstances",
    "dags/~/dagRuns/~/taskInstances?limit=50",
    "dags/~/dagRuns/~/taskInstances?state=failed&limit=50&order_by=-start_date",
    "eventLogs?limit=50",
    "dagStats",
    "dagTags",
    "pools",
    "variables",
    "importErrors",
    "assets",
    "dags/{dag}/dagVersions",
    "dags/{dag}/tasks",
    "backfills?dag_id={dag}",
];

/// How many runs are asked about in turn.
const SAMPLES: usize = 50;

/// How often a list is asked for alone.
const ALONE: usize = 10;

/// How many lists are asked for in a second, and for how many seconds.
const RATE: usize = 200;
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

pub(super) async fn measure(site: &Site, past: &Past) -> Result<()> {
    let samples = samples(site, past).await?;
    let mut alone = Vec::new();
    for route in 0..ROUTES.len() {
        alone.push(one_by_one(site, &samples, route).await?);
    }
    let round: Duration = alone.iter().map(|answer| answer.took).sum();
    println!(
        "{} lists, one after the other        {:>8.1} ms: {:.0} a second",
        ROUTES.len(),
        millis(round),
        ROUTES.len() as f64 / round.as_secs_f64()
    );
    site.settle().await?;
    let load = Load::start(site, RUNS_PER_SECOND);
    let answers = together(site, &samples).await;
    let asked = load.stop();
    print_all(&answers);
    print_each(&alone, &answers);
    let late = millis(quantile(&asked.times, 0.99));
    println!("    {:<76} {:>9} {late:>9.1}", "(POST) dags/{dag}/dagRuns", "");
    if let Some(fault) = asked.fault {
        println!("    a run was refused: {fault}");
    }
    Ok(())
}

fn print_all(answers: &[Answer]) {
    let times = sorted(answers.iter().map(|answer| answer.took));
    let faults: Vec<&str> = answers.iter().filter_map(|answer| answer.fault.as_deref()).collect();
    println!(
        "lists, {RATE} a second for {SECONDS} s, while {RUNS_PER_SECOND} runs a second begin: p50 {:.1} ms, p99 {:.1} ms, \
         max {:.1} ms; wanted: p99 under 20 ms",
        millis(quantile(&times, 0.5)),
        millis(quantile(&times, 0.99)),
        millis(quantile(&times, 1.0)),
    );
    if let Some(first) = faults.first() {
        println!("    {} of {} were not answered well, such as: {first}", faults.len(), answers.len());
    }
}

fn print_each(alone: &[Answer], answers: &[Answer]) {
    println!(
        "    {:<76} {:>9} {:>9} {:>9}",
        "in ms: median alone, p99 of all together", "alone", "together", "KB"
    );
    for (route, alone) in alone.iter().enumerate() {
        let times = sorted(answers.iter().skip(route).step_by(ROUTES.len()).map(|answer| answer.took));
        println!(
            "    {:<76} {:>9.1} {:>9.1} {:>9.1}",
            ROUTES[route],
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

/// What the list is asked for by.
fn path(route: usize, sample: &Sample) -> String {
    format!("/api/v2/{}", ROUTES[route]).replace("{dag}", &sample.dag_id).replace("{run}", &sample.run_id)
}

async fn ask(site: &Site, path: &str, due: Instant) -> Answer {
    let result = site.length(path).await;
    let took = due.elapsed();
    match result {
        Ok(length) => Answer { took, length, fault: None },
        Err(error) => Answer { took, length: 0, fault: Some(error.to_string()) },
    }
}

/// A list when nothing else is asked for: the median answer.
async fn one_by_one(site: &Site, samples: &[Sample], route: usize) -> Result<Answer> {
    let mut answers = Vec::new();
    for sample in samples.iter().cycle().take(ALONE) {
        let path = path(route, sample);
        let answer = ask(site, &path, Instant::now()).await;
        anyhow::ensure!(answer.fault.is_none(), "{}", answer.fault.unwrap_or_default());
        answers.push(answer);
    }
    answers.sort_by_key(|answer| answer.took);
    Ok(answers.swap_remove(ALONE / 2))
}

/// All lists in turn, each when it is due. The answers are in the order of the requests.
async fn together(site: &Site, samples: &[Sample]) -> Vec<Answer> {
    let begun = Instant::now();
    let due = |number: usize| begun + Duration::from_secs_f64(number as f64 / RATE as f64);
    let mut asked = JoinSet::new();
    for number in 0..RATE * SECONDS {
        let path = path(number % ROUTES.len(), &samples[number / ROUTES.len() % samples.len()]);
        let (site, due) = (site.clone(), due(number));
        tokio::time::sleep_until(due.into()).await;
        asked.spawn(async move { (number, ask(&site, &path, due).await) });
    }
    let mut answers = vec![None; RATE * SECONDS];
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
