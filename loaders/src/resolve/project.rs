//! The folder of a project, and the locations of its packages.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{ImportProblem, LockError};
use super::import_map::{ImportMap, PackageSource};
use super::package_json::PackageJson;
use super::specifier;

/// A project: the folder of its manifest, and the manifest's `[imports]`.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
    pub(super) map: ImportMap,
}

/// The location of one package. Two packages are the same exactly if their homes are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Home {
    /// The folder, or the single file, without symbolic links.
    path: PathBuf,
    /// True if the package is a single file.
    single_file: bool,
}

impl Home {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_single_file(&self) -> bool {
        self.single_file
    }

    /// Returns the folder that the paths of the package's modules are relative to.
    pub(super) fn folder(&self) -> &Path {
        if self.single_file {
            self.path.parent().unwrap_or(&self.path)
        } else {
            &self.path
        }
    }

    /// Returns the file of the module with `path` in this package.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.folder().join(path)
    }

    /// Returns the path in this package of `file`, which must be below its folder.
    pub(super) fn path_of<'a>(&self, file: &'a Path) -> Option<&'a str> {
        file.strip_prefix(self.folder()).ok()?.to_str()
    }
}

impl Project {
    /// Creates the project in the folder `root` with the entries `imports` of its manifest. Does not check that
    /// packages are installed.
    ///
    /// # Errors
    /// Returns an error if the folder does not exist, or if an entry has none of the forms that spec/graph.md lists.
    pub fn new(root: &Path, imports: &BTreeMap<String, String>) -> Result<Self, LockError> {
        let root = root.canonicalize().map_err(|error| LockError::Root {
            path: root.to_owned(),
            error: error.into(),
        })?;
        Ok(Self {
            root,
            map: ImportMap::parse(imports)?,
        })
    }

    /// Returns the project's folder, without symbolic links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns `path` for messages: relative to the project if it is inside.
    #[must_use]
    pub fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    /// Returns the home of the program itself.
    pub(super) fn app(&self) -> Home {
        Home {
            path: self.root.clone(),
            single_file: false,
        }
    }

    /// Returns the home of the package that a graph calls `name`.
    ///
    /// A graph records no folders, because package managers lay out node_modules differently. The name of a package
    /// describes how it was found, and this function follows the same steps again.
    pub(crate) fn home(&self, name: &str) -> Result<Home, ImportProblem> {
        if name.is_empty() {
            return Ok(self.app());
        }
        let mut names = name.split('>');
        let mut home = self.direct(names.next().unwrap_or_default())?;
        for name in names {
            home = self.dependency(&home, name)?;
        }
        Ok(home)
    }

    /// Returns the home of the package that the manifest imports as `alias`.
    pub(super) fn direct(&self, alias: &str) -> Result<Home, ImportProblem> {
        match self.map.packages.get(alias) {
            None if specifier::is_of_node(alias) => Err(of_node()),
            None => Err(ImportProblem::NotListed {
                suggestion: self.suggestion(alias),
            }),
            Some(PackageSource::Npm { name, .. }) => {
                let folder = self.root.join("node_modules").join(name);
                if !folder.is_dir() {
                    return Err(ImportProblem::NotInstalled { name: name.clone() });
                }
                self.installed(&folder)
            }
            Some(PackageSource::Path(path)) => {
                let path = self.real(&self.root.join(path))?;
                if path == self.root {
                    return Err(ImportProblem::WholeProject);
                }
                Ok(Home {
                    single_file: !path.is_dir(),
                    path,
                })
            }
        }
    }

    /// Checks that the package `alias` has the version that the manifest requires.
    pub(super) fn check_version(&self, alias: &str, home: &Home) -> Result<(), ImportProblem> {
        let Some(PackageSource::Npm {
            version: Some(wanted),
            ..
        }) = self.map.packages.get(alias)
        else {
            return Ok(());
        };
        let package_json = PackageJson::read(home.path())?.unwrap_or_default();
        if package_json.version() == Some(wanted) {
            return Ok(());
        }
        Err(ImportProblem::Version {
            wanted: wanted.clone(),
            installed: package_json.version().map(str::to_owned),
            path: self.shown(home.path()),
        })
    }

