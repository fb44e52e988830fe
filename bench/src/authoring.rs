//! What people write: sensors that wait, templates that are rendered, secrets that are masked.

use crate::process;
use crate::world::World;
use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use esteira_core::states::TriggeredBy;
use esteira_core::template::{self, Context, MappedValues, PreviousRun, RunFacts, TemplateSource};
use esteira_operator::{Operator, Signature, TaskContext, TaskError, TaskOutput};
use esteira_runtime::{Actor, TriggerRequest};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long sensors are watched while they wait: each is looked at several times.
const WATCHED: Duration = Duration::from_secs(180);

pub(crate) async fn measure() -> Result<()> {
    rendering()?;
    masking().await?;
    waiting(1_000, 0.01).await?;
    waiting(100_000, 0.10).await
}

/// How many sensors one run has.
const SENSORS: usize = 1_000;

/// So many file sensors that are looked at every 60 s, a thousand a run.
async fn waiting(count: usize, share_max: f64) -> Result<()> {
    let runs = count / SENSORS;
    let numbers: Vec<String> = (0..SENSORS).map(|number| number.to_string()).collect();
    let yaml = format!(
        "dag_id: waiting\nmax_active_runs: {runs}\nmax_active_tasks: 32\ntask_groups:\n  each:\n    expand: {{n: [{}]}}\n    \
         tasks: {{wait: {{operator: file_sensor, with: {{filepath: '/nowhere/{{{{ expand.n }}}}', poke_interval: 60s}}}}}}\n",
        numbers.join(", ")
    );
    let this = std::process::id();
    let before = process::memory(this)?;
    let world = World::with(&yaml).await?;
    let handle = world.engine.handle();
    let begun = Instant::now();
    for _ in 0..runs {
        handle.trigger(TriggerRequest::manual("waiting", Actor::new("bench", TriggeredBy::Cli))).await?;
    }
    // Each sensor leaves three events and then no more: all wait when no event comes.
    let (mut seen, mut last_change) = (0, Instant::now());
    while last_change.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let events = handle.reader().event_count().await?;
        if events != seen {
            (seen, last_change) = (events, Instant::now());
        }
    }
    ensure!(seen >= 3 * count as u64, "only {seen} events");
    let until_all = last_change.duration_since(begun);
    let (cpu, clock) = (process::cpu_time(this)?, Instant::now());
    tokio::time::sleep(WATCHED).await;
    let share = (process::cpu_time(this)? - cpu) / clock.elapsed().as_secs_f64();
    println!(
        "{count} waiting sensors   {:>8.2} % of one core; wanted: under {:.0} % (all waited after {until_all:.1?})",
        share * 100.0,
        share_max * 100.0
    );
    println!(
        "    memory                  {:>8.1} MB more; wanted: under 200 MB",
        process::memory(this)? - before
    );
    world.engine.stop().await?;
    Ok(())
}

