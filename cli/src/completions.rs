//! `completions`: prints the completion script of a shell.

use clap_complete::Shell;

use super::failure::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The shell that reads the script
    shell: Shell,
}

/// Returns the script, which clap generates from the declared arguments.
pub(super) fn completions(arguments: &Arguments, mut command: clap::Command) -> Result<String, Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, &name, &mut script);
    let script = String::from_utf8(script).map_err(|_| Failure::bug("the script is not UTF-8"))?;
    Ok(match arguments.shell {
        // clap_complete spells a name with a hyphen in two ways, so that bash completes nothing after a command
        // (clap-rs/clap#6421).
        Shell::Bash => script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__")),
        _ => script,
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;
    use crate::text::plain;

    fn names(command: &clap::Command, names: &mut Vec<String>) {
        for command in command.get_subcommands() {
            names.push(command.get_name().to_owned());
            self::names(command, names);
        }
    }

    #[test]
    fn each_script_mentions_every_command() {
        let command = crate::Arguments::command();
        let mut names = Vec::new();
        self::names(&command, &mut names);
        assert!(names.len() > 30, "{names:?}");
        for shell in Shell::value_variants() {
            let script = completions(&Arguments { shell: *shell }, command.clone()).unwrap();
            for name in &names {
                assert!(script.contains(name.as_str()), "{shell}: {name}");
            }
            // The output of commands is escaped, which must not change the script.
            assert_eq!(plain(&script), script, "{shell}");
        }
    }
}
