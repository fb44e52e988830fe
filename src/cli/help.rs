//! `esteira --help`: the commands in groups, in the order in which a newcomer meets them.

use clap::Command;

/// The groups. Every command stands in one; a test holds them to it.
const GROUPS: &[(&str, &[&str])] = &[
    ("Run", &["demo", "run", "serve", "trigger", "backfills"]),
    ("Look", &["runs", "logs", "xcom", "actions", "pools", "assets", "audit"]),
    ("Write DAGs", &["init", "validate", "dags", "tasks", "operators", "schema", "sample"]),
    ("Set up", &["connections", "variables", "secrets", "users", "tokens"]),
];

/// The command line with its help in groups, each line taken from the command itself.
pub(crate) fn with_groups(command: Command) -> Command {
    let style = command.get_styles();
    let (header, literal) = (*style.get_header(), *style.get_literal());
    let mut groups = String::new();
    for (title, names) in GROUPS {
        groups.push_str(&format!("{header}{title}:{header:#}\n"));
        for name in *names {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            groups.push_str(&format!("  {literal}{name:12}{literal:#}{}\n", about.unwrap_or_default()));
        }
        if *title != GROUPS[GROUPS.len() - 1].0 {
            groups.push('\n');
        }
    }
    let options = format!("{header}Settings for every command:{header:#}\n{{options}}");
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{{before-help}}{options}{{after-help}}"
    );
    let start =
        "Start with esteira demo, then esteira serve. esteira COMMAND --help says more about a command.";
    command.before_help(groups).after_help(start).help_template(template)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;
    use clap::CommandFactory;

    #[test]
    fn every_command_stands_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let command = Arguments::command();
        let mut known: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        known.sort_unstable();
        assert_eq!(grouped, known);
    }
}