/// The arguments of a usual task, and a template that would never end.
fn rendering() -> Result<()> {
    let conf = json!({});
    let params = json!({"source": "s3://air-quality/in.csv", "limit": 10});
    let facts = RunFacts {
        dag_id: "air_quality",
        run_id: "scheduled__2024-01-31T09:00:00+00:00",
        run_type: "scheduled",
        logical_date: Some("2024-01-31T09:00:00Z".parse()?),
        data_interval_start: Some("2024-01-30T09:00:00Z".parse()?),
        data_interval_end: Some("2024-01-31T09:00:00Z".parse()?),
        start_date: Some("2024-01-31T09:00:01Z".parse()?),
        conf: &conf,
        params: &params,
        task_id: "load",
        try_number: 1,
        asset_events: &conf,
        map_index: None,
        expanded_ti_count: None,
        outlets: &[],
        expand: None,
    };
    let arguments = json!({
        "bash_command": "load \"$SOURCE\" --day {{ ds }} --limit {{ params.limit }}",
        "env": {"SOURCE": "{{ params.source }}", "COUNT": "{{ ti.xcom_pull('count') }}", "LEVEL": "info"},
        "output": "json",
    });
    const ROUNDS: u32 = 10_000;
    let begin = Instant::now();
    for _ in 0..ROUNDS {
        let variables = template::context_variables(&facts);
        let rendered = template::render(&arguments, &Context { variables, source: Arc::new(Nothing) })?;
        ensure!(rendered["env"]["COUNT"] == 42, "{rendered}");
    }
    let each = begin.elapsed() / ROUNDS;
    println!("a usual task's arguments    {each:>10.1?} to render; wanted: under 50 µs");
    let bombs = [
        "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% set x = 'xxxxxxxxxx' %}{% for a in range(1000000) %}{{ x * 100000 }}{% endfor %}",
        "{{ ('x' * 1000000000) | upper | replace('X', 'YYYYYYYYYYYYYYYYYYYYYYYY') }}",
        "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{{ range(1000000000) | list | length }}",
    ];
    for bomb in bombs {
        let context = Context { variables: template::context_variables(&facts), source: Arc::new(Nothing) };
        let begin = Instant::now();
        let result = template::render(&json!({ "x": bomb }), &context);
        let (took, said) = (begin.elapsed(), result.err().map(|error| error.message));
        println!(
            "    a bomb is stopped       {took:>10.1?}; wanted: under 100 ms ({})",
            said.as_deref().unwrap_or("it was rendered")
        );
    }
    Ok(())
}

struct Nothing;

impl TemplateSource for Nothing {
    fn pull(&self, _: &str, _: &str, _: Option<i32>) -> Result<Option<Value>, String> {
        Ok(Some(json!(42)))
    }

    fn pull_all(&self, _: &str, _: &str) -> Result<Option<Arc<dyn MappedValues>>, String> {
        Ok(None)
    }

    fn variable(&self, _: &str) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn connection(&self, _: &str) -> Result<Option<Value>, String> {
        Ok(None)
    }

    fn previous_success(&self) -> Result<Option<PreviousRun>, String> {
        Ok(None)
    }
}

/// A log of 100 MB with and without secrets to mask, in turns; the quickest of each counts.
async fn masking() -> Result<()> {
    const ROUNDS: usize = 3;
    let yaml = "dag_id: lines\ntasks: {lines: {operator: lines}}\n";
    let (mut plain, mut masked) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        plain = plain.min(lines(yaml, 0).await?);
        masked = masked.min(lines(yaml, 20).await?);
    }
    println!(
        "masking a log of 100 MB     {:>10.1} % more time with 20 secrets ({masked:.2} s, {plain:.2} s); wanted: under 5 %",
        (masked / plain - 1.0) * 100.0
    );
    Ok(())
}

async fn lines(yaml: &str, secrets: usize) -> Result<f64> {
    let world = World::with(yaml).await?;
    for number in 0..secrets {
        world.masker.add(&format!("correct-horse-{number}-battery"));
    }
    let run = world.run("lines").await?;
    world.engine.stop().await?;
    let (start, end) = run.started_at.zip(run.ended_at).context("the run has no end")?;
    Ok(end.duration_since(start).as_secs_f64())
}

/// Writes a million lines of a hundred bytes into its log.
pub(crate) struct Lines;

#[async_trait]
impl Operator for Lines {
    fn signature(&self) -> Signature {
        Signature { name: "lines", summary: "writes lines", arguments: Vec::new() }
    }

    async fn execute(&self, context: &TaskContext, _: Value) -> Result<TaskOutput, TaskError> {
        let text = "2024-01-31 09:00:00 INFO worker-7 record 123456 co=2.6 no2=113 temperature=13.6 humidity=48.9 ok....";
        for _ in 0..1_000_000 {
            context.info(text);
        }
        Ok(TaskOutput::none())
    }
}
