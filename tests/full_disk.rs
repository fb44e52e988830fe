//! A disk that is full, for real: the engine waits, says so, loses nothing that was accepted, and goes on by itself.
#![allow(clippy::unwrap_used)]

mod support;

use esteira_core::states::RunState;
use esteira_runtime::home;
use std::path::Path;
use std::process::Command;
use support::{World, client, skip, until};

/// A small disk of its own; gone with the test.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Result<Self, String> {
        std::fs::create_dir(at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(at).output();
        match mount {
            Ok(output) if output.status.success() => Ok(Self(at)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Writes until nothing more goes in.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("fill")).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 1_024]).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("fill")).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_holds_the_engine_up_and_loses_nothing() {
    let world = World::new();
    let home = world.home();
    let disk = match SmallDisk::mount(&home) {
        Ok(disk) => disk,
        Err(reason) => return skip("a_full_disk_holds_the_engine_up_and_loses_nothing", &reason),
    };
    world.write_dag(
        "d.yaml",
        "dag_id: d\ntasks:\n  a: {operator: empty}\n  b: {operator: empty, depends_on: a}\n",
    );
    let server = world.serve();
    server.trigger("d").await;
    disk.fill();
    // Asked for while nothing can be kept: none of them is answered before there is room.
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let request =
                client().post(format!("{}/api/v2/dags/d/dagRuns", server.url)).json(&serde_json::json!({}));
            tokio::spawn(async move { request.send().await.unwrap().status() })
        })
        .collect();
    let health = format!("{}/api/v2/monitor/health", server.url);
    until("word that the engine is held up", || async {
        let health: serde_json::Value = client().get(&health).send().await.ok()?.json().await.ok()?;
        (health["scheduler"]["status"] == "unhealthy").then_some(())
    })
    .await;
    assert!(
        waiting.iter().all(|request| !request.is_finished()),
        "a run was acknowledged that nothing keeps"
    );
    disk.make_room();
    for request in waiting {
        assert_eq!(request.await.unwrap(), 200);
    }
    let reader = esteira_store::open_reader(&home::database(&home)).await.unwrap();
    let runs = until("the end of all runs", || async {
        let runs = reader.runs(&Default::default(), 100).await.unwrap().rows;
        runs.iter().all(|run| run.state.is_terminal()).then_some(runs)
    })
    .await;
    assert_eq!(runs.iter().map(|run| run.state).collect::<Vec<_>>(), [RunState::Success; 6]);
    let verify = world.esteira().args(["audit", "verify"]).output().unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
    drop(server);
}
