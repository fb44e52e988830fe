//! The commands that look, from another folder: what a server says is what the home says.

use crate::world::{Said, Server, World, until};
use serde_json::Value;

const REPORT: &str = r#"dag_id: report
description: Counts words
schedule: "0 6 * * *"
start_date: 2024-01-01
tags: [example]
is_paused_upon_creation: true
params:
  text: {type: string, default: one two three, description: What is counted}
tasks:
  split:
    operator: bash
    execution_timeout: 5m
    with: {bash_command: 'echo "counting words"; echo 3'}
  left: {operator: empty, depends_on: [split]}
  right: {operator: short_circuit, depends_on: [split], with: {condition: "{{ false }}"}}
  publish: {operator: empty, depends_on: [left, right]}
"#;

const FAILING: &str = r#"dag_id: failing
tasks:
  work:
    operator: bash
    retries: 1
    retry_delay: 1ms
    with: {bash_command: 'echo "attempt {{ ti.try_number }}"; exit 3'}
  after: {operator: empty, depends_on: [work]}
"#;

/// More instances, values and events than a page has.
const WIDE: &str = r#"dag_id: wide
tasks:
  list: {operator: python, with: {code: "result = [f'echo {number}' for number in range(120)]"}}
  each: {operator: bash, depends_on: [list], expand: {bash_command: "{{ ti.xcom_pull('list') }}"}}
"#;

/// A served home, and a folder elsewhere with a token for it.
struct Pair {
    home: World,
    server: Server,
    elsewhere: World,
    token: String,
}

impl Pair {
    fn serve(home: World) -> Self {
        assert_eq!(home.run("users create ana --generate").code, 0);
        let token = home.run("tokens create elsewhere").data.trim().to_owned();
        let server = home.serve();
        Self { home, server, elsewhere: World::empty(), token }
    }

    /// What the command says elsewhere, with the server in its flags.
    fn asked(&self, line: &str) -> Said {
        self.elsewhere.run(&format!("{line} --server {} --token {}", self.server.url, self.token))
    }

    /// The same, with the server in the environment.
    fn asked_by_environment(&self, line: &str) -> Said {
        let mut command = self.elsewhere.esteira(line);
        command.env("ESTEIRA_SERVER", &self.server.url).env("ESTEIRA_TOKEN", &self.token);
        self.elsewhere.said(command.output().unwrap())
    }

    fn check_same(&self, lines: &[&str]) {
        for line in lines {
            let at_home = self.home.run(line).plain().replace("in this home", "on this server");
            assert_eq!(self.asked(line).plain(), at_home, "{line}");
            assert_eq!(self.asked_by_environment(line).plain(), at_home, "{line}");
        }
        assert!(!self.elsewhere.path(".esteira").exists(), "looking elsewhere makes no home");
    }

    /// The document of a command at home and elsewhere.
    fn documents(&self, line: &str) -> (Value, Value) {
        let said = self.asked(line);
        assert_eq!(said.code, 0, "{line}: {}", said.talk);
        (self.home.json(line), serde_json::from_str(&said.data).unwrap())
    }
}

#[test]
fn runs_logs_values_and_events_are_those_of_the_home() {
    let pair = Pair::serve(World::with(&[("report.yaml", REPORT), ("failing.yaml", FAILING)]));
    assert_eq!(pair.home.run("trigger report --run-id one --wait").code, 0);
    assert_eq!(
        pair.home
            .run("trigger report --run-id two --logical-date 2026-01-31 --conf {\"text\":\"a\"} --wait")
            .code,
        0
    );
    assert_eq!(pair.home.run("trigger failing --run-id one --wait").code, 1);
    pair.check_same(&[
        "runs list",
        "runs list --limit 2",
        "runs list --dag report --state success --json",
        "runs list --state queued",
        "runs show report one",
        "runs show report latest",
        "runs show failing latest",
        "logs report one split",
        "logs report one left",
        "logs failing one work",
        "logs failing one work --try 1 --follow",
        "logs failing one work --follow",
        "logs failing one after",
        "logs report one split --json",
        "xcom list report one",
        "xcom list report latest split --json",
        "xcom list report latest left",
        "xcom get report latest split",
        "audit list",
        "audit list --json --limit 1000",
        "audit list --dag report --run latest --event task. --limit 3",
        "audit list --actor ana --task work",
        "audit verify",
        "audit verify --json",
        "runs cancel report one",
    ]);
    let (mut home, elsewhere) = pair.documents("runs show failing one --json");
    assert_eq!(home["notifications"].take(), serde_json::json!([]));
    assert_eq!(elsewhere, home, "all but the callbacks");
}

