//! A program on disk: its manifest and lock, verified and ready to run.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use secure_runtime_capabilities::{Base, Families, ScopeError};
use secure_runtime_families::{FileKvStore, OpenKvError};
use secure_runtime_loaders::http::{AddressProblem, HttpError};
use secure_runtime_loaders::lockfile::{self, LockFileError};
use secure_runtime_loaders::resolve::{self, LockError, LockInput, Project};
use secure_runtime_loaders::secrets;
use secure_runtime_loaders::store::{
    BearerToken, HttpStore, Layered, LocalStore, Store, StoreError, StorePlaceProblem,
};
use secure_runtime_loaders::verify::{self, LoadError};
use secure_runtime_loaders::{ContentHash, Graph, GraphError};

use crate::base::{self, BaseError};
use crate::bounds::{Bounds, BoundsError};
use crate::drift;
use crate::manifest::{KvFile, MANIFEST, Manifest, ManifestError};
use crate::signatures::{self, SignatureError, Trust};
use crate::within_lock::canonical_grants;
pub use crate::within_lock::{lock_input, within_lock};
use secure_runtime_engine::{Limits, isolate_cycle};

/// The name of the lock file.
pub const LOCK: &str = "secure.lock";

/// The name of the lock's text, which is for reviewers. Nothing that runs a program reads it.
pub const LOCK_TEXT: &str = "secure.lock.txt";

/// A program in memory whose bytes are all verified.
#[derive(Debug)]
pub struct Program {
    folder: PathBuf,
    graph: Graph,
    modules: Arc<Modules>,
    limits: Limits,
    kv: Option<KvFile>,
    was_locked: bool,
    warnings: Vec<String>,
    local_store: Option<PathBuf>,
    other_stores: Vec<StorePlace>,
    families: Families,
}

/// The options for opening a program.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Refuses a program without a lock, or with a lock that is out of date.
    pub locked: bool,
    /// The grants of a program that is a single file without a manifest, in one-line form.
    pub grants: Vec<String>,
    /// The local store. `None` means that no local store is used, and blobs from other stores are not kept.
    pub local_store: Option<PathBuf>,
    /// Other stores, which are tried in this order after the local store.
    pub stores: Vec<StorePlace>,
    /// Demanded signatures of the program, in addition to those that the manifest demands.
    pub signed_by: Option<Trust>,
    /// The families that the program can be granted. The default is the built-in ones.
    pub families: Families,
}

/// The place of a store, and the token for it.
#[derive(Clone)]
pub struct StorePlace {
    /// The folder, or the `https:` or `http:` address.
    pub place: OsString,
    /// The token that is sent to this address with each request, and never to another address.
    pub token: Option<BearerToken>,
}

impl std::fmt::Debug for StorePlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("StorePlace")
            .field("place", &self.shown())
            .field("token", &self.token)
            .finish()
    }
}

impl From<&str> for StorePlace {
    /// Returns the store of this folder or address, without a token.
    fn from(place: &str) -> Self {
        OsStr::new(place).into()
    }
}

impl From<&OsStr> for StorePlace {
    /// Returns the store of this folder or address, without a token.
    fn from(place: &OsStr) -> Self {
        StorePlace {
            place: place.to_owned(),
            token: None,
        }
    }
}

impl StorePlace {
    /// Returns the place if it is an address and not a folder.
    pub fn address(&self) -> Option<&str> {
        self.place.to_str().filter(|place| place.contains("://"))
    }

    /// Returns the place for messages, without secrets.
    fn shown(&self) -> String {
        secrets::hide(&self.place.to_string_lossy()).into_owned()
    }

    /// Creates a client for the store at this address.
    pub fn http(&self) -> Result<HttpStore, StoreError> {
        let address = self.address().ok_or_else(|| StoreError::NotAStore {
            location: self.shown(),
            problem: StorePlaceProblem::Address(HttpError::Address(AddressProblem::Scheme).into()),
        })?;
        let store = HttpStore::new(address)?;
        match &self.token {
            Some(token) => store.with_token(token.clone()),
            None => Ok(store),
        }
    }

    fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        if self.address().is_some() {
            return Ok(Arc::new(self.http()?));
        }
        if self.token.is_some() {
            return Err(StoreError::NotAStore {
                location: self.shown(),
                problem: StorePlaceProblem::Token,
            });
        }
        Ok(Arc::new(LocalStore::open(&self.place)?))
    }
}

