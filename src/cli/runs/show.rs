//! `esteira runs show`: one run with its tasks.

use super::{by, document};
use crate::cli::output::{Facts, Ink, Mark, Table, harmless, paint, print, print_json, right, say};
use crate::cli::server::{AT_ONCE, ServerArguments};
use crate::cli::source::Source;
use crate::cli::{Failure, times};
use crate::config::Settings;
use clap::Args;
use comfy_table::Cell;
use esteira_core::states::TaskInstanceState;
use esteira_store::{AttemptRow, NotificationRow, RunRow, TaskInstanceRow};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};

#[derive(Args, Debug)]
pub(crate) struct ShowArguments {
    /// The DAG's name
    #[arg(value_name = "DAG")]
    dag_id: String,
    /// The run's name, or `latest`
    #[arg(value_name = "RUN")]
    run_id: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

/// A task instance and its attempts that have ended.
type Instance = (TaskInstanceRow, Vec<AttemptRow>);

pub(crate) async fn show(settings: &Settings, arguments: &ShowArguments) -> Result<(), Failure> {
    let source = Source::open(settings, &arguments.server).await?;
    let run = source.run(&arguments.dag_id, &arguments.run_id).await?;
    let instances = instances(&source, &run).await?;
    let notifications = source.notifications(&run).await?;
    if arguments.json {
        let tasks: Vec<Value> = instances.iter().map(task_document).collect();
        let mut document = document(&run);
        document["tasks"] = Value::Array(tasks);
        // A server does not tell of them, which is not the same as that there are none.
        document["notifications"] =
            notifications.map_or(Value::Null, |rows| rows.iter().map(notification_document).collect());
        return print_json(&document);
    }
    let now = Timestamp::now();
    print(format_args!(
        "{} {}",
        paint(Ink::Strong, run.dag_id.as_str()),
        paint(Ink::Strong, run.run_id.as_str())
    ))?;
    print("")?;
    facts(&run, now).print()?;
    print("")?;
    table(&instances, now).print()?;
    for (instance, attempts) in &instances {
        print_errors(instance, attempts)?;
    }
    if let Some(notifications) = notifications.filter(|rows| !rows.is_empty()) {
        print("")?;
        notification_table(&notifications).print()?;
    }
    if !run.state.is_terminal() && source.is_at_rest() {
        say!("no engine runs in this home: the run goes on when one does (esteira serve)");
    }
    Ok(())
}

async fn instances(source: &Source, run: &RunRow) -> Result<Vec<Instance>, Failure> {
    let with_attempts = |instance: TaskInstanceRow| async move {
        let attempts = source.attempts(run, &instance).await?;
        Ok::<Instance, Failure>((instance, attempts))
    };
    let instances = source.instances(run).await?;
    stream::iter(instances).map(with_attempts).buffered(AT_ONCE).try_collect().await
}

fn task_document((instance, attempts): &Instance) -> Value {
    let attempt = |attempt: &AttemptRow| {
        json!({
            "try_number": attempt.try_number,
            "outcome": Some(&attempt.outcome).filter(|outcome| !outcome.is_empty()),
            "started_at": attempt.started_at,
            "ended_at": attempt.ended_at,
            "duration_seconds": times::seconds(Some(attempt.started_at), Some(attempt.ended_at)),
            "error": attempt.error,
        })
    };
    json!({
        "task_id": instance.task_id,
        "map_index": instance.map_index,
        "state": instance.state,
        "try_number": instance.try_number,
        "scheduled_at": instance.scheduled_at,
        "started_at": instance.started_at,
        "ended_at": instance.ended_at,
        "duration_seconds": times::seconds(instance.started_at, instance.ended_at),
        "retry_at": instance.retry_at,
        "attempts": attempts.iter().map(attempt).collect::<Vec<_>>(),
    })
}

fn notification_document(row: &NotificationRow) -> Value {
    json!({
        "callback": row.kind,
        "about": row.about(),
        "operator": row.callback.operator,
        "state": row.state,
        "failures": row.failures,
        "created_at": row.created_at,
        "ended_at": row.ended_at,
        "error": row.error,
    })
}

fn notification_table(rows: &[NotificationRow]) -> Table {
    let mut table = Table::new(&["CALLBACK", "ABOUT", "OPERATOR", "STATE", "FAILURES", "ERROR"]);
    table.can_do_without(&[4, 2]);
    for row in rows {
        table.row(vec![
            Cell::new(row.kind),
            Cell::new(row.about()),
            Cell::new(&row.callback.operator),
            Mark::of_instance(Some(row.stands())).cell(),
            right(row.failures),
            Cell::new(harmless(row.error.as_deref().unwrap_or("-"))),
        ]);
    }
    table
}

fn facts(run: &RunRow, now: Timestamp) -> Facts {
    let mut facts = Facts::default();
    facts.add("state", Mark::of_run(run.state).painted());
    facts.add("type", run.run_type.as_str());
    facts.add("asked by", by(run));
    facts.add("version", run.version_number.to_string());
    facts.add_some("logical date", run.logical_date.map(times::exact));
    facts.add("queued", times::both(run.queued_at, now));
    facts.add_some("started", run.started_at.map(times::exact));
    facts.add_some("ended", run.ended_at.map(times::exact));
    facts.add_some("duration", Some(times::elapsed(run.started_at, run.ended_at, now)));
    let has_conf = run.conf.as_object().is_some_and(|conf| !conf.is_empty());
    facts.add_some("conf", has_conf.then(|| harmless(&run.conf.to_string())));
    facts.add_some("note", run.note.as_deref().map(harmless));
    facts
}

fn table(instances: &[Instance], now: Timestamp) -> Table {
    let mut table = Table::new(&["TASK", "STATE", "ATTEMPTS", "STARTED", "DURATION"]);
    table.can_do_without(&[3, 2]);
    for (instance, _) in instances {
        table.row(vec![
            Cell::new(name(instance)),
            Mark::of_instance(instance.state).cell(),
            right(instance.try_number),
            Cell::new(instance.started_at.map_or_else(|| "-".to_owned(), times::exact)),
            right(times::elapsed(instance.started_at, instance.ended_at, now)),
        ]);
    }
    table
}

fn name(instance: &TaskInstanceRow) -> String {
    match instance.map_index {
        -1 => instance.task_id.to_string(),
        index => format!("{}[{index}]", instance.task_id),
    }
}

/// Why attempts failed, each with what to do about it.
fn print_errors(instance: &TaskInstanceRow, attempts: &[AttemptRow]) -> Result<(), Failure> {
    for attempt in attempts {
        let Some(error) = &attempt.error else { continue };
        // A skipped task gives its reason in the same place; it is no fault.
        let ink = if instance.state == Some(TaskInstanceState::Skipped) { Ink::Quiet } else { Ink::Bad };
        let title = format!("{} attempt {} {}", name(instance), attempt.try_number, attempt.outcome);
        print(format_args!("\n{}: {}", paint(ink, &title), harmless(&error.message)))?;
        if let Some(hint) = &error.hint {
            print(format_args!("  hint: {}", harmless(hint)))?;
        }
    }
    if let Some(at) = instance.retry_at {
        print(format_args!("\n{} is tried again at {}", name(instance), times::exact(at)))?;
    }
    Ok(())
}