    /// Returns the home of the package that the package in `from` imports as `name`. It searches node_modules in the
    /// package's folder and in the folders above, but never above the project.
    pub(super) fn dependency(&self, from: &Home, name: &str) -> Result<Home, ImportProblem> {
        for folder in from
            .folder()
            .ancestors()
            .take_while(|folder| folder.starts_with(&self.root))
        {
            if folder.file_name().is_some_and(|last| last == "node_modules") {
                continue;
            }
            let candidate = folder.join("node_modules").join(name);
            if candidate.is_dir() {
                return self.installed(&candidate);
            }
        }
        if specifier::is_of_node(name) {
            return Err(of_node());
        }
        Err(ImportProblem::NotInstalled {
            name: name.to_owned(),
        })
    }

    /// Returns the home of the package in `folder`, which is in a node_modules folder. A symbolic link is followed.
    /// Package managers link to packages elsewhere in node_modules, and to the packages of a workspace, which are
    /// folders of the project.
    fn installed(&self, folder: &Path) -> Result<Home, ImportProblem> {
        let path = self.real(folder)?;
        // Otherwise the package would contain the files of the project or of other packages.
        if path == self.root || path.file_name().is_some_and(|name| name == "node_modules") {
            return Err(ImportProblem::WholeProject);
        }
        let below = path.strip_prefix(&self.root).unwrap_or(&path);
        let is_installed = below.iter().any(|part| part == "node_modules");
        // A folder outside of node_modules counts as a workspace package only if it has a package.json.
        if !is_installed && !path.join("package.json").is_file() {
            return Err(ImportProblem::SymbolicLink {
                path: self.shown(folder),
                target: self.shown(&path),
            });
        }
        Ok(Home {
            path,
            single_file: false,
        })
    }

    /// Returns `path` without symbolic links. The result must be inside the project.
    pub(super) fn real(&self, path: &Path) -> Result<PathBuf, ImportProblem> {
        let real = path.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ImportProblem::NotFound {
                path: self.shown(path),
                suggestion: self.neighbour(path),
            },
            _ => ImportProblem::File {
                path: self.shown(path),
                error: error.into(),
            },
        })?;
        if real.starts_with(&self.root) {
            Ok(real)
        } else {
            Err(ImportProblem::SymbolicLink {
                path: self.shown(path),
                target: real,
            })
        }
    }

    /// Returns an existing file that the user may have meant by `path`.
    fn neighbour(&self, path: &Path) -> Option<String> {
        let name = path.file_name()?.to_str()?;
        let candidates = [
            format!("{name}.js"),
            format!("{name}.mjs"),
            format!("{name}.ts"),
            // TypeScript's compiler requires importers to write the name of the output file.
            Path::new(name).with_extension("ts").display().to_string(),
            Path::new(name).with_extension("mts").display().to_string(),
            format!("{name}/index.js"),
            format!("{name}.json"),
        ];
        candidates
            .into_iter()
            .find(|candidate| path.with_file_name(candidate).is_file())
    }

    /// Returns a line for `[imports]` that would make the bare name `name` a package.
    fn suggestion(&self, name: &str) -> String {
        let installed = PackageJson::read(&self.root.join("node_modules").join(name))
            .ok()
            .flatten();
        let key = if name.contains(['/', '@', '.', '~']) {
            format!("\"{name}\"")
        } else {
            name.to_owned()
        };
        match installed.as_ref().and_then(PackageJson::version) {
            Some(version) => format!("{key} = \"npm:{name}@{version}\""),
            None => format!("{key} = \"npm:{name}@VERSION\""),
        }
    }
}

fn of_node() -> ImportProblem {
    ImportProblem::Scheme {
        scheme: "node".to_owned(),
    }
}
