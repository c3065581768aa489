//! `graph diff`: compares the code and the authority of two programs.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use secure_runtime_loaders::resolve::{self, Project as Files};
use secure_runtime_loaders::store::{Layered, Store};
use secure_runtime_loaders::{ContentHash, FileError, Graph, LockFileError, lockfile, verify};
use serde::Serialize;
use similar::TextDiff;

use super::super::console;
use super::super::failure::{Code, Failure};
use super::super::project::{self, Project};
use super::super::stores::StoreTokens;
use super::super::text::{self, size};
use crate::host;
use secure_runtime::program::{self, LOCK, OpenOptions};
use secure_runtime::review::{self, Change, Content, Difference, Growth, look_alikes};
use secure_runtime::{Manifest, StorePlace};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The old program: a lock, or a folder with a secure.toml
    old: PathBuf,

    /// The new program: a lock, or a folder with a secure.toml
    #[arg(default_value = ".")]
    new: PathBuf,

    /// Show the changes in the text of modules, which is read from the project and the stores
    #[arg(long)]
    text: bool,

    /// Exit with 3 if any module, package or the program gains authority
    #[arg(long)]
    deny_growth: bool,

    /// An additional store to read the text of modules from, after the local store (repeatable)
    #[arg(long, value_name = "DIR or URL", requires = "text")]
    store: Vec<OsString>,

    #[command(flatten)]
    store_tokens: StoreTokens,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    old: String,
    new: String,
    #[serde(flatten)]
    difference: Difference,
    growth: Vec<Growth>,
}

pub(super) fn diff(arguments: &Arguments) -> Result<String, Failure> {
    let stores = arguments.store_tokens.of(&arguments.store)?;
    let (old, new) = (Side::read(&arguments.old)?, Side::read(&arguments.new)?);
    look_alikes(&[&old.graph, &new.graph])
        .iter()
        .for_each(|warning| console::warn(warning));
    let mut difference = Difference::between(&old.graph, &new.graph);
    let base = project::base_of(&new.folder)?;
    let growth = review::growth(&old.graph, &new.graph, host::families(), &base).map_err(|error| {
        Failure::usage(error.to_string()).help("correct the grant in secure.toml, and lock again")
    })?;
    if arguments.text {
        add_texts(&mut difference, &old, &new, stores)?;
    }
    let report = Report {
        old: old.graph.hash().to_string(),
        new: new.graph.hash().to_string(),
        difference,
        growth,
    };
    let shown = if arguments.json {
        text::json(&report)?
    } else {
        shown(&report)
    };
    if report.growth.is_empty() || !arguments.deny_growth {
        return Ok(shown);
    }
    super::super::print(&shown)?;
    let owners: Vec<&str> = report.growth.iter().map(|growth| growth.owner.as_str()).collect();
    Err(Failure::new(
        Code::Denied,
        format!(
            "authority grew, and --deny-growth refuses it: {}",
            owners.join(", ")
        ),
    )
    .with_help("grant less in secure.toml, or accept it by comparing without --deny-growth"))
}

/// Returns the failure for a file that is no lock, and says how to get one.
fn not_a_graph(path: &Path, error: LockFileError) -> Failure {
    match error {
        LockFileError::Read {
            error: FileError::NotFound,
            ..
        } => Failure::usage(format!("{}: there is no such file", path.display())).with_help(
            "give a secure.lock, or a folder with a secure.toml: `secure-runtime lock` makes a lock, and \
             `git show HEAD:secure.lock > old.lock` gets the committed one",
        ),
        LockFileError::Content { .. } if path.extension().is_some_and(|extension| extension == "txt") => {
            Failure::new(Code::Integrity, format!("{}: this is not a lock", path.display()))
                .with_help("give the lock, which is binary, and not its text")
        }
        error => error.into(),
    }
}

/// One of the two programs that are compared.
struct Side {
    graph: Graph,
    /// The folder that contains the lock or the project.
    folder: PathBuf,
    /// Module contents that are already in memory.
    bytes: HashMap<ContentHash, Bytes>,
    manifest: Option<Manifest>,
}

impl Side {
    fn read(path: &Path) -> Result<Self, Failure> {
        let folder = Manifest::folder_of(path);
        if !folder.is_dir() {
            return Ok(Side {
                graph: lockfile::read_lock(path).map_err(|error| not_a_graph(path, error))?,
                folder: match path.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                    _ => PathBuf::from("."),
                },
                bytes: HashMap::new(),
                manifest: None,
            });
        }
        if folder.join(LOCK).exists() {
            let project = Project::read(&folder)?;
            return Ok(Side {
                graph: project.graph,
                folder,
                bytes: HashMap::new(),
                manifest: Some(project.manifest),
            });
        }
        let manifest = Manifest::read(&folder, host::families())?;
        let locked = resolve::lock(&program::lock_input(&folder, &manifest)?)?;
        let hashes = locked.graph.modules().iter().map(|module| module.hash);
        Ok(Side {
            bytes: hashes.zip(locked.bytes).collect(),
            graph: locked.graph,
            folder,
            manifest: None,
        })
    }

    /// Reads the files of the project and checks that they match the graph.
    fn read_files(&self) -> Result<HashMap<ContentHash, Bytes>, Failure> {
        let Some(manifest) = &self.manifest else {
            return Ok(self.bytes.clone());
        };
        let files = verify::verify_files(&self.graph, &Files::new(&self.folder, &manifest.imports)?)?;
        let hashes = self.graph.modules().iter().map(|module| module.hash);
        Ok(hashes
            .zip(files)
            .filter_map(|(hash, bytes)| Some((hash, bytes?)))
            .collect())
    }
}

