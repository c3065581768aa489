//! Loading and verification of a graph's modules.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::ContentHash;
use crate::files::{self, FileError};
use crate::graph::{Graph, Module, Transformation, limits};
use crate::resolve::{ImportProblem, Project};
use crate::store::{LocalStore, Store, StoreError};
use crate::syntax::SyntaxProblem;
use crate::text::printable;
use crate::transform;

/// The number of concurrent requests to a store.
const CONCURRENT_REQUESTS: usize = 16;

/// Loads the bytes of each module of `graph`, in the graph's order. The hash of each module is verified on the buffer
/// that is returned.
///
/// Modules come from `store`. If the store does not have a module, it comes from the files of `project`. Every file of
/// the project that exists is compared with the graph, even if the store has the module. Otherwise a file that changed
/// after locking would silently run in its old form. `progress` is called with the number of modules that are ready,
/// out of `graph.modules().len()`.
///
/// Before the first await, the function reads the project's files and the local part of the store on separate threads.
/// The calling thread blocks until they are done.
///
/// # Errors
/// Returns the first difference or missing module, in the order of the modules.
pub async fn load_modules(
    graph: &Graph,
    store: &dyn Store,
    project: Option<&Project>,
    progress: &(dyn Fn(usize) + Send + Sync),
) -> Result<Vec<Bytes>, LoadError> {
    let files = project.map(|project| Files::of(graph, project)).transpose()?;
    // Read local files first, in parallel on all processors. Only the remaining modules need a request.
    let here = in_parallel(graph, |index, module| {
        let file = match &files {
            Some(files) => files.read(index, module)?,
            None => None,
        };
        let stored = match store.local().map(|local| local.read(&module.hash, module.size)) {
            Some(Err(error)) if !error.is_absence() => return Err(wrong(module, error)),
            Some(Ok(bytes)) => Some(sized(module, bytes)?),
            _ => None,
        };
        Ok((file, stored))
    })?;
    let requests = graph
        .modules()
        .iter()
        .zip(here)
        .map(|(module, (file, stored))| async move {
            if let Some(stored) = stored {
                return Ok(stored);
            }
            match store.get(&module.hash, module.size).await {
                Ok(bytes) => sized(module, bytes),
                Err(error) if error.is_absence() => match file {
                    Some(file) => file.module(graph, module),
                    None => Err(missing(module, Some(error))),
                },
                Err(error) => Err(wrong(module, error)),
            }
        });
    let ready = AtomicUsize::new(0);
    stream::iter(requests)
        .buffered(CONCURRENT_REQUESTS)
        .inspect_ok(|_| progress(ready.fetch_add(1, Ordering::Relaxed) + 1))
        .try_collect()
        .await
}

/// Compares the files of `project` with `graph`. Returns the bytes of each module, made from its verified file, or
/// `None` if there is no such file.
///
/// # Errors
/// Returns the first file that differs or cannot be read, in the order of the modules.
pub fn verify_files(graph: &Graph, project: &Project) -> Result<Vec<Option<Bytes>>, LoadError> {
    let files = Files::of(graph, project)?;
    in_parallel(graph, |index, module| match files.read(index, module)? {
        Some(file) => file.module(graph, module).map(Some),
        None => Ok(None),
    })
}

/// The result of [`verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// The number of modules in the graph. All of them were found and verified.
    pub modules: usize,
    /// The sum of their sizes. Each module is counted once.
    pub bytes: u64,
    /// The number of modules that are in the store.
    pub in_store: usize,
    /// The number of modules that are files of the project.
    pub in_project: usize,
}

/// Compares every byte of every module of `graph` with `store` and `project`, without running or fetching anything. It
/// uses all processors.
///
/// Transformed modules are made again from the project's files. So `verify` proves that the graph records the correct
/// result of each transformation. Running a program does not prove this again.
///
/// # Errors
/// Returns the first difference in the order of the modules, or the first module that neither `store` nor `project`
/// has.
pub fn verify(
    graph: &Graph,
    store: Option<&LocalStore>,
    project: Option<&Project>,
) -> Result<Report, LoadError> {
    let files = project.map(|project| Files::of(graph, project)).transpose()?;
    let found = in_parallel(graph, |index, module| {
        let stored = match store.map(|store| store.read(&module.hash, module.size)) {
            Some(Ok(bytes)) => sized(module, bytes).map(|_| true)?,
            Some(Err(error)) if !error.is_absence() => {
                return Err(wrong(module, error));
            }
            _ => false,
        };
        let file = match &files {
            Some(files) => files.read(index, module)?,
            None => None,
        };
        let is_file = file.is_some();
        if let Some(file) = file {
            file.module(graph, module)?;
        }
        if stored || is_file {
            Ok((stored, is_file))
        } else {
            Err(missing(module, None))
        }
    })?;
    Ok(Report {
        modules: graph.modules().len(),
        bytes: graph.modules().iter().map(|module| module.size).sum(),
        in_store: found.iter().filter(|(stored, _)| *stored).count(),
        in_project: found.iter().filter(|(_, is_file)| *is_file).count(),
    })
}

