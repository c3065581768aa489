//! `man`: writes a manual page for every command.

use std::io;
use std::path::{Path, PathBuf};

use clap_mangen::Man;
use secure_runtime_loaders::files::{FileError, write_atomic};

use super::failure::Failure;
use super::text::count;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder for the pages, such as ~/.local/share/man/man1; it is created if it does not exist
    dir: PathBuf,
}

/// Writes the pages, which clap generates from the declared arguments. Pages of an earlier version are replaced.
pub(super) fn man(arguments: &Arguments, command: clap::Command) -> Result<String, Failure> {
    let folder = &arguments.dir;
    let fault = |path: &Path, error: FileError| {
        Failure::usage(format!("{}: {error}", path.display())).with_help("name a folder that you may write")
    };
    std::fs::create_dir_all(folder).map_err(|error| fault(folder, error.into()))?;
    let pages = pages(command).map_err(|error| Failure::bug(error.to_string()))?;
    for (name, page) in &pages {
        let path = folder.join(name);
        write_atomic(&path, page).map_err(|error| fault(&path, error))?;
    }
    Ok(format!(
        "{} in {}\n",
        count(pages.len(), "page"),
        folder.display()
    ))
}

/// Returns the file name and the content of each page.
fn pages(command: clap::Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    // Otherwise, each command would have a page for its `help`.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    let mut waiting = vec![command];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().cloned());
        let man = Man::new(command);
        let mut page = Vec::new();
        man.render(&mut page)?;
        pages.push((man.get_filename(), page));
    }
    pages.sort_unstable();
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn check(command: &clap::Command, name: &str, pages: &[(String, Vec<u8>)], count: &mut usize) {
        let file = format!("{name}.1");
        let page = pages.iter().find(|(name, _)| *name == file);
        let page = std::str::from_utf8(&page.unwrap_or_else(|| panic!("{file}")).1).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{file}: {page}");
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        for argument in shown.filter_map(clap::Arg::get_long) {
            let argument = argument.replace('-', "\\-");
            assert!(page.contains(&argument), "{file}: {argument}");
        }
        *count += 1;
        for command in command.get_subcommands() {
            check(command, &format!("{name}-{}", command.get_name()), pages, count);
        }
    }

    #[test]
    fn each_command_has_a_page() {
        let command = crate::Arguments::command();
        let pages = pages(command.clone()).unwrap();
        let mut count = 0;
        check(&command, "secure-runtime", &pages, &mut count);
        assert_eq!(count, pages.len());
        assert!(count > 30, "{count}");
    }
}
