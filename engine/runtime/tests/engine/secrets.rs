//! Variables and connections: kept sealed, read by templates, and shown nowhere.

use crate::world::{World, registry, tester};
use esteira_core::states::RunState;
use esteira_operator::{Connection, Masker};
use esteira_runtime::home::{Home, key_file};
use esteira_runtime::{
    CommandError, Engine, KeySource, Options, SecretRequest, StoredConnection, Variable, Vault, change_secret,
};
use esteira_store::{EventFilter, Keyring};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;

const DAG: &str = "dag_id: d
tasks:
  a:
    operator: act
    with:
      push: {limit: \"{{ var.json.limit }}\", user: \"{{ conn.warehouse.login }}\"}
      say: \"it is {{ var.value.api_token }} and {{ conn.warehouse.get_uri() }}\"
  b: {operator: act, depends_on: a, with: {fail: \"no {{ var.value.api_token | replace('-', '-') }}\"}}
";

/// What no file of a home may hold.
const SECRETS: [&str; 2] = ["s3cr3t-t0ken", "hunter2pw"];

fn variable(key: &str, value: &str, is_secret: bool) -> SecretRequest {
    let (key, value) = (key.to_owned(), value.to_owned());
    SecretRequest::SetVariable(Variable { key, value, is_secret, description: "for tests".to_owned() })
}

fn connection(id: &str, url: &str) -> SecretRequest {
    let connection = Connection::parse(id, url).unwrap();
    SecretRequest::SetConnection(StoredConnection { connection, description: String::new() })
}

/// Every file under a folder that holds one of the secrets.
fn leaks(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(leaks(&path));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let holds = |secret: &&str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        found.extend(
            SECRETS
                .iter()
                .filter(|secret| holds(secret))
                .map(|secret| format!("{}: {secret}", path.display())),
        );
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_read_them_and_no_file_of_the_home_shows_them_also_after_a_restart() {
    let mut world = World::with(DAG).await;
    for request in [
        variable("limit", "12", false),
        variable("api_token", "s3cr3t-t0ken", true),
        connection("warehouse", "postgresql://ana:hunter2pw@db:5432/air"),
    ] {
        assert_eq!(world.handle().change_secret(request, tester()).await.unwrap(), 1);
    }
    for _ in 0..2 {
        let run = world.run(json!({})).await;
        assert_eq!(world.xcom(&run, "a").await, Some(json!({"limit": 12, "user": "ana"})));
        assert_eq!(run.state, RunState::Failed);
        let attempt = world.attempts(&run, "b").await.remove(0);
        assert_eq!(attempt.error.unwrap().message, "no ***");
        assert_eq!(attempt.arguments.unwrap(), json!({"fail": "no ***"}));
        world.stop().await;
        assert_eq!(leaks(&world.home()), Vec::<String>::new());
        world.start().await;
    }
    let filter = EventFilter { name: Some("variable.set".to_owned()), ..EventFilter::default() };
    let told = world.handle().reader().events(&filter, 10).await.unwrap().rows;
    let bodies: Vec<_> = told.iter().map(|event| event.body.as_str()).collect();
    assert!(
        bodies.contains(&r#"{"key":"api_token","is_secret":true,"description":"for tests"}"#),
        "{bodies:?}"
    );

    let gone = SecretRequest::RemoveVariable("limit".to_owned());
    world.handle().change_secret(gone.clone(), tester()).await.unwrap();
    let refused = world.handle().change_secret(gone, tester()).await.unwrap_err();
    assert_eq!(refused, CommandError::UnknownVariable("limit".to_owned()));
    let run = world.run(json!({})).await;
    let error = world.attempts(&run, "a").await.remove(0).error.unwrap().message;
    assert!(error.ends_with("with.push.limit: there is no variable \"limit\""), "{error}");
    let refused = world.handle().change_secret(variable("a b", "x", false), tester()).await.unwrap_err();
    assert!(refused.to_string().starts_with("\"a b\" cannot name a variable"), "{refused}");
    world.is_sound().await;
}

fn vault(keys: KeySource, variables: &[(&str, &str)]) -> Vault {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Vault::new(Arc::new(Masker::default()), Default::default(), variables, keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_replaced_without_a_loss_and_a_missing_one_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Keyring::generate().unwrap(), Keyring::generate().unwrap());
    let home = Home::open(folder.path()).unwrap();
    let before = vault(KeySource::Text(old.clone()), &[]);
    for request in [variable("k", "s3cr3t-t0ken", true), connection("c", "redis://:hunter2pw@localhost")] {
        change_secret(&home, &before, &request, &tester()).await.unwrap();
    }
    let reader = esteira_store::open_reader(&esteira_runtime::home::database(home.root())).await.unwrap();
    let opened = async |keys: &str| {
        let vault = vault(KeySource::Text(keys.to_owned()), &[]);
        vault.load(&reader).await.unwrap();
        vault
    };
    // With the new key alone nothing opens, and nothing is lost by trying.
    let locked = opened(&new).await;
    assert!(locked.variable("k").unwrap_err().contains("is sealed with a key that is not here"));
    let refused = change_secret(&home, &locked, &SecretRequest::Rotate, &tester()).await.unwrap_err();
    assert!(refused.to_string().contains("add that key, as the last one"), "{refused}");
    // With both, everything is sealed with the first; then the old one can go.
    let both = opened(&format!("{new},{old}")).await;
    assert_eq!(both.variable("k").unwrap().as_deref(), Some("s3cr3t-t0ken"));
    assert_eq!(change_secret(&home, &both, &SecretRequest::Rotate, &tester()).await.unwrap(), 2);
    let after = opened(&new).await;
    assert_eq!(after.variable("k").unwrap().as_deref(), Some("s3cr3t-t0ken"));
    assert_eq!(after.connection_fields("c").unwrap().unwrap()["password"], "hunter2pw");
    assert!(opened(&old).await.variable("k").is_err());
    assert_eq!(leaks(home.root()), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_stands_over_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let dags = tempfile::tempdir().unwrap();
    let home = Home::open(folder.path()).unwrap();
    let keys = KeySource::File(key_file(home.root()));
    let over = Arc::new(vault(keys, &[("ESTEIRA_VAR_API_TOKEN", "of-the-environment"), ("PATH", "/bin")]));
    let mut options =
        Options::new(home, dags.path().to_owned(), Arc::new(registry()), Arc::clone(over.masker()));
    options.vault = Arc::clone(&over);
    let engine = Engine::start(options).await.unwrap();
    engine.handle().change_secret(variable("api_token", "of-the-store", true), tester()).await.unwrap();
    assert_eq!(over.variable("api_token").unwrap().as_deref(), Some("of-the-environment"));
    assert_eq!(over.masker().mask("of-the-environment of-the-store"), "*** ***");
    assert_eq!(over.variable("path").unwrap(), None);
    engine.stop().await.unwrap();
}
