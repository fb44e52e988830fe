//! Real processes: what they write, how they end, and that nothing of them stays.

use super::*;
use crate::operators::tests::Bench;
use esteira_operator::TaskErrorKind;
use std::time::Instant;

fn shell(script: &str) -> Program {
    Program {
        program: "bash".into(),
        arguments: vec!["-c".into(), script.into()],
        environment: Vec::new(),
        inherits_environment: true,
        folder: std::env::temp_dir(),
        kill_after: Duration::from_secs(5),
    }
}

/// Waits until a condition holds; the cause is another process, which nothing here is told of.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn what_holds_secrets_is_kept_from_programs() {
    for name in [
        "ESTEIRA_CONN_DB",
        "ESTEIRA_VAR_KEY",
        "ESTEIRA_SECRET_KEY",
        "ESTEIRA_ADMIN_PASSWORD",
        "ESTEIRA_TOKEN",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in ["PATH", "HOME", "ESTEIRA_HOME", "ESTEIRA_SECRET_KEY_FILE", "ESTEIRA_SERVER"] {
        assert!(!is_secret(name), "{name}");
    }
}

#[tokio::test]
async fn both_outputs_are_told_in_order_and_the_last_line_is_kept() {
    let bench = Bench::new();
    let context = bench.context("order");
    let script = "for i in 1 2 3; do echo out$i; echo err$i >&2; done; printf 'caf\\xe9 no newline'";
    let ended = run(&context, &shell(script)).await.unwrap();
    assert!(ended.status.success());
    assert_eq!(ended.last_line.as_deref(), Some("caf\u{fffd} no newline"));
    assert_eq!(bench.heard.of("stdout"), ["out1", "out2", "out3", "caf\u{fffd} no newline"]);
    assert_eq!(bench.heard.of("stderr"), ["err1", "err2", "err3"]);
}

#[tokio::test]
async fn exit_codes_and_signals_are_judged() {
    let bench = Bench::new();
    let context = bench.context("codes");
    let table = [
        ("exit 0", None, ""),
        ("exit 3", Some(TaskErrorKind::Failed), "exit code 3"),
        ("exit 99", Some(TaskErrorKind::Skipped), "exit code 99"),
        ("kill -9 $$", Some(TaskErrorKind::Failed), "signal 9 (SIGKILL)"),
    ];
    for (script, kind, message) in table {
        let ended = run(&context, &shell(script)).await.unwrap();
        let error = judge(ended.status, &[99]).err();
        assert_eq!(error.as_ref().map(|error| error.kind), kind, "{script}");
        assert!(error.is_none_or(|error| error.message.contains(message)), "{script}");
    }
    let missing = Program { program: "no-such-program".into(), ..shell("") };
    assert!(run(&context, &missing).await.unwrap_err().message.contains("cannot run no-such-program"));
    let nowhere = Program { folder: "/no/such/folder".into(), ..shell("") };
    assert!(
        run(&context, &nowhere).await.unwrap_err().message.contains("there is no folder /no/such/folder")
    );
}

#[tokio::test]
async fn the_environment_has_the_ids_and_no_connections() {
    let bench = Bench::new();
    let context = bench.context("environment");
    let mut program =
        shell("echo $ESTEIRA_DAG_ID $ESTEIRA_TASK_ID $ESTEIRA_TRY_NUMBER $A; env | grep -c ESTEIRA_CONN_");
    program.environment = vec![("A".into(), "b c".into()), (MARK.into(), "not this".into())];
    program.inherits_environment = false;
    run(&context, &program).await.unwrap();
    assert_eq!(bench.heard.of("stdout"), ["air environment 1 b c", "0"]);
}

#[tokio::test]
async fn a_cancel_ends_children_that_forked_away() {
    let bench = Bench::new();
    let context = bench.context("cancel");
    let script = "setsid bash -c 'sleep 300 & sleep 300' & (sleep 300 &) ; echo started; wait; sleep 300";
    // With a grace that no test waits for, only SIGTERM can have ended them.
    let program = Program { kill_after: Duration::from_secs(600), ..shell(script) };
    let (result, ()) = tokio::join!(run(&context, &program), async {
        eventually("it starts", || bench.heard.of("stdout") == ["started"]).await;
        // SIGTERM is for those that are there: all must have come to their last command.
        eventually("all are there", || sleepers(&context.attempt_mark) == 3).await;
        bench.cancel.cancel();
    });
    assert_eq!(result.unwrap_err().kind, TaskErrorKind::Cancelled);
    assert_eq!(marks::marked(&context.attempt_mark), []);
}

/// How many processes with the mark are at a `sleep`.
fn sleepers(mark: &str) -> usize {
    let name = |pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    marks::marked(mark).into_iter().filter(|pid| name(*pid).trim_end() == "sleep").count()
}

#[tokio::test]
async fn a_trap_may_start_commands_to_tidy_up() {
    let bench = Bench::new();
    let context = bench.context("trap");
    let (file, group) = (bench.home.path().join("tidied"), bench.home.path().join("group"));
    let tidy = "import sys, time; time.sleep(0.5); open(sys.argv[1], \"w\")";
    let script = format!(
        "trap 'python3 -c \"$TIDY\" {}; setsid -w python3 -c \"$TIDY\" {}; exit' TERM; echo ready; sleep 300",
        file.display(),
        group.display()
    );
    let mut program = shell(&script);
    program.environment = vec![("TIDY".into(), tidy.into())];
    let (result, started) = tokio::join!(run(&context, &program), async {
        eventually("it is ready", || bench.heard.of("stdout") == ["ready"]).await;
        eventually("it sleeps", || sleepers(&context.attempt_mark) == 1).await;
        bench.cancel.cancel();
        Instant::now()
    });
    assert_eq!(result.unwrap_err().kind, TaskErrorKind::Cancelled);
    assert!(file.exists() && group.exists(), "{}", bench.heard.text());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(marks::marked(&context.attempt_mark), []);
}

