//! The audit history: listed, checked, and caught when somebody changed it.

use crate::world::World;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

const DAG: &str = "dag_id: small\ntasks:\n  only: {operator: empty}\n";

fn world() -> World {
    let world = World::with(&[("small.yaml", DAG)]);
    assert_eq!(world.run("run small").code, 0);
    world
}

/// Changes the database behind the engine's back.
fn tamper(world: &World, statements: &'static [&'static str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(world.path(".esteira/esteira.db"));
        let mut connection = options.connect().await.unwrap();
        for statement in statements {
            sqlx::query(*statement).execute(&mut connection).await.unwrap();
        }
    });
}

#[test]
fn a_history_that_fits() {
    let world = world();
    insta::assert_snapshot!(world.run("audit list").plain());
    insta::assert_snapshot!(
        "of_one_run",
        world.run("audit list --dag small --run latest --event task.").plain()
    );
    insta::assert_snapshot!("verified", world.run("audit verify").plain());
}

#[test]
fn an_event_that_was_changed_is_named() {
    let world = world();
    tamper(
        &world,
        &[
            "DROP TRIGGER event_is_never_updated",
            "UPDATE event SET actor = 'nobody' WHERE name = 'run.created'",
        ],
    );
    insta::assert_snapshot!(world.run("audit verify").plain());
    let said = world.run("audit verify --json");
    assert_eq!(said.code, 1);
    assert!(said.data.contains("\"problem\": {"), "{}", said.data);
}

#[test]
fn an_event_that_was_taken_out_is_named() {
    let world = world();
    tamper(&world, &["DROP TRIGGER event_is_never_deleted", "DELETE FROM event WHERE name = 'task.started'"]);
    insta::assert_snapshot!(world.run("audit verify").plain());
}

#[test]
fn a_row_that_does_not_follow_from_the_events_is_named() {
    let world = world();
    tamper(&world, &["UPDATE task_instance SET state = 'failed'"]);
    insta::assert_snapshot!(world.run("audit verify").plain());
}
