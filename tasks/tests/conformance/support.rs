//! What the conformance tests stand on: a service to try, real or embedded, and names of its own.

use esteira_operator::{EnvironmentConnections, Masker};
use esteira_tasks::connectors::Connectors;
use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// The variable that says where a real service is.
pub(crate) fn variable(id: &str) -> String {
    format!("ESTEIRA_CONN_{}", id.to_ascii_uppercase())
}

/// Connectors to one URL; without one, to the twin in this home.
pub(crate) fn connect(id: &str, url: Option<&str>, home: PathBuf) -> Connectors {
    let variables = url.map(|url| (variable(id), url.to_owned()));
    let source = EnvironmentConnections::from_variables(variables).unwrap();
    Connectors::new(Arc::new(source), Arc::new(Masker::default()), home)
}

/// A service to try.
pub(crate) struct Target {
    id: &'static str,
    url: Option<String>,
    home: TempDir,
    /// Makes the names of this test its own.
    pub(crate) unique: String,
}

impl Target {
    pub(crate) fn twin(id: &'static str) -> Self {
        Self::new(id, None)
    }

    /// The real service, if the environment says where it is.
    pub(crate) fn real(id: &'static str) -> Option<Self> {
        real_url(id).map(|url| Self::new(id, Some(url)))
    }

    fn new(id: &'static str, url: Option<String>) -> Self {
        let unique = uuid::Uuid::now_v7().simple().to_string();
        Self { id, url, home: tempfile::tempdir().unwrap(), unique }
    }

    pub(crate) fn is_twin(&self) -> bool {
        self.url.is_none()
    }

    /// New clients of the same service, as another process would have.
    pub(crate) fn connectors(&self) -> Connectors {
        connect(self.id, self.url.as_deref(), self.home.path().to_owned())
    }

    /// A name of this test's own.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("conformance-{name}-{}", self.unique)
    }
}

/// Where a real service is. Says loudly when that is not known.
pub(crate) fn real_url(id: &'static str) -> Option<String> {
    url_in(&variable(id), id.trim_end_matches("_default"))
}

/// The URL in an environment variable. Says loudly when there is none.
pub(crate) fn url_in(variable: &str, service: &str) -> Option<String> {
    static TOLD: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    if let Ok(url) = std::env::var(variable)
        && !url.is_empty()
    {
        return Some(url);
    }
    let text = format!("SKIPPED: {service} conformance ({variable} is not set)");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
    if TOLD.lock().unwrap().get_or_insert_default().insert(service.to_owned()) {
        // Not with eprintln!, which the test harness keeps to itself when a test passes.
        std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
    }
    None
}

/// Makes each function a test of the twin and a test of the real service.
macro_rules! on_twin_and_real {
    ($id:literal: $($name:ident),+ $(,)?) => {
        mod twin {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::Target::twin($id)).await;
            })+
        }

        mod real {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(target) = $crate::support::Target::real($id) {
                    super::$name(target).await;
                }
            })+
        }
    };
}

pub(crate) use on_twin_and_real;
