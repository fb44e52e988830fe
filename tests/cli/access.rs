//! Users, tokens, and servers that others reach: what the command line says, and whom the server lets in.

use crate::world::{Said, World, typed, until};
use std::collections::{BTreeMap, BTreeSet};

const ASKING: &str = "dag_id: asking\ntasks: {ask: {operator: approval, with: {subject: May it?}}}\n";

const HELLO: &str = "dag_id: hello\ntasks: {greet: {operator: empty}}\n";

const SHOWS: &str = "dag_id: shows\ntasks: {environment: {operator: bash, with: {bash_command: env}}}\n";

/// A token that a command printed, and nothing else.
fn token(world: &World, line: &str) -> String {
    let said = world.run(line);
    assert_eq!(said.code, 0, "{}", said.talk);
    said.data.trim().to_owned()
}

/// What a command said, without what is random.
fn plain(said: &Said) -> String {
    let words = said.plain();
    let is_random = |word: &str| word.len() >= 12 && word.chars().all(|letter| letter.is_ascii_hexdigit());
    let shown = |word: &str| match word.strip_prefix("esteira_") {
        Some(rest) if is_random(rest) => "[secret]".to_owned(),
        _ if is_random(word) => "[token]".to_owned(),
        _ => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(shown).collect::<Vec<_>>().join(" ");
    words.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_server_that_others_reach_does_not_start_without_users() {
    let world = World::with(&[("hello.yaml", HELLO)]);
    let open = world.run("serve --listen 0.0.0.0:0").plain();
    let port: String =
        open.split("0.0.0.0:").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    insta::assert_snapshot!("open_server", open.replace(&port, "[port]"));
    let said = world.said(
        world
            .esteira("serve --listen 127.0.0.1:0")
            .env("ESTEIRA_ALLOWED_HOSTS", "flow.example")
            .output()
            .unwrap(),
    );
    assert_eq!(said.code, 2, "a proxy in front lets others in: {}", said.talk);
    assert_eq!(world.run("demo --serve --listen 0.0.0.0:0").code, 2);
    assert_eq!(world.json("users list --json"), serde_json::json!([]), "nothing was made");
}

#[test]
fn the_environment_makes_the_first_user() {
    let world = World::with(&[("shows.yaml", SHOWS)]);
    let short = world.said(
        world.esteira("serve --listen 0.0.0.0:0").env("ESTEIRA_ADMIN_PASSWORD", "short").output().unwrap(),
    );
    assert_eq!(short.code, 2);
    assert!(short.talk.contains("at least 8 characters"), "{}", short.talk);
    let server = world.serve_with("0.0.0.0:0", &[("ESTEIRA_ADMIN_PASSWORD", "correct horse")]);
    // A task that shows its environment does not show that.
    assert_eq!(world.run("trigger shows --run-id one --wait").code, 0);
    let log = world.run("logs shows one environment").data;
    assert!(log.contains("ESTEIRA_DAG_ID=shows") && !log.contains("correct horse"), "{log}");
    let users = world.json("users list --json");
    assert_eq!((&users[0]["name"], &users[0]["role"]), (&"admin".into(), &"admin".into()));
    drop(server);
    // Another password does not change the one that there is.
    drop(world.serve_with("0.0.0.0:0", &[("ESTEIRA_ADMIN_PASSWORD", "battery staple")]));
    assert_eq!(world.json("users list --json")[0]["changed_at"], users[0]["changed_at"]);
}

#[test]
fn users_and_tokens_are_made_with_and_without_a_server() {
    let world = World::with(&[("hello.yaml", HELLO)]);
    let mut all = Vec::new();
    let mut say = |line: &str, said: Said| all.push(format!("$ esteira {line}\n{}", plain(&said)));
    let password = "correct horse\n";
    for line in [
        "users create leo --role user",
        "users create ana",
        "users create leo --role user",
        "users create ana",
    ] {
        say(line, typed(&world, line, password));
    }
    say("users create joe", typed(&world, "users create joe", "short\n"));
    say("users create joe", typed(&world, "users create joe", ""));
    for line in [
        "users list",
        "tokens create ci --user leo --dag hello",
        "tokens create ci",
        "tokens list",
        "users remove ana",
    ] {
        say(line, world.run(line));
    }
    let server = world.serve();
    for line in [
        "users set leo --role operator",
        "tokens create ci --user leo --role admin",
        "users set ana --role viewer",
        "users remove leo",
        "users list",
        "tokens list",
    ] {
        say(line, world.run(line));
    }
    drop(server);
    insta::assert_snapshot!("users_and_tokens", all.join("\n\n"));
    let generated = world.run("users create bob --generate");
    assert_eq!((generated.code, generated.data.trim().len()), (0, 23), "{}", generated.data);
}

#[test]
fn a_remote_server_is_reached_with_a_token() {
    let world = World::with(&[("hello.yaml", HELLO)]);
    assert_eq!(typed(&world, "users create ana", "correct horse\n").code, 0);
    let secret = token(&world, "tokens create ci --user ana --role user");
    let server = world.serve();
    let elsewhere = World::empty();
    let url = &server.url;
    let plain = |said: Said| said.plain().replace(url, "[server]");
    let line = format!("trigger hello --wait --run-id one --server {url}");
    let without = elsewhere.run(&line);
    assert_eq!(without.code, 2);
    insta::assert_snapshot!("without_token", plain(without));
    insta::assert_snapshot!("with_token", plain(elsewhere.run(&format!("{line} --token {secret}"))));
    let line = format!("pools set narrow 1 --server {url}");
    let said = elsewhere.said(elsewhere.esteira(&line).env("ESTEIRA_TOKEN", &secret).output().unwrap());
    assert_eq!(said.code, 2);
    insta::assert_snapshot!("with_too_small_a_role", plain(said));
    let run = world.json("runs show hello one --json");
    assert_eq!((run["triggered_by"].as_str(), run["triggering_user"].as_str()), (Some("cli"), Some("ana")));
}

/// What a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    /// No home and no server: files of the one who types, or nothing.
    Nothing,
    /// The files of the home, which the system keeps from others.
    Home,
    /// The same; it takes `--server` only to say why it cannot ask one.
    OnlyHome,
    /// A server that lets in users of this role, and of those that may do more.
    Viewer,
    User,
    Operator,
    Admin,
}

use Needs::{Admin, Home, Nothing, OnlyHome, Operator, User, Viewer};

/// Every command, and what it needs.
const COMMANDS: &[(&str, Needs)] = &[
    ("actions respond asking one ask Approve", User),
    ("actions list", Viewer),
    ("assets list", Viewer),
    ("assets events", Viewer),
    ("assets update x", Operator),
    ("audit list", Viewer),
    ("audit verify", Viewer),
    ("backfills cancel 1", User),
    ("backfills create hello --from 2026-01-01 --to 2026-01-02", User),
    ("backfills list", Viewer),
    ("backfills pause 1", User),
    ("backfills unpause 1", User),
    ("connections export -", OnlyHome),
    ("connections import -", Operator),
    ("connections list", Operator),
    ("connections remove x", Operator),
    ("connections set x redis://localhost", Operator),
    ("connections test x", Operator),
    ("dags graph hello", Viewer),
    ("dags list", Viewer),
    ("dags pause hello", User),
    ("dags preview hello", Viewer),
    ("dags show hello", Viewer),
    ("dags unpause hello", User),
    ("dags webhook hello", Operator),
    ("demo", Home),
    ("init", Nothing),
    ("logs hello one greet", Viewer),
    ("operators list", Nothing),
    ("operators show bash", Nothing),
    ("pools list", Viewer),
    ("pools remove x", Operator),
    ("pools set x 1", Operator),
    ("run hello", Home),
    ("runs cancel asking two", User),
    ("runs clear hello one", User),
    ("runs list", Viewer),
    ("runs mark hello one --as success", User),
    ("runs show hello one", Viewer),
    ("sample", Nothing),
    ("schema", Nothing),
    ("secrets new-key", Nothing),
    ("secrets rotate", Admin),
    ("serve", Home),
    ("tasks render hello greet", OnlyHome),
    ("tokens create ci", Viewer),
    ("tokens list", Viewer),
    ("tokens revoke x", Viewer),
    ("trigger hello", User),
    ("users create x", Admin),
    ("users list", Admin),
    ("users remove x", Admin),
    ("users set x --role user", Admin),
    ("validate", Nothing),
    ("variables export -", OnlyHome),
    ("variables get x", Operator),
    ("variables import -", Operator),
    ("variables list", Operator),
    ("variables remove x", Operator),
    ("variables set x 1", Operator),
    ("xcom get hello one greet", Viewer),
    ("xcom list hello one", Viewer),
];

/// The commands that the help names, whole: `runs list`.
fn known_commands(world: &World) -> BTreeSet<String> {
    let named = |help: &str| -> Vec<String> {
        let lines = help.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let words = lines.filter_map(|line| line.split_whitespace().next());
        words
            .filter(|word| word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'))
            .map(str::to_owned)
            .filter(|word| !word.starts_with('-') && word != "help")
            .collect()
    };
    let mut known = BTreeSet::new();
    for command in named(&world.run("--help").data) {
        let help = world.run(&format!("{command} --help")).data;
        match help.split_once("\nCommands:\n") {
            None => drop(known.insert(command)),
            Some((_, rest)) => {
                let commands = rest.split("\n\n").next().unwrap_or_default();
                known.extend(named(commands).into_iter().map(|under| format!("{command} {under}")));
            }
        }
    }
    known
}

#[test]
fn every_command_needs_what_the_table_says() {
    let world = World::with(&[("hello.yaml", HELLO), ("asking.yaml", ASKING)]);
    let listed: BTreeSet<String> = COMMANDS
        .iter()
        .map(|(line, _)| {
            let words: Vec<&str> = line.split(' ').collect();
            let help = world.run(&format!("{} --help", words[0])).data;
            let count = if help.contains("\nCommands:\n") { 2 } else { 1 };
            words[..count].join(" ")
        })
        .collect();
    assert_eq!(listed, known_commands(&world), "every command stands in the table, and nothing else");

    assert_eq!(typed(&world, "users create ana", "correct horse\n").code, 0);
    let roles = [("viewer", Viewer), ("user", User), ("operator", Operator), ("admin", Admin)];
    let tokens: BTreeMap<&str, String> = roles
        .iter()
        .map(|(role, _)| (*role, token(&world, &format!("tokens create {role} --user ana --role {role}"))))
        .collect();
    let server = world.serve();
    for run in ["one", "two"] {
        assert_eq!(world.run(&format!("trigger asking --run-id {run}")).code, 0);
    }
    until("it asks", || world.run("actions list").data.contains("May it?"));
    let elsewhere = World::empty();
    for (line, _) in COMMANDS.iter().filter(|(_, needs)| *needs == OnlyHome) {
        let said = elsewhere.run(&format!("{line} --server {}", server.url));
        assert_eq!(said.code, 2, "{line}");
        assert!(said.talk.contains("cannot ask the server"), "{line}: {}", said.talk);
    }
    for (line, needs) in COMMANDS.iter().filter(|(_, needs)| *needs >= Viewer) {
        let at = format!("{line} --server {}", server.url);
        // What import reads; the others pass over it.
        let input = "{\"x\": \"redis://x\"}\n";
        let stranger = typed(&elsewhere, &at, input);
        assert!(stranger.talk.contains("sign in, or send a token"), "{line}: {}", stranger.talk);
        for (role, has) in roles {
            let said = typed(&elsewhere, &format!("{at} --token {}", tokens[role]), input);
            let is_refused = said.talk.contains("it takes the role");
            assert_eq!(is_refused, has < *needs, "{line} as {role}: {}", said.talk);
        }
    }
}