#[test]
fn names_that_are_not_on_the_server_get_a_hint() {
    let pair = Pair::serve(World::with(&[("report.yaml", REPORT), ("failing.yaml", FAILING)]));
    assert_eq!(pair.home.run("trigger report --run-id one --wait").code, 0);
    pair.check_same(&[
        "runs show reprot latest",
        "runs show report nope",
        "runs list --dag nope",
        "logs report latest splot",
        "logs report latest split --try 2",
        "logs report latest split --map-index 1",
        "xcom get report latest left",
        "xcom get report latest split --key return_vale",
        "xcom list report latest splot",
        "audit list --dag nope",
        "audit list --dag report --run nope",
    ]);
    let plain = |line: &str| {
        format!("$ esteira {line}\n{}", pair.asked(line).plain().replace(&pair.server.url, "[server]"))
    };
    insta::assert_snapshot!(
        ["runs show failing latest", "tasks render report split"].map(plain).join("\n\n")
    );
}

const ALWAYS: &str =
    "dag_id: always\nschedule: '@continuous'\nis_paused_upon_creation: true\ntasks: {a: {operator: empty}}\n";

const DAILY: &str = "dag_id: daily\nschedule: '@daily'\ntasks: {a: {operator: empty}}\n";

#[test]
fn dags_are_those_of_the_home() {
    let files =
        [("report.yaml", REPORT), ("failing.yaml", FAILING), ("always.yaml", ALWAYS), ("daily.yaml", DAILY)];
    let pair = Pair::serve(World::with(&files));
    for run_id in ["one", "two"] {
        assert_eq!(pair.home.run(&format!("trigger report --run-id {run_id} --wait")).code, 0);
    }
    pair.check_same(&[
        "dags list",
        "dags list --json",
        "dags list --tag example",
        "dags list --tag nope",
        "dags show report",
        "dags show report --json",
        "dags show daily",
        "dags graph report",
        "dags graph report --dot",
        "dags graph report --mermaid",
        "dags graph report --json",
        "dags preview report --from 2026-03-28T12:00:00Z --count 3",
        "dags preview report --from 2026-03-28T12:00:00Z --count 1 --json",
        "dags preview always --from 2026-03-28T12:00:00Z",
        "dags preview failing",
    ]);
}

#[test]
fn a_dag_that_is_gone_and_a_file_with_faults_are_told_of_elsewhere() {
    let other = "dag_id: other\ntasks: {a: {operator: empty}}\n";
    let pair = Pair::serve(World::with(&[("failing.yaml", FAILING), ("other.yaml", other)]));
    let plain = |line: &str| format!("$ esteira {line}\n{}", pair.asked(line).plain());
    let mut told = vec![plain("dags show othr"), plain("dags preview nope")];
    std::fs::remove_file(pair.home.path("dags/failing.yaml")).unwrap();
    pair.home.write("dags/other.yaml", b"dag_id: other\ntasks: {a: {operator: emtpy}}\n");
    until("the server has seen both", || {
        let list = pair.asked("dags list");
        list.data.contains("gone") && list.talk.contains("makes no DAG")
    });
    pair.check_same(&["dags graph failing", "dags show failing"]);
    told.extend(["dags list", "dags preview failing"].map(plain));
    insta::assert_snapshot!(told.join("\n\n"));
    let (home, elsewhere) = pair.documents("dags list --json");
    assert_eq!(elsewhere["dags"], home["dags"]);
    let (fault, asked) = (&home["import_errors"][0], &elsewhere["import_errors"][0]);
    assert_eq!(asked["file"], fault["file"]);
    assert!(asked["message"].as_str().unwrap().contains(fault["message"].as_str().unwrap()), "{asked}");
}

#[test]
fn variables_and_connections_are_those_of_the_store_and_secrets_stay_there() {
    let home = World::with(&[("report.yaml", REPORT)]);
    for line in [
        "variables set limit 12 --description few",
        "variables set api_token s3cr3t-t0ken",
        "connections set warehouse postgresql://ana_b:hunter2pw@127.0.0.1:1/air_quality --description there",
        "connections set lake s3://key:hunter2pw@127.0.0.1:1?region=us-east-1&session_token=hush-hush",
        "connections set redis_default embedded:",
    ] {
        assert_eq!(home.run(line).code, 0, "{line}");
    }
    let pair = Pair::serve(home);
    pair.check_same(&[
        "variables list",
        "variables list --json",
        "variables get limit",
        "connections test redis_default",
    ]);
    let (home, elsewhere) = pair.documents("connections list --json");
    let of_store = |list: &Value| {
        let rows = list.as_array().unwrap().iter().filter(|row| row["origin"] == "store");
        rows.cloned().collect::<Vec<_>>()
    };
    assert_eq!(of_store(&elsewhere), of_store(&home));
    let lines = [
        "connections list",
        "connections test warehouse",
        "connections test lake",
        "connections test kafka_default",
        "connections export -",
        "variables get api_token",
        "variables get api_token --show-secret",
        "variables get nope",
        "variables export -",
    ];
    let plain = |line: &str| {
        format!("$ esteira {line}\n{}", pair.asked(line).plain().replace(&pair.server.url, "[server]"))
    };
    let told = lines.map(plain).join("\n\n");
    insta::assert_snapshot!(told);
    assert!(!["hunter2", "hush", "s3cr3t"].iter().any(|secret| told.contains(secret)));
}