/// The sources of module contents: memory first, then the stores.
struct Texts {
    at_hand: HashMap<ContentHash, Bytes>,
    stores: Layered,
}

impl Texts {
    /// Returns the text of a module, or an empty text for `None`. The inner `Err` is the reason why no text can be
    /// shown.
    async fn of(&self, content: Option<&Content>) -> Result<Result<String, String>, Failure> {
        let Some(content) = content else {
            return Ok(Ok(String::new()));
        };
        let hash: ContentHash = content.hash.parse()?;
        let bytes = match self.at_hand.get(&hash) {
            Some(bytes) => bytes.clone(),
            None => match self.stores.get(&hash, content.size).await {
                Ok(bytes) => bytes,
                Err(error) if error.is_absence() => {
                    return Ok(Err(format!(
                        "no text: {hash} is neither in the project nor in a store"
                    )));
                }
                Err(error) => return Err(error.into()),
            },
        };
        Ok(String::from_utf8(bytes.to_vec()).map_err(|_| format!("no text: {hash} is not UTF-8")))
    }
}

fn add_texts(
    difference: &mut Difference,
    old: &Side,
    new: &Side,
    stores: Vec<StorePlace>,
) -> Result<(), Failure> {
    let mut at_hand = old.read_files()?;
    at_hand.extend(new.read_files()?);
    let texts = Texts {
        at_hand,
        stores: program::stores(&OpenOptions {
            local_store: project::local_store().filter(|folder| folder.join("blobs").is_dir()),
            stores,
            ..OpenOptions::default()
        })?,
    };
    project::wait_for(async {
        for module in difference
            .modules
            .iter_mut()
            .filter(|module| module.change == Change::Changed)
        {
            let (old, new) = (
                texts.of(module.old.as_ref()).await?,
                texts.of(module.new.as_ref()).await?,
            );
            module.text = Some(match (old, new) {
                (Ok(old), Ok(new)) => text_difference(&old, &new),
                (Err(reason), _) | (_, Err(reason)) => reason,
            });
        }
        Ok(())
    })
}

fn text_difference(old: &str, new: &str) -> String {
    /// After this time the diff may report more changes than necessary, but it never omits one.
    const PATIENCE: Duration = Duration::from_secs(5);
    let difference = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    difference.unified_diff().context_radius(3).to_string()
}

fn shown(report: &Report) -> String {
    let difference = &report.difference;
    let mut shown = format!("old {}\nnew {}\n", report.old, report.new);
    section(
        &mut shown,
        "packages",
        difference.packages.iter().map(|package| {
            let version =
                |version: &Option<String>| version.clone().unwrap_or_else(|| "no version".to_owned());
            let versions = match package.change {
                Change::Added => version(&package.new_version),
                Change::Removed => version(&package.old_version),
                Change::Changed => format!(
                    "{} -> {}",
                    version(&package.old_version),
                    version(&package.new_version)
                ),
            };
            format!("{} {} {versions}", package.change.sign(), package.name)
        }),
    );
    section(
        &mut shown,
        "modules",
        difference.modules.iter().map(|module| {
            let sizes: Vec<String> = [&module.old, &module.new]
                .into_iter()
                .flatten()
                .map(|content| size(content.size))
                .collect();
            let mut line = format!("{} {}  {}", module.change.sign(), module.name, sizes.join(" -> "));
            if let (Some(old), Some(new)) = (&module.old, &module.new)
                && old.hash == new.hash
            {
                line.push_str(", the same bytes from another source");
            }
            // Each line gets a mark, so that a line of a module cannot imitate a line of this command's output.
            for text in module.text.iter().flat_map(|text| text.lines()) {
                line.push_str(&format!("\n    | {text}"));
            }
            line
        }),
    );
    section(
        &mut shown,
        "new and changed imports",
        difference.imports.iter().map(|import| {
            let before = import
                .old
                .as_ref()
                .map(|old| format!(", before {old}"))
                .unwrap_or_default();
            format!(
                "{}: \"{}\" is {}{before}",
                import.module, import.specifier, import.new
            )
        }),
    );
    let globals = difference.globals.iter();
    section(
        &mut shown,
        "names that modules newly expect from their environment",
        globals.map(|globals| format!("{}: {}", globals.module, globals.names.join(", "))),
    );
    for (title, changes) in [
        ("grants", &difference.grants),
        ("limits and settings", &difference.settings),
        ("import map", &difference.import_map),
    ] {
        section(
            &mut shown,
            title,
            changes.iter().flat_map(|change| {
                let line = |sign: char| move |line: &String| format!("{sign} {}: {line}", change.owner);
                let added: Vec<String> = change.added.iter().map(line('+')).collect();
                let removed: Vec<String> = change.removed.iter().map(line('-')).collect();
                added.into_iter().chain(removed)
            }),
        );
    }
    section(&mut shown, "entry", difference.entry.iter().cloned());
    if report.growth.is_empty() {
        shown.push_str("no module, package or program gains authority\n");
    } else {
        section(
            &mut shown,
            "gain authority",
            report.growth.iter().flat_map(|growth| {
                let was = growth.was.as_ref().map(|was| format!(" (before: {was})"));
                let was = was.unwrap_or_default();
                growth
                    .gained
                    .iter()
                    .map(move |line| format!("{}: {line}{was}", growth.owner))
            }),
        );
    }
    shown
}

fn section(shown: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        shown.push_str(&format!("{title}\n  {}\n", lines.join("\n  ")));
    }
}
