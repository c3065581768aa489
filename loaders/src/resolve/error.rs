use std::fmt;
use std::path::PathBuf;

use crate::files::FileError;
use crate::graph::GraphError;
use crate::syntax::SyntaxProblem;
use crate::text::printable;
use crate::wasm::WasmProblem;

/// Why a project cannot be locked. None of these is an integrity error: locking is what decides
/// which bytes are right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The project's folder does not exist or cannot be read.
    #[error("the project's folder {path}: {error}")]
    Root {
        /// The folder.
        path: PathBuf,
        /// What went wrong.
        error: FileError,
    },
    /// An entry of `[imports]` is wrong.
    #[error("[imports] \"{}\": {problem}", printable(key))]
    ImportMap {
        /// The key in `[imports]`.
        key: String,
        /// What is wrong with it.
        problem: Box<ImportProblem>,
    },
    /// Two entries of `[imports]` name the same files, which would then have two sets of grants.
    #[error("[imports] \"{first}\" and \"{second}\" are the same files; keep one of the names")]
    SameFiles {
        /// The first key.
        first: String,
        /// The second key.
        second: String,
    },
    /// The entry cannot be used.
    #[error("the entry \"{}\": {problem}", printable(entry))]
    Entry {
        /// The entry as given.
        entry: String,
        /// What is wrong with it.
        problem: Box<ImportProblem>,
    },
    /// An import cannot be resolved.
    #[error("{place}: cannot import \"{}\": {problem}", printable(specifier))]
    Import {
        /// Where the import stands.
        place: Place,
        /// What it imports.
        specifier: String,
        /// Why that is nothing.
        problem: Box<ImportProblem>,
    },
    /// Grants were given to a package that the program does not import.
    #[error(
        "[packages.\"{}\"]: there is no such package; the packages are: {}",
        printable(name),
        list(known)
    )]
    UnknownPackage {
        /// The name as given.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// An isolate, limits or trust are said of a package that the program has in `[imports]` and imports nowhere.
    #[error(
        "[packages.\"{0}\"]: no module imports this package, so `isolate`, `limits` and `trust` there are about nothing; \
         import it, or take them out",
        printable(name)
    )]
    PackageNotImported {
        /// The package's name.
        name: String,
    },
    /// Grants were given to a module that the program does not import.
    #[error(
        "[modules.\"{}\"]: there is no such first-party module; the modules are: {}",
        printable(name),
        list(known)
    )]
    UnknownModule {
        /// The name as given.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// What was found breaks a rule of graphs.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The thread that reads the modules could not be started.
    #[error("no thread for reading the modules: {message}")]
    Thread {
        /// The operating system's reason.
        message: String,
    },
}

impl LockError {
    /// Always false: nothing was promised about the files that are locked.
    #[must_use]
    pub fn is_integrity(&self) -> bool {
        false
    }

    /// Whether what is wrong stands in a file of an installed package, which nobody should edit.
    #[must_use]
    pub fn is_in_installed_package(&self) -> bool {
        let Self::Import { place, problem, .. } = self else {
            return false;
        };
        let of_problem = match &**problem {
            ImportProblem::PackageJson { path, .. }
            | ImportProblem::File { path, .. }
            | ImportProblem::NotText { path }
            | ImportProblem::Syntax { path, .. }
            | ImportProblem::WebAssembly { path, .. }
            | ImportProblem::NoEntry { path }
            | ImportProblem::Extension { path } => is_installed(path),
            _ => false,
        };
        of_problem || is_installed(std::path::Path::new(&place.file))
    }
}

fn is_installed(path: &std::path::Path) -> bool {
    path.iter().any(|part| part == "node_modules")
}

/// A place in a source file. Lines and columns are counted from 1, columns in characters; in WebAssembly, in bytes, and all is one
/// line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's path, relative to the project's folder.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}:{}",
            printable(&self.file),
            self.line,
            self.column
        )
    }
}

