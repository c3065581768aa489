//! A program on disk: manifest and lock, verified and ready to run.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use secure_runtime_capabilities::{Base, Families, Rights};
use secure_runtime_loaders::lockfile::{self, LockFileError};
use secure_runtime_loaders::resolve::{self, LockError, LockInput, Project};
use secure_runtime_loaders::store::{BearerToken, HttpStore, Layered, LocalStore, Store, StoreError};
use secure_runtime_loaders::verify::{self, LoadError};
use secure_runtime_loaders::{ContentHash, Graph, GraphError, Package};

use crate::manifest::{MANIFEST, Manifest, ManifestError};
use crate::runtime::Limits;
use crate::signatures::{self, SignatureError, Trust};

/// The lock's file name.
pub(crate) const LOCK: &str = "secure.lock";

/// A program whose every byte was verified, in memory.
#[derive(Debug)]
pub struct Program {
    folder: PathBuf,
    graph: Graph,
    modules: Arc<Modules>,
    limits: Limits,
    was_locked: bool,
    warnings: Vec<String>,
    local_store: Option<PathBuf>,
    other_stores: Vec<StorePlace>,
}

/// How to open a program.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Refuse a program that has no lock.
    pub locked: bool,
    /// The grants of a program that is one file without a manifest, in their one-line form.
    pub grants: Vec<String>,
    /// The local store; None: none is asked, and what other stores answer is not kept.
    pub local_store: Option<PathBuf>,
    /// Other stores, asked in this order after the local one.
    pub stores: Vec<StorePlace>,
    /// Whose signatures of the program are demanded, besides what its manifest demands.
    pub signed_by: Option<Trust>,
}

/// Where a store is, and what it is shown.
#[derive(Clone, Debug)]
pub struct StorePlace {
    /// The folder, or the address of `https:` or `http:`.
    pub place: String,
    /// The token that is sent to this address with each request, and nowhere else.
    pub token: Option<BearerToken>,
}

impl From<&str> for StorePlace {
    /// The store of this folder or address, which is shown no token.
    fn from(place: &str) -> Self {
        StorePlace {
            place: place.to_owned(),
            token: None,
        }
    }
}

impl StorePlace {
    /// Whether it is an address and not a folder.
    pub(crate) fn is_address(&self) -> bool {
        self.place.contains("://")
    }

    /// The store at this address.
    pub(crate) fn http(&self) -> Result<HttpStore, StoreError> {
        let store = HttpStore::new(&self.place)?;
        match &self.token {
            Some(token) => store.with_token(token.clone()),
            None => Ok(store),
        }
    }

    fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        if self.is_address() {
            return Ok(Arc::new(self.http()?));
        }
        if self.token.is_some() {
            return Err(StoreError::NotAStore {
                location: self.place.clone(),
                reason: "a folder takes no token".to_owned(),
            });
        }
        Ok(Arc::new(LocalStore::open(&self.place)?))
    }
}