/// The reason why a program cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The manifest is invalid.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The modules could not be resolved.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The lock file is invalid or could not be read.
    #[error(transparent)]
    LockFile(#[from] LockFileError),
    /// A module could not be fetched or verified.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The program must have a lock and has none.
    #[error("{path}: there is no lock, and --locked requires one\n  help: run `secure-runtime lock` and commit {LOCK}", path = path.display())]
    NotLocked {
        /// The missing file.
        path: PathBuf,
    },
    /// The manifest allows more than the lock.
    #[error(
        "{MANIFEST} {what} than {LOCK} records\n  help: review the difference, then run `secure-runtime lock` to accept it"
    )]
    LockOutdated {
        /// The difference, as a verb and an object.
        what: String,
    },
    /// The lock differs from the result of locking the project now.
    #[error(
        "{LOCK} is out of date: {MANIFEST} or the files of the project changed\n  {}\n  help: review the difference, then run `secure-runtime lock` to accept it",
        lines.join("\n  ")
    )]
    Drift {
        /// The differences, one per line.
        lines: Vec<String>,
    },
    /// The lock contains a bound that this version does not know.
    #[error(
        "{LOCK}: {0}\n  help: use the version of secure-runtime that wrote it, or run `secure-runtime lock` and review what changed"
    )]
    UnknownBound(#[from] BoundsError),
    /// An isolate, limits or trust that the manifest says of a package which the locked program does not have.
    #[error(
        "{MANIFEST}: [packages.{package:?}] has `isolate`, `limits` or `trust`, and the locked program has no such package\n  help: correct the name, or remove them; if the program imports the package now, run `secure-runtime lock`"
    )]
    NoSuchPackage {
        /// The package's name.
        package: String,
    },
    /// Packages in isolates of their own that import each other: each would wait for the other.
    #[error(
        "{MANIFEST}: packages in isolates of their own import each other: {}\n  help: remove `isolate = true` from the table [packages.NAME] of one of them",
        packages.join(" imports ")
    )]
    IsolateCycle {
        /// Their names, the first again at the end.
        packages: Vec<String>,
    },
    /// A demanded signature is missing or invalid.
    #[error(transparent)]
    Signatures(#[from] SignatureError),
    /// The graph is invalid.
    #[error("the graph: {0}")]
    Graph(#[from] GraphError),
    /// A grant on the command line is invalid.
    #[error("--grant {grant:?}: {error}")]
    Grant {
        /// The given grant.
        grant: String,
        /// The reason.
        #[source]
        error: Box<ScopeError>,
    },
    /// `--grant` was used with a program that has a manifest.
    #[error("{path} says what the program may do; --grant is for a file without a manifest\n  help: add the grant to [grants] there", path = path.display())]
    GrantWithManifest {
        /// The manifest.
        path: PathBuf,
    },
    /// There is nothing at the path.
    #[error("{path}: does not exist\n  help: name a folder that has a secure.toml, or a JavaScript file", path = path.display())]
    NotFound {
        /// The given path.
        path: PathBuf,
    },
    /// The program must have a lock, and is a file, which has none.
    #[error("{path}: a file without a manifest has no lock, and --locked requires one", path = path.display())]
    FileNotLocked {
        /// The file.
        path: PathBuf,
    },
    /// The name of the file is not UTF-8. Names of modules are text in the lock, so such a file cannot be a module.
    #[error("{path}: its name is not UTF-8", path = path.display())]
    FileName {
        /// The file.
        path: PathBuf,
    },
    /// The folder cannot be the base of relative paths.
    #[error("{path}: {error}", path = path.display())]
    Base {
        /// The folder.
        path: PathBuf,
        /// The reason.
        #[source]
        error: BaseError,
    },
}

impl ProgramError {
    /// Returns true if bytes differ from the recorded ones (exit code 4). Returns false for wrong usage or a missing
    /// file.
    pub fn is_integrity(&self) -> bool {
        match self {
            ProgramError::LockFile(error) => error.is_integrity(),
            ProgramError::Load(error) => error.is_integrity(),
            ProgramError::Store(error) => error.is_integrity(),
            ProgramError::LockOutdated { .. }
            | ProgramError::Drift { .. }
            | ProgramError::UnknownBound(_)
            | ProgramError::NotLocked { .. }
            | ProgramError::Signatures(_) => true,
            _ => false,
        }
    }
}

/// The verified modules of a program in memory, and the stores for modules that are added while it runs.
struct Modules {
    verified: HashMap<ContentHash, Bytes>,
    stores: Layered,
}

impl fmt::Debug for Modules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name())
    }
}

impl Modules {
    /// Creates the store. `bytes` are those of the graph's modules, in the same order.
    fn new(graph: &Graph, bytes: impl IntoIterator<Item = Bytes>, stores: &Layered) -> Arc<Self> {
        let hashes = graph.modules().iter().map(|module| module.hash);
        Arc::new(Modules {
            verified: hashes.zip(bytes).collect(),
            stores: stores.clone(),
        })
    }
}

#[async_trait]
impl Store for Modules {
    fn name(&self) -> String {
        "the verified program".to_owned()
    }

    async fn get(&self, hash: &ContentHash, limit: u64) -> Result<Bytes, StoreError> {
        match self.verified.get(hash) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.stores.get(hash, limit).await,
        }
    }
}