/// The paths of the files of a graph's modules in a project.
struct Files<'a> {
    project: &'a Project,
    /// One path a module. `None` for modules of packages that are not installed.
    paths: Vec<Option<PathBuf>>,
}

impl<'a> Files<'a> {
    fn of(graph: &Graph, project: &'a Project) -> Result<Self, LoadError> {
        let mut homes = Vec::new();
        for package in graph.packages() {
            homes.push(match project.home(&package.name) {
                Ok(home) => Some(home),
                Err(ImportProblem::NotInstalled { .. } | ImportProblem::NotFound { .. }) => None,
                Err(problem) => {
                    return Err(LoadError::Package {
                        package: package.name.clone(),
                        problem: Box::new(problem),
                    });
                }
            });
        }
        let path = |module: &Module| {
            let home = homes.get(usize::try_from(module.package).ok()?)?.as_ref()?;
            Some(home.file(module.path_in(graph.package_of(module)?)?))
        };
        Ok(Self {
            project,
            paths: graph.modules().iter().map(path).collect(),
        })
    }

    /// Reads and verifies the file of `module`. Returns `None` if there is no file.
    fn read(&self, index: usize, module: &Module) -> Result<Option<VerifiedFile>, LoadError> {
        let Some(Some(path)) = self.paths.get(index) else {
            return Ok(None);
        };
        let shown = || self.project.shown(path);
        // A module that is left out has no file. A file at its path has no meaning.
        if let Some(origin) = &module.origin
            && origin.transformation == Transformation::LeftOut
        {
            let (path, bytes) = (shown(), Bytes::new());
            return Ok(Some(VerifiedFile { path, bytes }));
        }
        let bytes = match files::read_regular(path, limits::MODULE_SIZE) {
            Ok(bytes) => bytes,
            Err(FileError::NotFound) => return Ok(None),
            Err(error) => {
                return Err(LoadError::Unreadable {
                    module: module.name.clone(),
                    path: shown(),
                    error,
                });
            }
        };
        let (expected, size) = module.file();
        let actual = ContentHash::of(&bytes);
        if actual != *expected {
            return Err(LoadError::Changed {
                module: module.name.clone(),
                path: shown(),
                expected: *expected,
                actual,
            });
        }
        check_size(module, size, &bytes)?;
        Ok(Some(VerifiedFile { path: shown(), bytes }))
    }
}

/// A file of the project whose hash is the one in the graph.
#[derive(Debug, Clone)]
struct VerifiedFile {
    /// The path, relative to the project.
    path: PathBuf,
    bytes: Bytes,
}

impl VerifiedFile {
    /// Returns the bytes of `module`: those of the file, or the verified result of the transformation.
    fn module(self, graph: &Graph, module: &Module) -> Result<Bytes, LoadError> {
        let Some(origin) = &module.origin else {
            return Ok(self.bytes);
        };
        let bytes = match transform::apply(graph, module, origin, &self.bytes) {
            Ok(text) => Bytes::from(text),
            Err(problem) => {
                return Err(LoadError::Untransformable {
                    module: module.name.clone(),
                    path: self.path,
                    problem,
                });
            }
        };
        let actual = ContentHash::of(&bytes);
        if actual != module.hash {
            return Err(LoadError::Transformed {
                module: module.name.clone(),
                path: self.path,
                expected: module.hash,
                actual,
            });
        }
        sized(module, bytes)
    }
}

/// Returns `bytes` if their size is the one in the graph. The caller has verified their hash.
fn sized(module: &Module, bytes: Bytes) -> Result<Bytes, LoadError> {
    check_size(module, module.size, &bytes)?;
    Ok(bytes)
}

fn check_size(module: &Module, expected: u64, bytes: &Bytes) -> Result<(), LoadError> {
    let actual = bytes.len() as u64;
    if actual == expected {
        Ok(())
    } else {
        Err(LoadError::Size {
            module: module.name.clone(),
            expected,
            actual,
        })
    }
}

fn missing(module: &Module, reason: Option<StoreError>) -> LoadError {
    LoadError::Missing {
        module: module.name.clone(),
        hash: module.hash,
        reason: reason.map(Box::new),
    }
}

fn wrong(module: &Module, error: StoreError) -> LoadError {
    LoadError::Store {
        module: module.name.clone(),
        error: Box::new(error),
    }
}