#[tokio::test]
async fn a_dead_engines_child_may_tidy_up() {
    let mark = format!("tidy-engine-{}", std::process::id());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidied");
    let script = format!("trap 'sleep 0.5 && touch {}; exit' TERM; sleep 300", file.display());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).env(MARK, format!("{mark}/1")).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    eventually("it sleeps", || sleepers(&mark) == 1).await;
    let reaping = mark.clone();
    tokio::task::spawn_blocking(move || reap_marked(&reaping)).await.unwrap();
    child.wait().await.unwrap();
    assert!(file.exists());
}

#[tokio::test]
async fn who_does_not_heed_sigterm_is_killed_after_the_grace() {
    let bench = Bench::new();
    let context = bench.context("stubborn");
    let mut program = shell("trap 'echo heard' TERM; echo ready; while true; do sleep 0.05; done");
    program.kill_after = Duration::from_millis(300);
    let (result, started) = tokio::join!(run(&context, &program), async {
        eventually("it is ready", || bench.heard.of("stdout") == ["ready"]).await;
        bench.cancel.cancel();
        Instant::now()
    });
    assert_eq!(result.unwrap_err().kind, TaskErrorKind::Cancelled);
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert_eq!(bench.heard.of("stdout"), ["ready", "heard"]);
    assert_eq!(marks::marked(&context.attempt_mark), []);
}

#[tokio::test]
async fn what_is_left_running_is_ended_and_a_last_word_is_heard() {
    let bench = Bench::new();
    let context = bench.context("left");
    let script =
        "sleep 300 & setsid sleep 300 </dev/null >/dev/null 2>&1 & (sleep 0.05; echo late) & echo done";
    let program = Program { kill_after: Duration::from_secs(600), ..shell(script) };
    let ended = run(&context, &program).await.unwrap();
    assert!(ended.status.success());
    assert_eq!(bench.heard.of("stdout"), ["done", "late"]);
    assert_eq!(ended.last_line.as_deref(), Some("late"));
    assert_eq!(marks::marked(&context.attempt_mark), []);
}

#[tokio::test]
async fn a_dropped_attempt_leaves_nothing() {
    let bench = Bench::new();
    let context = bench.context("dropped");
    let program = shell("setsid sleep 300 & echo on; sleep 300");
    let attempt = tokio::time::timeout(Duration::from_millis(400), run(&context, &program));
    assert!(attempt.await.is_err());
    eventually("all end", || marks::marked(&context.attempt_mark).is_empty()).await;
}

#[tokio::test]
async fn a_dead_engines_children_are_reaped_by_its_mark() {
    let mark = format!("dead-engine-{}", std::process::id());
    let start = |attempt: &str, script: &str| {
        let mut command = Command::new("setsid");
        command.args(["bash", "-c", script]).env(MARK, format!("{mark}{attempt}")).kill_on_drop(true);
        command.stdout(Stdio::null()).spawn().unwrap()
    };
    let _children =
        [start("/1", "sleep 300 & wait"), start("/2", "trap '' TERM; while true; do sleep 1; done")];
    let mut other = start("0/1", "sleep 300");
    eventually("all are there", || marks::marked(&mark).len() >= 4).await;
    let reaping = mark.clone();
    let ended = tokio::task::spawn_blocking(move || reap_marked(&reaping)).await.unwrap();
    assert!(ended >= 4, "{ended}");
    assert_eq!(marks::marked(&mark), []);
    assert!(other.try_wait().unwrap().is_none(), "another engine's child lives on");
    other.kill().await.unwrap();
}

/// Names the mark for a process of this test binary that plays the engine or its watchdog in the test below.
const PLAYED_MARK: &str = "ESTEIRA_TEST_PLAYED_MARK";

/// The engine's part: one attempt, until it is killed.
#[tokio::test]
async fn plays_the_engine() {
    let (Ok(mark), Ok(watchdog)) = (std::env::var(PLAYED_MARK), std::env::var("ESTEIRA_TEST_WATCHDOG"))
    else {
        return;
    };
    set_watchdog_command(Some(watchdog.into()));
    let mut context = Bench::new().context("played");
    context.attempt_mark = format!("{mark}/1");
    let _ = run(&context, &shell("setsid sleep 300 & sleep 300")).await;
}

/// The watchdog's part.
#[test]
fn plays_the_watchdog() {
    if let Ok(mark) = std::env::var(PLAYED_MARK) {
        watchdog_main(&mark);
    }
}

#[tokio::test]
async fn the_watchdog_ends_the_children_of_a_killed_engine() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let script = folder.path().join("watchdog");
    let part = "--exact process::tests::plays_the_watchdog --nocapture";
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = {WATCHDOG_SUBCOMMAND} ] && {PLAYED_MARK}=\"$2\" exec '{}' {part}\n",
        own.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();

    let mark = format!("killed-engine/{}", std::process::id());
    let mut engine = Command::new(&own);
    engine.args(["--exact", "process::tests::plays_the_engine", "--nocapture"]).kill_on_drop(true);
    engine.env(PLAYED_MARK, &mark).env("ESTEIRA_TEST_WATCHDOG", &script).stdout(Stdio::null());
    let mut engine = engine.spawn().unwrap();
    eventually("its children are there", || marks::marked(&mark).len() >= 3).await;
    engine.kill().await.unwrap();
    eventually("its children are ended", || marks::marked(&mark).is_empty()).await;
}