/// Locks the program of this manifest.
///
/// # Errors
/// A module that cannot be found, or isolates that would wait for each other.
pub fn lock(folder: &Path, manifest: &Manifest) -> Result<resolve::Locked, ProgramError> {
    let locked = resolve::lock(&lock_input(folder, manifest)?)?;
    refuse_cycle(&locked.graph)?;
    Ok(locked)
}

fn refuse_cycle(graph: &Graph) -> Result<(), ProgramError> {
    match isolate_cycle(graph) {
        Some(packages) => Err(ProgramError::IsolateCycle { packages }),
        None => Ok(()),
    }
}

/// Checks that the locked program has the signatures that `options` demand.
async fn signed(options: &OpenOptions, graph: &Graph, stores: &Layered) -> Result<(), ProgramError> {
    if let Some(trust) = &options.signed_by {
        let subject = signatures::program(graph);
        signatures::check(trust, "the program", subject, stores, signatures::now()).await?;
    }
    Ok(())
}

impl Program {
    /// Opens the program at this path: a folder with a manifest, a manifest, or a single JavaScript file. Verifies
    /// every byte against the lock. Without a lock, creates one in memory.
    ///
    /// # Errors
    /// [`ProgramError`]; [`ProgramError::is_integrity`] distinguishes wrong bytes from wrong usage.
    pub async fn open(path: &Path, options: &OpenOptions) -> Result<Program, ProgramError> {
        Program::open_with_progress(path, options, &|_, _| ()).await
    }

