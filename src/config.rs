//! Settings: flags first, then `ESTEIRA_*` in the environment, then a config file, then defaults.

use crate::cli::Failure;
use clap::Args;
use esteira_operator::EnvironmentConnections;
use esteira_runtime::KeySource;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The settings that every subcommand takes.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Settings")]
pub(crate) struct GlobalArguments {
    /// The folder that holds all state [default: ./.esteira]
    #[arg(long, global = true, env = "ESTEIRA_HOME", hide_env_values = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// The folder of DAG files [default: ./dags]
    #[arg(long, global = true, env = "ESTEIRA_DAGS", hide_env_values = true, value_name = "DIR")]
    pub(crate) dags: Option<PathBuf>,
    /// The config file [default: ./esteira.toml, if it is there]
    #[arg(long, global = true, env = "ESTEIRA_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How many task instances run at the same time [default: 32]
    #[arg(long, global = true, env = "ESTEIRA_PARALLELISM", hide_env_values = true, value_name = "N")]
    pub(crate) parallelism: Option<usize>,
}

/// What the config file may say. Every key is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    home: Option<PathBuf>,
    dags: Option<PathBuf>,
    listen: Option<String>,
    base_url: Option<String>,
    parallelism: Option<usize>,
    xcom_size_max: Option<usize>,
    secret_key_file: Option<PathBuf>,
    #[serde(default)]
    allowed_hosts: Vec<String>,
    #[serde(default)]
    connections: BTreeMap<String, String>,
}

/// The settings of this process.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) home: PathBuf,
    pub(crate) dags: PathBuf,
    /// Whether somebody chose the DAG folder, or it is only the default.
    pub(crate) dags_were_chosen: bool,
    pub(crate) listen: String,
    /// Where people find the pages, for links in notifications; by default where they are served.
    pub(crate) base_url: Option<String>,
    pub(crate) parallelism: usize,
    pub(crate) xcom_size_max: usize,
    /// Host names besides the loopback ones by which browsers may call: that of a proxy in front.
    pub(crate) allowed_hosts: Vec<String>,
    /// The password of the user admin, who is made with it when there is no user.
    pub(crate) admin_password: Option<String>,
    pub(crate) connections: EnvironmentConnections,
    /// Where the keys are that secrets are sealed with.
    pub(crate) keys: KeySource,
}

/// Where the config file is looked for when none is named.
const CONFIG_FILE: &str = "esteira.toml";

impl Settings {
    /// The same for pages that are served at `url`, unless people find them elsewhere.
    pub(crate) fn served_at(&self, url: String) -> Self {
        Self { base_url: self.base_url.clone().or(Some(url)), ..self.clone() }
    }

    /// Puts flags, environment and config file together.
    pub(crate) fn read(flags: &GlobalArguments) -> Result<Self, Failure> {
        let file = match &flags.config {
            Some(path) => read_file(path)?,
            None if Path::new(CONFIG_FILE).is_file() => read_file(Path::new(CONFIG_FILE))?,
            None => ConfigFile::default(),
        };
        let dags = flags.dags.clone().or(file.dags);
        let parallelism = flags.parallelism.or(file.parallelism).unwrap_or(esteira_runtime::PARALLELISM);
        if parallelism == 0 {
            return Err(
                Failure::usage("parallelism is 0: nothing could ever run").hint("set it to 1 or more")
            );
        }
        let home = flags.home.clone().or(file.home).unwrap_or_else(|| PathBuf::from(".esteira"));
        Ok(Self {
            keys: keys(file.secret_key_file, &home),
            home,
            dags_were_chosen: dags.is_some(),
            dags: dags.unwrap_or_else(|| PathBuf::from("dags")),
            listen: from_environment("ESTEIRA_LISTEN")
                .or(file.listen)
                .unwrap_or_else(|| "127.0.0.1:8080".to_owned()),
            base_url: from_environment("ESTEIRA_BASE_URL").or(file.base_url),
            parallelism,
            xcom_size_max: xcom_size_max(file.xcom_size_max)?,
            allowed_hosts: allowed_hosts(file.allowed_hosts),
            admin_password: from_environment("ESTEIRA_ADMIN_PASSWORD"),
            connections: connections(file.connections)?,
        })
    }
}

fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The keys themselves from the environment, or a file of them: one that is named, or the home's own.
fn keys(from_file: Option<PathBuf>, home: &Path) -> KeySource {
    if let Some(text) = from_environment("ESTEIRA_SECRET_KEY") {
        return KeySource::Text(text);
    }
    let named = from_environment("ESTEIRA_SECRET_KEY_FILE").map(PathBuf::from).or(from_file);
    KeySource::File(named.unwrap_or_else(|| esteira_runtime::home::key_file(home)))
}

fn xcom_size_max(from_file: Option<usize>) -> Result<usize, Failure> {
    match from_environment("ESTEIRA_XCOM_SIZE_MAX") {
        Some(text) => text.parse().map_err(|_| {
            Failure::usage(format!("ESTEIRA_XCOM_SIZE_MAX is \"{text}\""))
                .hint("set it to a number of bytes: 67108864")
        }),
        None => Ok(from_file.unwrap_or(esteira_store::XCOM_SIZE_MAX)),
    }
}

/// `ESTEIRA_ALLOWED_HOSTS` holds names with commas between them.
fn allowed_hosts(from_file: Vec<String>) -> Vec<String> {
    match from_environment("ESTEIRA_ALLOWED_HOSTS") {
        Some(text) => {
            text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
        }
        None => from_file,
    }
}

/// The environment's connections over the file's.
fn connections(from_file: BTreeMap<String, String>) -> Result<EnvironmentConnections, Failure> {
    let from_file =
        from_file.into_iter().map(|(id, url)| (format!("ESTEIRA_CONN_{}", id.to_ascii_uppercase()), url));
    EnvironmentConnections::from_variables(from_file.chain(std::env::vars()))
        .map_err(|error| Failure::usage(error.message).hint(error.hint))
}

fn read_file(path: &Path) -> Result<ConfigFile, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("the config file {} cannot be read: {error}", path.display()))
    })?;
    toml::from_str(&text).map_err(|error| {
        // The error's own text may show a line of the file, which may hold a password: only its message and place.
        let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        Failure::usage(format!("the config file {}, line {line}: {}", path.display(), error.message()))
            .hint("its keys are home, dags, listen, base_url, parallelism, xcom_size_max, secret_key_file, allowed_hosts and the table [connections]")
    })
}
