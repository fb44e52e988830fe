//! What a mapped task is expanded over: its templates rendered once, for all its instances.

use crate::executor::{RunFacts, Tools};
use crate::template_source::RunSource;
use esteira_core::dag::{Dag, Expansion, TaskIndex};
use esteira_core::run::{AttemptError, AttemptErrorKind, InstanceKey};
use esteira_core::template::{self, TemplateSource, context_variables};
use std::collections::HashMap;
use std::sync::Arc;

/// What mapped tasks of a run are expanded over, by the name of the task or of the mapped group.
pub(crate) type Expansions = HashMap<String, Arc<Expansion>>;

/// The name under which the expansion of a task is kept: that of its mapped group, or its own.
pub(crate) fn owner(dag: &Dag, task: TaskIndex) -> String {
    match dag.mapped_group(task) {
        Some(group) => dag.groups[group.get()].group_id.clone(),
        None => dag.task(task).task_id.to_string(),
    }
}

/// Finds out what a mapped task, or its group, is expanded over. It reads XCom as it goes, which waits for the database:
/// not for a thread that runs attempts.
pub(crate) fn expansion(
    tools: &Tools,
    dag: &Arc<Dag>,
    facts: &RunFacts,
    task: TaskIndex,
    runtime: tokio::runtime::Handle,
) -> Result<Expansion, AttemptError> {
    let failed = |message: String| {
        let message = tools.masker.mask(&message);
        let hint = "look at what the task is expanded over; clear it once that is mended".to_owned();
        AttemptError { hint: Some(hint), ..AttemptError::new(AttemptErrorKind::Fatal, message) }
    };
    let instance = InstanceKey::unmapped(task);
    let source = RunSource::new(&tools.reader, &tools.vault, dag, facts, instance, runtime);
    expansion_from(dag, facts, task, Arc::new(source)).map_err(failed)
}

/// What a mapped task is expanded over, as its templates find it in `source`. The error is one sentence.
pub(crate) fn expansion_from(
    dag: &Dag,
    facts: &RunFacts,
    task: TaskIndex,
    source: Arc<dyn TemplateSource + Send + Sync>,
) -> Result<Expansion, String> {
    let mapping = dag.mapping(task).ok_or("it is expanded over nothing")?;
    let over = if mapping.has_templates {
        let instance = InstanceKey::unmapped(task);
        let variables = context_variables(&facts.for_templates(dag, instance, 0, None, None));
        template::render(&mapping.over, &template::Context { variables, source })
            .map_err(|error| format!("what it is expanded over cannot be rendered: {error}"))?
    } else {
        mapping.over.clone()
    };
    Expansion::new(mapping.kind, over, dag.max_map_length)
}
