use std::fmt;
use std::path::PathBuf;

use secure_runtime_text::Cause;

use crate::files::FileError;
use crate::graph::GraphError;
use crate::syntax::SyntaxProblem;
use crate::text::printable;
use crate::wasm::WasmProblem;

/// An error of locking a project. No variant is an integrity error, because locking decides which bytes are right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The project's folder does not exist or cannot be read.
    #[error("the project's folder {path}: {error}")]
    Root {
        /// The folder.
        path: PathBuf,
        /// The reason.
        #[source]
        error: FileError,
    },
    /// An entry of `[imports]` is wrong.
    #[error("[imports] \"{}\": {problem}", printable(key))]
    ImportMap {
        /// The key in `[imports]`.
        key: String,
        /// The reason.
        #[source]
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
    /// The entry module cannot be used.
    #[error("the entry \"{}\": {problem}", printable(entry))]
    Entry {
        /// The entry module as given.
        entry: String,
        /// The reason.
        #[source]
        problem: Box<ImportProblem>,
    },
    /// An import cannot be resolved.
    #[error("{place}: cannot import \"{}\": {problem}", printable(specifier))]
    Import {
        /// The position of the import.
        place: Place,
        /// The specifier.
        specifier: String,
        /// The reason.
        #[source]
        problem: Box<ImportProblem>,
    },
    /// The manifest has grants for a package that the program does not import.
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
        "[packages.\"{0}\"]: no module imports this package, so `isolate`, `limits` and `trust` there have no effect; \
         import it, or remove them",
        printable(name)
    )]
    PackageNotImported {
        /// The package's name.
        name: String,
    },
    /// The manifest has grants for a module that the program does not import.
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
    /// The resulting graph would violate a rule of spec/graph.md.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The thread that reads the modules could not be started.
    #[error("no thread for reading the modules: {0}")]
    Thread(
        /// The [`std::io::Error`].
        #[source]
        Cause,
    ),
    /// The thread that reads the modules panicked. This is a bug in secure-runtime.
    #[error("no thread for reading the modules: it ended early")]
    Panicked,
}

impl LockError {
    /// Always returns false, because locked files have no expected hash yet.
    #[must_use]
    pub fn is_integrity(&self) -> bool {
        false
    }

    /// Returns true if a file has a syntax error, so that its text is wrong and not its place.
    #[must_use]
    pub fn is_syntax(&self) -> bool {
        match self {
            Self::Entry { problem, .. } | Self::Import { problem, .. } => {
                matches!(**problem, ImportProblem::Syntax { .. })
            }
            _ => false,
        }
    }

