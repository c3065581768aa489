//! Open files. Each read and write is decided again, so an expired capability does not work on open files.

use std::fs::File;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use secure_runtime_capabilities::ActionName;
use secure_runtime_engine::extension::{Arguments, CountedBytes, Methods, OperationError, Output, Value};

use super::files;
use super::roots::{Need, PreopenedDirectories};
use super::{Call, Fs, add, blocking, check, decided, read, write};

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
    fn with<T>(&self, work: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let renames = self.roots.program.shared();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.1 != *renames {
            if !self.roots.still_at(self.actions, &self.path, &file.0, *renames)? {
                return Err(io::Error::from(io::ErrorKind::StaleNetworkFileHandle));
            }
            file.1 = *renames;
        }
        work(&file.0)
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
        let file = Mutex::new((files::open(&place, &flags)?, *renames));
        drop(renames);
        Ok(FileAtPath {
            file,
            roots,
            actions,
            path: path.as_str().to_owned(),
        })
    };
    let file = Arc::new(blocking(&granted, "opening", open).await?);
    Ok(granted.open(actions, file, permit, Value::Null))
}

type OpenFile = Arc<FileAtPath>;

/// Returns at most so many bytes. There are none at the end of the file.
async fn read_some(
    granted: Call,
    file: Rc<OpenFile>,
    arguments: Arguments,
) -> Result<Output, OperationError> {
    let file = OpenFile::clone(&file);
    // A number from JavaScript code of this family: a length of a buffer.
    let length = files::piece(arguments.number(0)? as u64);
    let held = granted.reserve_result(length, "reading").await?;
    let read = move || file.with(|file| files::read_some(file, length));
    let bytes = blocking(&granted, "reading", read).await?;
    granted.count(CountedBytes::Read, bytes.len())?;
    Ok(Output::bytes(bytes, held))
}

/// Writes all bytes. Returns their number.
async fn write_all(
    granted: Call,
    file: Rc<OpenFile>,
    mut arguments: Arguments,
) -> Result<Output, OperationError> {
    let file = OpenFile::clone(&file);
    let data = arguments.take_bytes(0)?;
    let write = move || file.with(|file| files::write_all(file, &data));
    let written = blocking(&granted, "writing", write).await?;
    Ok(Value::Number(written as f64).into())
}

/// Declares the methods that open files, and those of open files.
pub(super) fn declare(methods: &mut Methods<Fs>) {
    let (reading, writing) = ("open for reading", "open for writing");
    let to_read = methods.on(ActionName::READ, |asked| {
        Purpose::of(asked.argument(1))?;
        read(asked)
    });
    add(to_read.titled(reading), "openToRead", open);
    let to_write = methods.on(ActionName::WRITE, |asked| {
        // A file that is also read must be opened by the other method, which decides both.
        if Purpose::of(asked.argument(1))?.readable {
            return Err(OperationError::type_error("open: this file is also read"));
        }
        write(asked)
    });
    add(to_write.titled(writing), "openToWrite", open);
    let mut file = methods.resource::<OpenFile>();
    file.on(ActionName::READ)
        .titled(reading)
        .asynchronous("fileRead", read_some);
    file.on(ActionName::WRITE)
        .titled(writing)
        .asynchronous("fileWrite", write_all);
    file.close("fileClose");
}
