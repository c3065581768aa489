//! Open files. Each read and write is decided again, so an expired capability does not work on open files.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLockReadGuard};

use secure_runtime_capabilities::{ActionName, FsPath};
use secure_runtime_engine::extension::{Arguments, Methods, OperationError, Output, Value};

use super::roots::{Need, PreopenedDirectories};
use super::{Call, Fs, add, blocking, check, decided, file_methods, files, read, write};

/// The names of the operations in tables. The methods of an open file have the name of the one that opened it.
pub(super) const TO_READ: &str = "open for reading";
pub(super) const TO_WRITE: &str = "open for writing";

/// A file, and the path where it was opened.
pub(super) struct FileAtPath {
    /// The file, and the number of renames when it was last found at its path.
    file: Mutex<(File, u64)>,
    roots: Arc<PreopenedDirectories>,
    actions: &'static [ActionName],
    path: String,
}

impl FileAtPath {
    /// Calls `work` with the file while renames are locked out. Refuses if the file was moved.
    ///
    /// The capability may have no rights on the new name, and other modules may trust the files there. A file that was
    /// removed or replaced has no name, so it stays usable.
    pub(super) fn with<T>(&self, work: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let renames = self.shared();
        let file = self.in_place(*renames)?;
        work(&file.0)
    }

    /// Takes the lock that prevents renames.
    pub(super) fn shared(&self) -> RwLockReadGuard<'_, u64> {
        self.roots.program.shared()
    }

    /// Returns the file, if it was not moved. The caller holds the lock that prevents renames.
    pub(super) fn in_place(&self, renames: u64) -> io::Result<MutexGuard<'_, (File, u64)>> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.1 != renames {
            if !self.roots.still_at(self.actions, &self.path, &file.0, renames)? {
                return Err(io::Error::from(io::ErrorKind::StaleNetworkFileHandle));
            }
            file.1 = renames;
        }
        Ok(file)
    }

    /// Creates the handle of a file that was opened at the path when there had been so many renames.
    pub(super) fn new(
        file: File,
        renames: u64,
        roots: Arc<PreopenedDirectories>,
        actions: &'static [ActionName],
        path: &FsPath,
    ) -> Self {
        FileAtPath {
            file: Mutex::new((file, renames)),
            roots,
            actions,
            path: path.as_str().to_owned(),
        }
    }
}

/// The actions that a file is opened for.
struct Purpose {
    readable: bool,
    writable: bool,
}

impl Purpose {
    /// Reads the options of `open`.
    ///
    /// # Errors
    /// They contradict each other.
    fn of(options: &Value) -> Result<Purpose, OperationError> {
        let has = |name: &str| options.has_flag(name);
        let purpose = Purpose {
            readable: has("read"),
            writable: has("write") || has("append"),
        };
        if !purpose.writable && (has("create") || has("createNew") || has("truncate")) {
            return Err(OperationError::type_error(
                "open: create, createNew and truncate need write or append",
            ));
        }
        if !purpose.writable && !purpose.readable {
            return Err(OperationError::type_error(
                "open: choose at least one of read, write, append",
            ));
        }
        Ok(purpose)
    }

    fn actions(&self) -> &'static [ActionName] {
        match (self.readable, self.writable) {
            (true, true) => &[ActionName::READ, ActionName::WRITE],
            (false, true) => &[ActionName::WRITE],
            _ => &[ActionName::READ],
        }
    }
}

/// Opens a file. The operation is the first of its actions.
async fn open(granted: Call, arguments: Arguments) -> Result<Output, OperationError> {
    let purpose = Purpose::of(arguments.get(1))?;
    let path = decided(&granted)?;
    if purpose.readable && purpose.writable {
        check(&granted, ActionName::WRITE, &path, granted.shown())?;
    }
    let actions = purpose.actions();
    let permit = granted.permit_open()?;
    let (roots, flags) = (granted.state().get()?, arguments.flags(1));
    let open = move || {
        let renames = roots.program.shared();
        let place = roots.place(actions, path.as_str(), Need::Content, *renames)?;
        let (file, renames) = (files::open(&place, &flags)?, *renames);
        Ok(FileAtPath::new(file, renames, roots.clone(), actions, &path))
    };
    let file = Arc::new(blocking(&granted, "opening", open).await?);
    Ok(granted.open(actions, file, permit, Value::Null))
}

/// Declares the methods that open files, and those of open files.
pub(super) fn declare(methods: &mut Methods<Fs>) {
    let to_read = methods.on(ActionName::READ, |asked| {
        Purpose::of(asked.argument(1))?;
        read(asked)
    });
    add(to_read.titled(TO_READ), "openToRead", open);
    let to_write = methods.on(ActionName::WRITE, |asked| {
        // A file that is also read must be opened by the other method, which decides both.
        if Purpose::of(asked.argument(1))?.readable {
            return Err(OperationError::type_error("open: this file is also read"));
        }
        write(asked)
    });
    add(to_write.titled(TO_WRITE), "openToWrite", open);
    file_methods::declare(methods);
}
