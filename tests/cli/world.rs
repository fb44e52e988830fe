//! A folder with DAGs and a home for one test, and the binary run in it.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for anything that does happen; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    folder: TempDir,
}

/// What a command did.
pub(crate) struct Said {
    pub(crate) code: i32,
    /// Standard output, as it was.
    pub(crate) data: String,
    /// Standard error, as it was.
    pub(crate) talk: String,
    folder: String,
}

impl World {
    /// An empty folder: no DAGs, no home.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with these DAG files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let world = Self::empty();
        std::fs::create_dir(world.path("dags")).unwrap();
        for (name, text) in files {
            world.write(&format!("dags/{name}"), text.as_bytes());
        }
        world
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// The binary in this folder, without any setting of whoever runs the tests.
    pub(crate) fn esteira(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_esteira"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ESTEIRA_")) {
            command.env_remove(name);
        }
        command.args(line.split_whitespace()).current_dir(self.folder.path()).env("USER", "ana");
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, line: &str) -> Said {
        self.said(self.esteira(line).stdin(Stdio::null()).output().unwrap())
    }

    pub(crate) fn said(&self, output: Output) -> Said {
        Said {
            code: output.status.code().unwrap_or(-1),
            data: String::from_utf8(output.stdout).unwrap(),
            talk: String::from_utf8(output.stderr).unwrap(),
            folder: self.folder.path().canonicalize().unwrap().display().to_string(),
        }
    }

    /// Runs a command that must succeed and gives its JSON document.
    pub(crate) fn json(&self, line: &str) -> Value {
        let said = self.run(line);
        assert_eq!(said.code, 0, "{}", said.talk);
        serde_json::from_str(&said.data).unwrap_or_else(|error| panic!("{line}: {error}\n{}", said.data))
    }

    /// Starts `serve` on a free port and waits for its word that it serves.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with("127.0.0.1:0", &[])
    }

    /// The same, on this address and with this in the environment.
    pub(crate) fn serve_with(&self, listen: &str, environment: &[(&str, &str)]) -> Server {
        let mut command = self.esteira(&format!("serve --listen {listen}"));
        let mut child = command.envs(environment.iter().copied()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let url = loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("the server did not start:\n{}", said.join("\n"))
            };
            if let Some(rest) = line.strip_prefix("Esteira serves ") {
                break rest.split_whitespace().next().unwrap().to_owned();
            }
            said.push(line);
        };
        // What it says from here on must be read, or it would block when the pipe is full.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Server { child, url }
    }
}

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `127.0.0.1:34567`.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command with this on its standard input.
pub(crate) fn typed(world: &World, line: &str, input: &str) -> Said {
    let mut command = world.esteira(line);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    world.said(child.wait_with_output().unwrap())
}

/// Asks again until it is so.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Said {
    /// All of it in one text, without what differs from run to run: for snapshots.
    pub(crate) fn plain(&self) -> String {
        let mut text = format!("exit code {}\n", self.code);
        if !self.data.is_empty() {
            text.push_str(&format!("--- data\n{}", self.data));
        }
        if !self.talk.is_empty() {
            text.push_str(&format!("--- talk\n{}", self.talk));
        }
        without_chance(&text.replace(&self.folder, "[folder]"))
    }
}

/// Replaces times and durations.
fn without_chance(text: &str) -> String {
    let mut text = text.to_owned();
    for pattern in [
        "9999-99-99T99:99:99.999999+00:00",
        "9999-99-99T99:99:99.999999Z",
        "9999-99-99 99:99:99Z",
        "99:99:99.999Z",
    ] {
        text = replace_pattern(&text, pattern);
    }
    text.lines().map(line_without_durations).collect::<Vec<_>>().join("\n")
}

/// `9` stands for any digit.
fn replace_pattern(text: &str, pattern: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    let fits = |at: usize| {
        letters.len() >= at + pattern.len()
            && pattern.iter().zip(&letters[at..]).all(|(wanted, letter)| match wanted {
                '9' => letter.is_ascii_digit(),
                wanted => wanted == letter,
            })
    };
    let (mut result, mut at) = (String::new(), 0);
    while at < letters.len() {
        if fits(at) {
            result.push_str("[time]");
            at += pattern.len();
        } else {
            result.push(letters[at]);
            at += 1;
        }
    }
    result
}

/// Durations become `[long]`. Columns of such a line are parted by two spaces: their widths are chance, too.
fn line_without_durations(line: &str) -> String {
    let indentation = line.len() - line.trim_start().len();
    let cells = line[indentation..].split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    let plain = format!("{}{}", &line[..indentation], cells.map(cell).collect::<Vec<_>>().join("  "));
    let is_chance = ["[time]", "[long]", "  WHEN"].iter().any(|mark| plain.contains(mark));
    if is_chance { plain } else { line.trim_end().to_owned() }
}

fn cell(text: &str) -> String {
    let is_number = |word: &str| word.parse::<f64>().is_ok();
    let words: Vec<&str> = text.split(' ').collect();
    let mut result: Vec<String> = Vec::new();
    let mut place = 0;
    while place < words.len() {
        let unit = words.get(place + 1).map(|word| word.trim_end_matches([',', ')', ';']));
        if is_number(words[place].trim_start_matches('(')) && matches!(unit, Some("ms" | "s" | "min")) {
            let before = if words[place].starts_with('(') { "(" } else { "" };
            let after = &words[place + 1][unit.unwrap().len()..];
            result.push(format!("{before}[long]{after}"));
            place += 2;
        } else {
            result.push(words[place].to_owned());
            place += 1;
        }
    }
    result.join(" ").replace("[long] ago", "just now")
}

/// The files of a folder, if it is there.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