    /// Returns true if the error is in a file of an installed package, which users should not edit.
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

/// A position in a source file. Lines and columns are counted from 1, and columns count characters. In WebAssembly, the
/// column counts bytes and the line is always 1.
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

/// The reason why an import, an entry or a module is rejected, with a hint for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportProblem {
    /// The specifier is empty.
    #[error("it is empty")]
    Empty,
    /// The specifier has a character that is not allowed.
    #[error("it has a backslash, a control character or an invisible character")]
    Character,
    /// A percent-encoding is malformed or encodes a separator.
    #[error("it has a percent-encoding that is malformed or stands for / \\ % ? # or NUL")]
    Encoding,
    /// The specifier has a query or a fragment.
    #[error("it has a `?` or `#` part, which is not supported; remove it")]
    QueryOrFragment,
    /// The path is absolute.
    #[error("it is not relative; write a path that begins with `./` or `../`")]
    Absolute,
    /// The path names a folder.
    #[error("it names a folder; name the file, for example `./lib/index.js`")]
    Folder,
    /// The scheme is not `cap:`.
    #[error("{}", scheme_hint(scheme))]
    Scheme {
        /// The scheme, in lower case.
        scheme: String,
    },
    /// The specifier is not a valid package name.
    #[error("it is not the name of a package; for a file, write a path that begins with `./`")]
    PackageName,
    /// An import attribute is not a known `type`.
    #[error("the attribute {key}: \"{value}\" is not supported; `type` is \"json\", \"text\" or \"bytes\"")]
    Attribute {
        /// The attribute's key.
        key: String,
        /// The attribute's value.
        value: String,
    },
    /// The import uses `import source` or `import defer`.
    #[error("`import source` and `import defer` are not supported")]
    Phase,
    /// A JSON module is imported without the attribute `type: "json"`.
    #[error("it is JSON; add `with {{ type: \"json\" }}`")]
    JsonNeedsAttribute,
    /// A file that is not `.json` is imported with `type: "json"`.
    #[error("it is imported as JSON, but is not a .json file")]
    NotJson,
    /// A bare name is not in `[imports]`.
    #[error("the manifest does not import it; add to secure.toml: [imports] {suggestion}")]
    NotListed {
        /// A suggested line for `[imports]`.
        suggestion: String,
    },
    /// A `#` name is neither in `[imports]` nor in the package's `imports`.
    #[error(
        "there is no \"{}\" among the imports of this package{}",
        printable(specifier),
        conditions_tried(conditions)
    )]
    NotInternal {
        /// The specifier.
        specifier: String,
        /// The conditions that were tried. Empty if conditions do not apply.
        conditions: &'static [&'static str],
    },
    /// A value of `[imports]` has an unknown form.
    #[error("its value is `npm:NAME@VERSION`, or a path that begins with `./`")]
    Value,
    /// The version is a range.
    #[error(
        "\"{}\" is not an exact version; write the version that is installed{}",
        printable(range),
        installed_hint(installed)
    )]
    VersionRange {
        /// The text in place of the version.
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
    /// The package is not installed.
    #[error(
        "the package {name} is not in a node_modules folder of the project; install it with your npm client"
    )]
    NotInstalled {
        /// The package's name.
        name: String,
    },
    /// The file or folder does not exist.
    #[error("there is no file {}{}", path.display(), suggestion.as_deref().map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
    NotFound {
        /// The path.
        path: PathBuf,
        /// An existing file with a similar name.
        suggestion: Option<String>,
    },
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// The reason.
        #[source]
        error: FileError,
    },
    /// The path leaves the package (or project) through `..`.
    #[error("it leads out of the folder of its package")]
    LeavesPackage,
    /// The path leaves the package (or project) through a symbolic link.
    #[error("{} leads out of its package's folder by a symbolic link, to {}", path.display(), target.display())]
    SymbolicLink {
        /// The path.
        path: PathBuf,
        /// The target of the link.
        target: PathBuf,
    },
    /// The path is in a node_modules folder.
    #[error("{} is in a node_modules folder; import the package by its name, listed in [imports]", path.display())]
    NodeModules {
        /// The path.
        path: PathBuf,
    },
    /// The path is in a package of `[imports]`.
    #[error(
        "it belongs to the package \"{package}\"; import it by that name, so that it has that package's grants"
    )]
    OtherPackage {
        /// The package's name.
        package: String,
    },
    /// The package folder is the project's folder or contains it.
    #[error(
        "a package's folder must be below the project's folder, and must not contain the project's own files"
    )]
    WholeProject,
    /// The package is a single file and has no other files.
    #[error("the package is a single file; to let it import others, list its folder in [imports]")]
    SingleFile,
    /// A package.json cannot be read.
    #[error("{}: {cause}", path.display())]
    PackageJson {
        /// The path.
        path: PathBuf,
        /// The [`serde_json::Error`].
        #[source]
        cause: Cause,
    },
    /// The package's `exports` do not provide the subpath under the conditions of this runtime.
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
    /// The file is in the folder whose name is reserved for modules that are left out.
    #[error(
        "{} is in a folder `browser:false`, a name that is reserved for modules that are left out; rename the folder",
        path.display()
    )]
    Reserved {
        /// The file.
        path: PathBuf,
    },
    /// An `exports` or `imports` field has an invalid structure.
    #[error("the package's package.json has wrong `exports` or `imports`: {reason}")]
    Exports {
        /// The reason.
        reason: &'static str,
    },
    /// A target in `exports` or `imports` is not a path below the package's folder.
    #[error(
        "the package's package.json has the target {}, which is not a path below its folder",
        printable(target)
    )]
    ExportTarget {
        /// The target.
        target: String,
    },
    /// The package has no entry file.
    #[error("the package in {} has neither `exports`, `module`, `main` nor index.js", path.display())]
    NoEntry {
        /// The package's folder.
        path: PathBuf,
    },
    /// The file is imported as two different kinds of module.
    #[error("{} is imported as {first} elsewhere in the program, and here as {second}; import it in the same way everywhere", path.display())]
    TwoKinds {
        /// The file.
        path: PathBuf,
        /// The kind of the first import.
        first: &'static str,
        /// The kind of this import.
        second: &'static str,
    },
    /// The runtime does not support this kind of file.
    #[error("{} is not a .js, .mjs, .cjs, .ts, .mts, .json or .wasm file{}", path.display(), extension_hint(path))]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// The file only declares types.
    #[error("{} only declares types; import it with `import type`", path.display())]
    DeclarationFile {
        /// The file.
        path: PathBuf,
    },
    /// An installed package contains TypeScript.
    #[error(
        "{} is TypeScript in a node_modules folder, whose packages are JavaScript; import the compiled JavaScript of the package, \
         or copy it into a folder of the project and list that in [imports]",
        path.display()
    )]
    InstalledTypeScript {
        /// The file.
        path: PathBuf,
    },
    /// The file is not UTF-8.
    #[error("{} is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The module has a syntax error.
    #[error("{}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The position and the reason.
        #[source]
        problem: SyntaxProblem,
    },
    /// The WebAssembly module is invalid, or uses a feature that is not supported.
    #[error("{} is not a WebAssembly module that runs here: {problem}", path.display())]
    WebAssembly {
        /// The file.
        path: PathBuf,
        /// The position and the reason.
        #[source]
        problem: WasmProblem,
    },
    /// A CommonJS module requires a WebAssembly module.
    #[error("it is WebAssembly, which `require` cannot load; import it in an ECMAScript module")]
    RequiredWebAssembly,
    /// The entry is a WebAssembly module.
    #[error("it is WebAssembly; write a JavaScript module that imports it")]
    EntryWebAssembly,
    /// The file name is not valid for a module.
    #[error("{error}")]
    FileName {
        /// The rule that it violates.
        #[source]
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
        scheme => format!("the scheme `{}:` is not supported", printable(scheme)),
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