/// Why a program cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Finding the modules.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The lock file.
    #[error(transparent)]
    LockFile(#[from] LockFileError),
    /// Fetching or verifying the modules.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The program must have a lock and has none.
    #[error("{path}: there is no lock, and --locked asks for one\n  help: run `secure-runtime lock` and commit {LOCK}", path = path.display())]
    NotLocked {
        /// The missing file.
        path: PathBuf,
    },
    /// The manifest says more than the lock.
    #[error(
        "{MANIFEST} {what} than {LOCK} records\n  help: run `secure-runtime lock` to accept it, after a look at the difference"
    )]
    Outgrown {
        /// What: a verb and an object.
        what: String,
    },
    /// Signatures that the manifest demands.
    #[error(transparent)]
    Signatures(#[from] SignatureError),
    /// The graph that would be run is not valid.
    #[error("the graph: {0}")]
    Graph(#[from] GraphError),
    /// A grant on the command line.
    #[error("--grant {grant:?}: {reason}")]
    Grant {
        /// The grant as given.
        grant: String,
        /// What is wrong.
        reason: String,
    },
    /// `--grant` on a program that has a manifest.
    #[error("{path} says what the program may do; --grant is for a file without a manifest\n  help: add the grant to [grants] there", path = path.display())]
    GrantWithManifest {
        /// The manifest.
        path: PathBuf,
    },
    /// A path that is no program.
    #[error("{path}: {reason}", path = path.display())]
    Path {
        /// The path as given.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl ProgramError {
    /// Whether bytes differ from what was promised (exit code 4), as opposed to wrong usage or an absent thing.
    pub fn is_integrity(&self) -> bool {
        match self {
            ProgramError::LockFile(error) => error.is_integrity(),
            ProgramError::Load(error) => error.is_integrity(),
            ProgramError::Store(error) => error.is_integrity(),
            ProgramError::Outgrown { .. } | ProgramError::NotLocked { .. } | ProgramError::Signatures(_) => {
                true
            }
            _ => false,
        }
    }
}

/// The verified modules of a program in memory, and the stores that have what is added while it runs.
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
    /// `bytes` are those of the graph's modules, in their order.
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

/// Holds the program, as it was locked, to the signatures that `options` demand.
async fn signed(options: &OpenOptions, graph: &Graph, stores: &Layered) -> Result<(), ProgramError> {
    if let Some(trust) = &options.signed_by {
        let subject = signatures::program(graph);
        signatures::check(trust, "the program", subject, stores, signatures::now()).await?;
    }
    Ok(())
}

impl Program {
    /// Opens the program at this path: a folder with a manifest, a manifest, or a single JavaScript file. Verifies every
    /// byte against the lock; without a lock, makes one in memory.
    ///
    /// # Errors
    /// [`ProgramError`]; [`ProgramError::is_integrity`] tells wrong bytes from wrong usage.
    pub async fn open(path: &Path, options: &OpenOptions) -> Result<Program, ProgramError> {
        Program::open_with_progress(path, options, &|_, _| ()).await
    }

    /// As [`Program::open`]. `progress` is told, as the modules of a locked program come, how many bytes of them are
    /// ready, and of how many.
    ///
    /// # Errors
    /// As [`Program::open`].
    pub async fn open_with_progress(
        path: &Path,
        options: &OpenOptions,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Program, ProgramError> {
        let mut program = Program::of_path(path, options, progress).await?;
        program.local_store = options.local_store.clone();
        program.other_stores = options.stores.clone();
        Ok(program)
    }

    async fn of_path(
        path: &Path,
        options: &OpenOptions,
        progress: &(dyn Fn(u64, u64) + Send + Sync),
    ) -> Result<Program, ProgramError> {
        let folder = Manifest::folder_of(path);
        if folder.is_dir() {
            let manifest = Manifest::read(&folder)?;
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
        // Also where none is needed: a wrong address is a mistake that should be noticed.
        let store = stores(options)?;
        let path = folder.join(LOCK);
        if !path.exists() {
            if options.locked {
                return Err(ProgramError::NotLocked { path });
            }
            let locked = resolve::lock(&lock_input(&folder, &manifest))?;
            signatures::require(&manifest, &locked.graph, &store, signatures::now()).await?;
            signed(options, &locked.graph, &store).await?;
            return Ok(Program::of_locked(folder, locked, manifest.limits, &store));
        }
        let graph = lockfile::read_lock(&path)?;
        signatures::require(&manifest, &graph, &store, signatures::now()).await?;
        signed(options, &graph, &store).await?;
        let graph = within_lock(&graph, &manifest, &folder)?;
        let project = Project::new(&folder, &manifest.imports)?;
        let total = graph.modules().iter().map(|module| module.size).sum();
        let have = AtomicU64::new(0);
        let progress = |ready: usize| {
            // They come in order, one at a time.
            let last = ready.checked_sub(1).and_then(|last| graph.modules().get(last));
            let size = last.map_or(0, |module| module.size);
            progress(have.fetch_add(size, Ordering::Relaxed) + size, total);
        };
        let bytes = verify::load_modules(&graph, &store, Some(&project), &progress).await?;
        Ok(Program {
            folder,
            modules: Modules::new(&graph, bytes, &store),
            graph,
            limits: manifest.limits,
            was_locked: true,
            warnings: store.distrusted().iter().map(ToString::to_string).collect(),
            local_store: None,
            other_stores: Vec::new(),
        })
    }

    fn of_file(path: &Path, options: &OpenOptions, stores: &Layered) -> Result<Program, ProgramError> {
        let fault = |reason: &str| ProgramError::Path {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        if !path.exists() {
            return Err(fault(
                "does not exist\n  help: name a folder that has a secure.toml, or a JavaScript file",
            ));
        }
        if options.locked {
            return Err(fault(
                "a file without a manifest has no lock, and --locked asks for one",
            ));
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| fault("its name is not UTF-8"))?;
        let base = base_of(&folder)?;
        let families = Families::builtin();
        for grant in &options.grants {
            let family = grant.split(['.', '=']).next().unwrap_or_default();
            families
                .parse_grant(grant, &base)
                .and_then(|_| families.program_family(family))
                .map_err(|error| ProgramError::Grant {
                    grant: grant.clone(),
                    reason: error.to_string(),
                })?;
        }
        let input = LockInput {
            root: folder.clone(),
            entry: name.to_owned(),
            app_grants: sorted(&options.grants),
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
            was_locked: false,
            warnings: locked.warnings.iter().map(ToString::to_string).collect(),
            local_store: None,
            other_stores: Vec::new(),
        }
    }

    /// The folder that relative paths mean.
    pub fn base(&self) -> &Path {
        &self.folder
    }

    /// The graph: what runs, and what each part may do.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// A store that has the verified bytes of every module, in memory; what is added by its hash while the program runs comes
    /// from the stores that it was opened with.
    pub fn store(&self) -> Arc<dyn Store> {
        self.modules.clone()
    }

    /// The local store that the program was opened with, and the others.
    pub(crate) fn stores(&self) -> (Option<&Path>, &[StorePlace]) {
        (self.local_store.as_deref(), &self.other_stores)
    }

    /// The limits that the manifest sets.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether a lock file was there and was held to.
    pub fn was_locked(&self) -> bool {
        self.was_locked
    }

    /// What people should know though it is no error.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// What the loaders need to lock the program of this manifest.
pub(crate) fn lock_input(folder: &Path, manifest: &Manifest) -> LockInput {
    LockInput {
        root: folder.to_owned(),
        entry: manifest.entry.clone(),
        imports: manifest.imports.clone(),
        app_grants: manifest.grants.clone(),
        package_grants: manifest.packages.clone(),
        package_globals: manifest.package_globals.clone(),
        isolated: manifest.isolated.clone(),
        module_grants: manifest.modules.clone(),
    }
}

/// The stores of the options, the local one first.
pub(crate) fn stores(options: &OpenOptions) -> Result<Layered, ProgramError> {
    let mut layered = Layered::new();
    if let Some(folder) = &options.local_store {
        layered = layered.with_local(LocalStore::create(folder)?);
    }
    for place in &options.stores {
        layered = layered.with(place.open()?);
    }
    Ok(layered)
}

pub(crate) fn base_of(folder: &Path) -> Result<Base, ProgramError> {
    let fault = |reason: String| ProgramError::Path {
        path: folder.to_owned(),
        reason,
    };
    let real = std::fs::canonicalize(folder).map_err(|error| fault(error.to_string()))?;
    let text = real
        .to_str()
        .ok_or_else(|| fault("its path is not UTF-8".to_owned()))?;
    Base::new(text).map_err(|error| fault(error.to_string()))
}

fn sorted(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.sort();
    lines.dedup();
    lines
}

/// The lock's graph with the manifest's grants, which may be fewer than the lock's but not more: what may be done more
/// than when the lock was written must be accepted by locking again.
pub(crate) fn within_lock(graph: &Graph, manifest: &Manifest, folder: &Path) -> Result<Graph, ProgramError> {
    let base = base_of(folder)?;
    let families = Families::builtin();
    let rights = |lines: &[String]| -> Result<Rights, ProgramError> {
        let mut all = Vec::new();
        for line in lines {
            let parsed = families.parse_grant(line, &base);
            all.extend(parsed.map_err(|error| ProgramError::Grant {
                grant: line.clone(),
                reason: error.to_string(),
            })?);
        }
        Rights::new(all).map_err(|error| ProgramError::Grant {
            grant: lines.join(", "),
            reason: error.to_string(),
        })
    };
    let narrow = |owner: &str, locked: &[String], said: &[String]| -> Result<Vec<String>, ProgramError> {
        if locked == said {
            return Ok(said.to_vec());
        }
        let ceiling = rights(locked)?;
        for line in said {
            if !ceiling.covers(&rights(std::slice::from_ref(line))?) {
                return Err(ProgramError::Outgrown {
                    what: format!("grants {owner} more (`{line}`)"),
                });
            }
        }
        Ok(said.to_vec())
    };

    let entry = graph
        .module(graph.entry())
        .map(|module| module.name.as_str())
        .unwrap_or_default();
    let said = format!("app:/{}", manifest.entry.trim_start_matches("./"));
    if entry != said {
        return Err(ProgramError::Outgrown {
            what: format!("names another entry module ({said}, not {entry})"),
        });
    }
    let none = Vec::new();
    let mut packages = Vec::with_capacity(graph.packages().len());
    for package in graph.packages() {
        let (owner, said) = if package.name.is_empty() {
            ("the program".to_owned(), &manifest.grants)
        } else {
            (
                format!("package {}", package.name),
                manifest.packages.get(&package.name).unwrap_or(&none),
            )
        };
        let globals = manifest.package_globals.get(&package.name).unwrap_or(&none);
        if *globals != package.globals {
            return Err(ProgramError::Outgrown {
                what: format!("gives {owner} other globals"),
            });
        }
        let isolate = manifest.isolated.contains(&package.name);
        if isolate != package.isolate {
            let how = if isolate { "runs" } else { "no longer runs" };
            return Err(ProgramError::Outgrown {
                what: format!("{how} {owner} in an isolate of its own, other"),
            });
        }
        packages.push(Package {
            grants: narrow(&owner, &package.grants, said)?,
            ..package.clone()
        });
    }
    let mut modules = Vec::with_capacity(graph.modules().len());
    for module in graph.modules() {
        let key = module.name.strip_prefix("app:/").map(|path| format!("./{path}"));
        let said = key.and_then(|key| manifest.modules.get(&key));
        let owner = format!("module {}", module.name);
        let grants = match (&module.grants, said) {
            (None, None) => None,
            // Less than its package from now on: the package's grants are the ceiling.
            (None, Some(said)) => {
                let of_package = graph
                    .package_of(module)
                    .map(|package| package.grants.clone())
                    .unwrap_or_default();
                Some(narrow(&owner, &of_package, said)?)
            }
            (Some(locked), Some(said)) => Some(narrow(&owner, locked, said)?),
            (Some(_), None) => {
                return Err(ProgramError::Outgrown {
                    what: format!("no longer narrows {owner}, which then holds more"),
                });
            }
        };
        modules.push(secure_runtime_loaders::Module {
            grants,
            ..module.clone()
        });
    }
    Ok(Graph::new(graph.entry(), packages, modules)?)
}
