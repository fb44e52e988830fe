//! The history of a home, opened to be read straight from its database.

use super::Failure;
use crate::config::Settings;
use esteira_runtime::home;
use esteira_store::{Reader, StoreError};

/// The history, or why there is none.
pub(crate) async fn open(settings: &Settings) -> Result<Reader, Failure> {
    open_if_any(settings).await?.ok_or_else(|| {
        let message = format!("no runs yet in the home {}", settings.home.display());
        Failure::usage(message)
            .hint("esteira run DAG starts one; --home DIR or ESTEIRA_HOME names another home")
    })
}

/// The history, if there is one.
pub(crate) async fn open_if_any(settings: &Settings) -> Result<Option<Reader>, Failure> {
    let path = home::database(&settings.home);
    match path.try_exists() {
        Ok(false) => Ok(None),
        Ok(true) => esteira_store::open_reader(&path).await.map(Some).map_err(failure),
        Err(error) => {
            let message = format!("the home {} cannot be read: {error}", settings.home.display());
            Err(Failure::usage(message).hint("choose another home with --home"))
        }
    }
}

/// A database's fault in words for the command line.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(crate) fn failure(error: StoreError) -> Failure {
    let failure = Failure::failed(error.to_string());
    match error {
        StoreError::Sql(_) | StoreError::Corrupt(_) => {
            failure.hint("was the home made by another version of Esteira? esteira audit verify checks it")
        }
        _ => failure,
    }
}