/// What is wrong with an import, an entry or a module, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportProblem {
    /// The specifier is empty.
    #[error("it is empty")]
    Empty,
    /// A character that may not stand in a specifier.
    #[error("it has a backslash, a control character or an invisible character")]
    Character,
    /// A percent-encoding that is malformed or hides a separator.
    #[error("it has a percent-encoding that is malformed or stands for / \\ % ? # or NUL")]
    Encoding,
    /// A query or a fragment.
    #[error("it has a `?` or `#` part, which names nothing here; leave it out")]
    QueryOrFragment,
    /// A path from the root.
    #[error("it is not relative; write a path that begins with `./` or `../`")]
    Absolute,
    /// A path that names a folder.
    #[error("it names a folder; name the file, for example `./lib/index.js`")]
    Folder,
    /// A scheme other than `cap:`.
    #[error("{}", scheme_hint(scheme))]
    Scheme {
        /// The scheme, in lower case.
        scheme: String,
    },
    /// Not the form of a package's name.
    #[error("it is no package's name; for a file write a path that begins with `./`")]
    PackageName,
    /// An import attribute other than a known `type`.
    #[error("the attribute {key}: \"{value}\" is not supported; `type` is \"json\", \"text\" or \"bytes\"")]
    Attribute {
        /// The attribute's key.
        key: String,
        /// Its value.
        value: String,
    },
    /// `import source` or `import defer`.
    #[error("`import source` and `import defer` are not supported")]
    Phase,
    /// A JSON module without the attribute that announces it.
    #[error("it is JSON; add `with {{ type: \"json\" }}`")]
    JsonNeedsAttribute,
    /// A module that is announced as JSON but is not a `.json` file.
    #[error("it is announced as JSON but is no .json file")]
    NotJson,
    /// A bare name that `[imports]` does not have.
    #[error("the manifest does not import it; add to secure.toml: [imports] {suggestion}")]
    NotListed {
        /// A line for `[imports]`.
        suggestion: String,
    },
    /// A `#` name that `[imports]`, or the package's `imports`, does not have.
    #[error(
        "there is no \"{}\" among the imports of this package{}",
        printable(specifier),
        conditions_tried(conditions)
    )]
    NotInternal {
        /// The specifier.
        specifier: String,
        /// The conditions that were tried; none where conditions have no part in it.
        conditions: &'static [&'static str],
    },
    /// A value of `[imports]` of an unknown form.
    #[error("its value is `npm:NAME@VERSION`, or a path that begins with `./`")]
    Value,
    /// A version range.
    #[error(
        "\"{}\" is no exact version; write the version that is installed{}",
        printable(range),
        installed_hint(installed)
    )]
    VersionRange {
        /// What stands where the version should.
        range: String,
        /// The version that is installed.
        installed: Option<String>,
    },
    /// Another version is installed.
    #[error("version {wanted} is wanted but {} is installed in {}; install {wanted} or change [imports]",
        installed.as_deref().map_or("one without a version".to_owned(), printable), path.display())]
    Version {
        /// The version in `[imports]`.
        wanted: String,
        /// The version in package.json.
        installed: Option<String>,
        /// The package's folder.
        path: PathBuf,
    },
    /// A package that is not installed.
    #[error(
        "the package {name} is not in a node_modules folder of the project; install it with your npm client"
    )]
    NotInstalled {
        /// The package's name.
        name: String,
    },
    /// A file or folder that does not exist.
    #[error("there is no file {}{}", path.display(), suggestion.as_deref().map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
    NotFound {
        /// Its path.
        path: PathBuf,
        /// A file that does exist.
        suggestion: Option<String>,
    },
    /// A file that cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: FileError,
    },
    /// A path that leads out of the package (or project) by `..`.
    #[error("it leads out of the folder of its package")]
    LeavesPackage,
    /// A path that leads out of the package (or project) by a symbolic link.
    #[error("{} leads out of its package's folder by a symbolic link, to {}", path.display(), target.display())]
    SymbolicLink {
        /// The path.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A path into a node_modules folder.
    #[error("{} is in a node_modules folder; import the package by its name, listed in [imports]", path.display())]
    NodeModules {
        /// The path.
        path: PathBuf,
    },
    /// A path into a package of `[imports]`.
    #[error(
        "it belongs to the package \"{package}\"; import it by that name, so that it has that package's grants"
    )]
    OtherPackage {
        /// The package's name.
        package: String,
    },
    /// A package folder that is the project itself, or contains it.
    #[error("a package's folder is below the project's folder and has not the project's own files")]
    WholeProject,
    /// A package that is one file has no other files.
    #[error("the package is a single file; to let it import others, list its folder in [imports]")]
    SingleFile,
    /// A package.json that cannot be read.
    #[error("{}: {message}", path.display())]
    PackageJson {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A subpath that the package's `exports` do not offer to this runtime.
    #[error(
        "the package's package.json does not export \"{}\"{}",
        printable(subpath),
        conditions_tried(conditions)
    )]
    NotExported {
        /// `.` or `./…`.
        subpath: String,
        /// The conditions that were tried.
        conditions: &'static [&'static str],
    },
    /// A file in a folder whose name is kept for modules that stand for nothing.
    #[error(
        "{} is in a folder `browser:false`, which is kept for what packages do without; rename the folder",
        path.display()
    )]
    Reserved {
        /// The file.
        path: PathBuf,
    },
    /// An `exports` or `imports` field of wrong structure.
    #[error("the package's package.json has wrong `exports` or `imports`: {reason}")]
    Exports {
        /// What is wrong.
        reason: &'static str,
    },
    /// A target in `exports` or `imports` that is no path below the package's folder.
    #[error(
        "the package's package.json has the target {}, which is no path below its folder",
        printable(target)
    )]
    ExportTarget {
        /// The target.
        target: String,
    },
    /// A package without a file to begin with.
    #[error("the package in {} has neither `exports`, `module`, `main` nor index.js", path.display())]
    NoEntry {
        /// The package's folder.
        path: PathBuf,
    },
    /// A file that is imported as two different things.
    #[error("{} is imported as {first} elsewhere in the program, and here as {second}; a file is one thing", path.display())]
    TwoKinds {
        /// The file.
        path: PathBuf,
        /// What it was imported as first.
        first: &'static str,
        /// What it is imported as here.
        second: &'static str,
    },
    /// A file of a kind that does not run here.
    #[error("{} is no .js, .mjs, .cjs, .ts, .mts, .json or .wasm file{}", path.display(), extension_hint(path))]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// A file that says what types another has.
    #[error("{} only declares types; import it with `import type`", path.display())]
    DeclarationFile {
        /// The file.
        path: PathBuf,
    },
    /// TypeScript of a package that was installed.
    #[error(
        "{} is TypeScript in a node_modules folder, whose packages are JavaScript; import what the package was compiled to, \
         or copy it into a folder of the project and list that in [imports]",
        path.display()
    )]
    InstalledTypeScript {
        /// The file.
        path: PathBuf,
    },
    /// A file that is not UTF-8.
    #[error("{} is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A module that does not parse.
    #[error("{}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        problem: SyntaxProblem,
    },
    /// A WebAssembly module that is not valid, or has what is not supported.
    #[error("{}: no WebAssembly module that runs here: {problem}", path.display())]
    WebAssembly {
        /// The file.
        path: PathBuf,
        /// Where and what.
        problem: WasmProblem,
    },
    /// A WebAssembly module that CommonJS requires.
    #[error("it is WebAssembly, which `require` does not give; import it, in an ECMAScript module")]
    RequiredWebAssembly,
    /// A WebAssembly module as the entry.
    #[error("it is WebAssembly; write a JavaScript module that imports it")]
    EntryWebAssembly,
    /// A file whose name no module can have.
    #[error("{error}")]
    FileName {
        /// The rule that it breaks.
        error: GraphError,
    },
}

