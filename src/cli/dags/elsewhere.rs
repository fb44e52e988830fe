//! DAGs as a server has them. It tells the source of each, which is read here by the same rules as a file.

use super::knowledge::{BrokenFile, KnownDag};
use crate::cli::Failure;
use crate::cli::output::say;
use crate::cli::server::{AT_ONCE, Server};
use crate::cli::source::Fields;
use esteira_core::catalog::Catalog;
use esteira_core::spec::{self, Source};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};

/// All DAGs, by name, and the files that make none; of the DAGs only those with this tag, if there is one.
pub(super) async fn all(
    server: &Server,
    catalog: &dyn Catalog,
    tag: Option<&str>,
) -> Result<(Vec<KnownDag>, Vec<BrokenFile>), Failure> {
    let mut query = vec![("exclude_stale", "false".to_owned())];
    query.extend(tag.map(|tag| ("tags", tag.to_owned())));
    let shapes = server.all(&["dags"], &query, "dags").await?;
    let with_source = |shape: Value| async move {
        let source = source(server, &shape).await?;
        Ok::<_, Failure>((shape, source))
    };
    let found: Vec<_> = stream::iter(shapes).map(with_source).buffered(AT_ONCE).try_collect().await?;
    let mut dags = Vec::new();
    for (shape, source) in found {
        // One that was removed since the list was read has none.
        let Some(source) = source else { continue };
        match read(&shape, &source, catalog) {
            Ok(known) => dags.push(known),
            Err(failure) => say!("{failure}"),
        }
    }
    dags.sort_by(|one, other| one.dag.dag_id.cmp(&other.dag.dag_id));
    let errors = server.all(&["importErrors"], &[], "import_errors").await?;
    Ok((dags, errors.iter().map(broken_file).collect()))
}

/// The DAG of this name, if there is one.
pub(super) async fn one(
    server: &Server,
    catalog: &dyn Catalog,
    dag_id: &str,
) -> Result<Option<KnownDag>, Failure> {
    let Some(shape) = server.look_up(&["dags", dag_id], &[]).await? else { return Ok(None) };
    let Some(source) = source(server, &shape).await? else { return Ok(None) };
    read(&shape, &source, catalog).map(Some)
}

async fn source(server: &Server, shape: &Value) -> Result<Option<Value>, Failure> {
    server.look_up(&["dagSources", Fields(shape).text("dag_id")?], &[]).await
}

fn read(shape: &Value, source: &Value, catalog: &dyn Catalog) -> Result<KnownDag, Failure> {
    let (fields, source) = (Fields(shape), Fields(source));
    let file = fields.text("fileloc")?;
    let parsed = spec::parse(Source { name: file, text: source.text("content")? }, catalog);
    let Some(dag) = parsed.dag else {
        let reason = parsed.diagnostics.first().map_or("", |diagnostic| &diagnostic.message);
        let name = fields.text("dag_id")?;
        return Err(Failure::failed(format!(
            "this program cannot read the server's DAG \"{name}\": {reason}"
        ))
        .hint("use the one that serves there: it may be newer, or have operators of its own"));
    };
    Ok(KnownDag {
        dag,
        file: file.to_owned(),
        is_paused: fields.flag("is_paused")?,
        is_gone: fields.flag("is_stale")?,
        version_number: Some(source.number("version_number")?),
        next_run_at: fields.some_instant("next_dagrun_run_after")?.map(|at| at.max(Timestamp::now())),
    })
}

/// A server tells what is wrong with a file as one text.
fn broken_file(error: &Value) -> BrokenFile {
    let fields = Fields(error);
    let (file, text) = (fields.text_or_empty("filename"), fields.text_or_empty("stack_trace"));
    BrokenFile {
        diagnostics: vec![json!({ "file": file, "message": text })],
        summary: text.lines().next().unwrap_or_default().to_owned(),
        file,
    }
}