#[test]
fn lists_longer_than_a_page_come_whole() {
    let home = World::with(&[("wide.yaml", WIDE)]);
    let pair = |number: u32| (format!("key_{number:03}"), Value::from("value"));
    home.write("many.json", Value::Object((0..120).map(pair).collect()).to_string().as_bytes());
    assert_eq!(home.run("variables import many.json").code, 0);
    let pair = Pair::serve(home);
    assert_eq!(pair.home.run("trigger wide --run-id one --wait").code, 0);
    pair.check_same(&[
        "runs show wide one",
        "xcom list wide one",
        "variables list",
        "audit list --dag wide --limit 150",
        "audit list --dag wide --limit 1000 --json",
        "logs wide one each --map-index 119",
        "xcom get wide one each --map-index 119",
    ]);
}

#[test]
fn a_log_is_followed_from_elsewhere_over_a_restart() {
    let dag = "dag_id: slow\ntasks: {work: {operator: bash, with: {bash_command: 'echo began; sleep 2; echo done'}}}\n";
    let pair = Pair::serve(World::with(&[("slow.yaml", dag)]));
    assert_eq!(pair.home.run("trigger slow --run-id one").code, 0);
    let said = pair.asked("logs slow one work --follow");
    assert_eq!((said.code, said.data.lines().count()), (0, 2), "{}{}", said.data, said.talk);
    assert_eq!(pair.home.run("trigger slow --run-id two").code, 0);
    until("it begins", || pair.home.run("logs slow two work").data.contains("began"));
    let Pair { home, server, elsewhere, token } = pair;
    let address = server.address().to_owned();
    let line = format!("logs slow two work --follow --server {} --token {token}", server.url);
    let following = std::thread::spawn(move || elsewhere.run(&line));
    std::thread::sleep(std::time::Duration::from_millis(700));
    drop(server);
    let server = home.serve_with(&address, &[]);
    let afterwards = World::empty();
    let said = following.join().unwrap();
    assert_eq!(said.code, 0, "{}", said.talk);
    assert!(said.data.contains("done") && said.talk.contains("attempt 2"), "{}{}", said.data, said.talk);
    let outcomes = |run: Value| [0, 1].map(|number| run["tasks"][0]["attempts"][number]["outcome"].clone());
    let run = "runs show slow two --json";
    let told = afterwards.run(&format!("{run} --server {} --token {token}", server.url));
    assert_eq!(outcomes(home.json(run)), [Value::from("lost"), Value::from("success")]);
    // Airflow's shape has no word for it.
    assert_eq!(outcomes(serde_json::from_str(&told.data).unwrap()), [Value::Null, Value::from("success")]);
}

#[test]
fn a_log_is_followed_while_its_attempt_waits() {
    let dag = "dag_id: asking\ntasks: {ask: {operator: approval, with: {subject: May it?}}}\n";
    let pair = Pair::serve(World::with(&[("asking.yaml", dag)]));
    assert_eq!(pair.home.run("trigger asking --run-id one").code, 0);
    let line = format!("logs asking one ask --follow --server {} --token {}", pair.server.url, pair.token);
    let elsewhere = World::empty();
    let following = std::thread::spawn(move || elsewhere.run(&line));
    until("it asks", || pair.asked("actions list").data.contains("May it?"));
    // A few looks at a log that nobody writes to meanwhile: the server tells no place in it then.
    std::thread::sleep(std::time::Duration::from_millis(1600));
    assert_eq!(pair.asked("actions respond asking one ask Approve").code, 0);
    let said = following.join().unwrap();
    assert_eq!((said.code, &said.data), (0, &pair.home.run("logs asking one ask").data), "{}", said.talk);
    assert_eq!(said.data.lines().count(), 2, "{}", said.data);
}

#[test]
fn a_server_that_is_set_to_nothing_is_none() {
    let world = World::empty();
    let said = world.said(world.esteira("runs list").env("ESTEIRA_SERVER", "").output().unwrap());
    assert!(said.talk.contains("no runs yet in the home"), "{}", said.talk);
}

#[test]
fn a_token_of_one_dag_shows_its_runs() {
    let home = World::with(&[("report.yaml", REPORT), ("failing.yaml", FAILING)]);
    let mut pair = Pair::serve(home);
    pair.token = pair.home.run("tokens create bound --dag failing --role user").data.trim().to_owned();
    assert_eq!(pair.asked("trigger failing --run-id one --wait").code, 1);
    pair.check_same(&[
        "dags show failing",
        "dags graph failing",
        "dags preview failing",
        "runs list --dag failing",
        "runs show failing latest",
        "logs failing one work",
        "xcom list failing one",
    ]);
    let other = pair.asked("runs list --dag report");
    assert!(other.talk.contains("your token is for certain DAGs"), "{}", other.talk);
}