    /// Opens a program like [`Program::open`]. While the modules of a locked program are loaded, `progress` is called
    /// with the number of bytes that are ready and the total.
    ///
    /// # Errors
    /// The same errors as [`Program::open`].
    pub async fn open_with_progress(
        path: &Path,
        options: &OpenOptions,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Program, ProgramError> {
        let mut program = Program::of_path(path, options, progress).await?;
        program.local_store = options.local_store.clone();
        program.other_stores = options.stores.clone();
        program.families = options.families.clone();
        Ok(program)
    }

    async fn of_path(
        path: &Path,
        options: &OpenOptions,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Program, ProgramError> {
        let folder = Manifest::folder_of(path);
        if folder.is_dir() {
            let manifest = Manifest::read(&folder, &options.families)?;
            if !options.grants.is_empty() {
                return Err(ProgramError::GrantWithManifest {
                    path: folder.join(MANIFEST),
                });
            }
            return Program::of_manifest(folder, manifest, options, progress).await;
        }
        let stores = stores(options)?;
        let program = Program::of_file(path, options, &stores)?;
        signed(options, &program.graph, &stores).await?;
        Ok(program)
    }

    async fn of_manifest(
        folder: PathBuf,
        manifest: Manifest,
        options: &OpenOptions,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Program, ProgramError> {
        // The stores are opened even if none is needed, so that a wrong address is always reported.
        let store = stores(options)?;
        let path = folder.join(LOCK);
        if !path.exists() {
            if options.locked {
                return Err(ProgramError::NotLocked { path });
            }
            let locked = lock(&folder, &manifest)?;
            signatures::require(&manifest, &locked.graph, &store, signatures::now()).await?;
            signed(options, &locked.graph, &store).await?;
            let program = Program::of_locked(folder, locked, manifest.limits, &store);
            return Ok(Program {
                kv: manifest.kv,
                ..program
            });
        }
        let locked = lockfile::read_lock(&path)?;
        let graph = within_lock(&locked, &manifest, &folder)?;
        refuse_cycle(&graph)?;
        signatures::require(&manifest, &locked, &store, signatures::now()).await?;
        signed(options, &locked, &store).await?;
        let project = Project::new(&folder, &manifest.imports)?;
        let drifted = drift::of_imports(&locked, &manifest, &project);
        if options.locked {
            refuse_drift(drifted.clone())?;
        }
        let total = graph.modules().iter().map(|module| module.size).sum();
        let have = AtomicU64::new(0);
        let progress = |ready: usize| {
            // Modules are ready in order, one at a time.
            let last = ready.checked_sub(1).and_then(|last| graph.modules().get(last));
            let size = last.map_or(0, |module| module.size);
            progress(have.fetch_add(size, Ordering::Relaxed) + size, total);
        };
        let bytes = verify::load_modules(&graph, &store, Some(&project), &progress).await?;
        if options.locked {
            refuse_drift(drift::of_everything(&locked, &manifest, &folder, &project)?)?;
        }
        let required = drift::of_requires(&locked, &manifest, &project, &bytes);
        let drifted = drifted
            .into_iter()
            .chain(required)
            .map(|line| format!("{LOCK} is out of date, and the locked program runs: {line}"));
        let distrusted = store.distrusted();
        let warnings = distrusted.iter().map(ToString::to_string).chain(drifted);
        Ok(Program {
            folder,
            modules: Modules::new(&graph, bytes, &store),
            graph,
            limits: manifest.limits,
            kv: manifest.kv,
            was_locked: true,
            warnings: warnings.collect(),
            local_store: None,
            other_stores: Vec::new(),
            families: Families::default(),
        })
    }

    fn of_file(path: &Path, options: &OpenOptions, stores: &Layered) -> Result<Program, ProgramError> {
        let path = path.to_owned();
        if !path.exists() {
            return Err(ProgramError::NotFound { path });
        }
        if options.locked {
            return Err(ProgramError::FileNotLocked { path });
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| ProgramError::FileName { path: path.clone() })?;
        let base = base_of(&folder)?;
        let families = &options.families;
        for grant in &options.grants {
            let family = grant.split(['.', '=']).next().unwrap_or_default();
            families
                .parse_grant(grant, &base)
                .and_then(|_| families.program_family(family))
                .map_err(|error| ProgramError::Grant {
                    grant: grant.clone(),
                    error: Box::new(error),
                })?;
        }
        let input = LockInput {
            root: folder.clone(),
            entry: name.to_owned(),
            app_grants: canonical_grants(families, &options.grants)?,
            bounds: [(
                String::new(),
                Bounds::of_program(&Limits::default(), None).lines(),
            )]
            .into(),
            ..LockInput::default()
        };
        Ok(Program::of_locked(
            folder,
            resolve::lock(&input)?,
            Limits::default(),
            stores,
        ))
    }

    fn of_locked(folder: PathBuf, locked: resolve::Locked, limits: Limits, stores: &Layered) -> Program {
        Program {
            folder,
            modules: Modules::new(&locked.graph, locked.bytes, stores),
            graph: locked.graph,
            limits,
            kv: None,
            was_locked: false,
            warnings: locked.warnings.iter().map(ToString::to_string).collect(),
            local_store: None,
            other_stores: Vec::new(),
            families: Families::default(),
        }
    }

    /// Returns the folder that relative paths refer to.
    pub fn base(&self) -> &Path {
        &self.folder
    }

    /// Returns the families that the program can be granted.
    pub fn families(&self) -> &Families {
        &self.families
    }

    /// Returns the graph of the program: its modules and their grants.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns a store with the verified bytes of every module in memory. Modules that are added at run time come from
    /// the stores that the program was opened with.
    pub fn store(&self) -> Arc<dyn Store> {
        self.modules.clone()
    }

    /// Returns the local store that the program was opened with, and the other stores.
    pub fn stores(&self) -> (Option<&Path>, &[StorePlace]) {
        (self.local_store.as_deref(), &self.other_stores)
    }

    /// Returns the file in which the entries of `kv` are kept, if the manifest names one.
    pub fn kv_file(&self) -> Option<PathBuf> {
        let kv = self.kv.as_ref()?;
        Some(self.folder.join(&kv.file))
    }

    /// Opens the store of [`Program::kv_file`]. The embedder passes it to the runtime.
    ///
    /// # Errors
    /// [`OpenKvError`], also if the file would be outside of the program's folder.
    pub fn open_kv(&self) -> Result<Option<FileKvStore>, OpenKvError> {
        let kv = self.kv.as_ref();
        kv.map(|kv| FileKvStore::open_beneath(&self.folder, &kv.file, kv.size))
            .transpose()
    }

    /// Returns the limits that the manifest sets.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns true if there was a lock file, which then was enforced.
    pub fn was_locked(&self) -> bool {
        self.was_locked
    }

    /// Returns warnings for the user that are not errors.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Refuses a lock that is out of date.
///
/// # Errors
/// [`ProgramError::Drift`] if there are lines.
pub fn refuse_drift(lines: Vec<String>) -> Result<(), ProgramError> {
    if lines.is_empty() {
        Ok(())
    } else {
        Err(ProgramError::Drift { lines })
    }
}

/// Opens the stores of the options, the local one first.
pub fn stores(options: &OpenOptions) -> Result<Layered, ProgramError> {
    let mut layered = Layered::new();
    if let Some(folder) = &options.local_store {
        layered = layered.with_local(LocalStore::create(folder)?);
    }
    for place in &options.stores {
        layered = layered.with(place.open()?);
    }
    Ok(layered)
}

/// Returns the folder of relative paths, with its links resolved. If its path is not UTF-8, relative scopes and
/// resources of `fs` are refused, because they are text.
///
/// # Errors
/// [`ProgramError::Base`]: the folder does not exist, or its path is too long.
pub fn base_of(folder: &Path) -> Result<Base, ProgramError> {
    base::resolve(folder).map_err(|error| ProgramError::Base {
        path: folder.to_owned(),
        error,
    })
}