/// Runs `work` for each module, on all processors. Results are in the order of the modules.
fn in_parallel<T: Send>(
    graph: &Graph,
    work: impl Fn(usize, &Module) -> Result<T, LoadError> + Sync,
) -> Result<Vec<T>, LoadError> {
    let modules = graph.modules();
    let threads = std::thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(modules.len() / 8);
    if threads <= 1 {
        return modules
            .iter()
            .enumerate()
            .map(|(index, module)| work(index, module))
            .collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(module) = modules.get(index) else {
                return done;
            };
            done.push((index, work(index, module)));
        }
    };
    let parts = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let results = workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| LoadError::Thread));
        results.collect::<Result<Vec<_>, _>>()
    })?;
    let mut done: Vec<_> = parts.into_iter().flatten().collect();
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// An error of loading or verifying the modules of a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A store failed or returned wrong bytes.
    #[error("module \"{}\": {error}", printable(module))]
    Store {
        /// The module's name.
        module: String,
        /// The error of the store.
        #[source]
        error: Box<StoreError>,
    },
    /// A file of the project differs from the one that was locked.
    #[error(
        "{} differs from the lock: module \"{}\" should have the hash {expected} but has {actual}; \
         run `secure-runtime lock` if you changed it",
        path.display(), printable(module)
    )]
    Changed {
        /// The module's name.
        module: String,
        /// The file, relative to the project.
        path: PathBuf,
        /// The hash in the lock.
        expected: ContentHash,
        /// The hash of the file.
        actual: ContentHash,
    },
    /// The lock contradicts itself. The file has the hash in the lock, but its transformation results in another module
    /// than the lock records.
    #[error(
        "the lock is wrong: {} has the right hash, but its module \"{}\" has the hash {actual}, and the \
         lock says {expected}; run `secure-runtime lock` and review the changes",
        path.display(), printable(module)
    )]
    Transformed {
        /// The module's name.
        module: String,
        /// Its file, relative to the project.
        path: PathBuf,
        /// The hash in the lock.
        expected: ContentHash,
        /// The hash of the transformation's result.
        actual: ContentHash,
    },
    /// The lock contradicts itself. The file has the hash in the lock, but cannot be transformed.
    #[error(
        "the lock is wrong: {}, the file of module \"{}\", cannot become a module: {problem}",
        path.display(), printable(module)
    )]
    Untransformable {
        /// The module's name.
        module: String,
        /// Its file, relative to the project.
        path: PathBuf,
        /// The reason.
        #[source]
        problem: SyntaxProblem,
    },
    /// A file of the project cannot be read as a regular file.
    #[error("{}, the file of module \"{}\": {error}", path.display(), printable(module))]
    Unreadable {
        /// The module's name.
        module: String,
        /// The file, relative to the project.
        path: PathBuf,
        /// The reason.
        #[source]
        error: FileError,
    },
    /// The lock contradicts itself. The bytes have the hash in the lock, but another size.
    #[error(
        "the lock is wrong: module \"{}\" has {actual} bytes, the lock says {expected}",
        printable(module)
    )]
    Size {
        /// The module's name.
        module: String,
        /// The size in the lock.
        expected: u64,
        /// The size of the bytes with the hash in the lock.
        actual: u64,
    },
    /// Neither a store nor the project has a module.
    #[error(
        "module \"{}\" ({hash}) is neither in the project nor in a store{}; install the packages, or name a \
         store with --store",
        printable(module),
        reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
    )]
    Missing {
        /// The module's name.
        module: String,
        /// The hash of its bytes.
        hash: ContentHash,
        /// The error of the stores.
        #[source]
        reason: Option<Box<StoreError>>,
    },
    /// A package of the lock is not at the path in the manifest, or is not in the manifest.
    #[error(
        "package \"{}\" of the lock: {problem}; run `secure-runtime lock` if you changed the manifest",
        printable(package)
    )]
    Package {
        /// The package's name.
        package: String,
        /// The reason.
        #[source]
        problem: Box<ImportProblem>,
    },
    /// A thread panicked.
    #[error("a thread that verifies modules ended early; this is a bug in secure-runtime")]
    Thread,
}

impl LoadError {
    /// Returns true if bytes differ from the locked ones. Returns false if they are missing or cannot be reached.
    #[must_use]
    pub fn is_integrity(&self) -> bool {
        match self {
            Self::Store { error, .. } => error.is_integrity(),
            Self::Changed { .. }
            | Self::Size { .. }
            | Self::Transformed { .. }
            | Self::Untransformable { .. } => true,
            Self::Unreadable { error, .. } => {
                matches!(error, FileError::NotRegular { .. } | FileError::TooLarge { .. })
            }
            Self::Missing { reason, .. } => reason.as_ref().is_some_and(|reason| reason.is_integrity()),
            Self::Package { .. } | Self::Thread => false,
        }
    }
}