fn scheme_hint(scheme: &str) -> String {
    match scheme {
        "node" => "Node's modules do not exist here; rights are imported from \"cap:self\"".to_owned(),
        "http" | "https" => {
            "code is not imported from the network; vendor it or install it, and lock it".to_owned()
        }
        "npm" | "jsr" => "name the package in [imports] of secure.toml and import it by that name".to_owned(),
        "data" | "blob" | "javascript" => {
            format!("code from a {scheme}: address is not in the lock; make it a file")
        }
        "file" => "write a path that begins with `./`".to_owned(),
        scheme => format!("the scheme `{}:` names nothing here", printable(scheme)),
    }
}

fn conditions_tried(conditions: &[&str]) -> String {
    if conditions.is_empty() {
        return String::new();
    }
    format!(
        " under any of the conditions that are tried here: {}",
        conditions.join(", ")
    )
}

fn installed_hint(installed: &Option<String>) -> String {
    installed
        .as_deref()
        .map(|version| format!(": {}", printable(version)))
        .unwrap_or_default()
}

fn extension_hint(path: &std::path::Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("cts") => "; write an ECMAScript module instead (.ts or .mts)",
        Some("tsx" | "jsx") => "; JSX has to be compiled to JavaScript first",
        Some("node") => "; native code has every right and does not run here",
        _ => "",
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "(none)".to_owned();
    }
    let shown: Vec<String> = names.iter().take(20).map(|name| printable(name)).collect();
    let more = names.len().saturating_sub(shown.len());
    if more == 0 {
        shown.join(", ")
    } else {
        format!("{} and {more} more", shown.join(", "))
    }
}
