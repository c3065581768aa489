//! The `fs` family: files and folders beneath directory handles.

mod files;
mod program;
mod roots;
mod scope;

pub(crate) use self::roots::{HandleCache, PreopenedDirectories};

use std::cell::RefCell;
use std::fs::File;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use deno_core::{GarbageCollected, JsBuffer, OpState, op2, v8};
use secure_runtime_capabilities::{ActionName, FamilyName, FsPath, Operation, Pattern};

use self::files::Much;
use self::roots::{Gain, Need, Place};
use super::delegation::Chain;
use super::error::{OpError, clipped};
use super::host_objects::{HandOffs, has_room_for_text, left, object};
use super::monitor::Capability;
use super::resource_table::{Resource, ResourceTable};
use super::results::{HeldBytes, HeldText, UNDER_WAY, no_room};
use crate::memory::Reservation;
use crate::quota::{Bytes, InFlight, Permit};

/// Memory that is sufficient for most files, in bytes.
const ENOUGH_FOR_SMALL: usize = 16 << 10;

/// The Rust object behind a guest's `fs` object.
pub(crate) struct FsCapability {
    capability: Rc<Capability>,
    roots: Resource<Arc<PreopenedDirectories>>,
}

// SAFETY: the object holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for FsCapability {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"FsCapability"
    }
}

impl FsCapability {
    /// Creates the object. With a `parent`, the capability was narrowed from that object's. Otherwise, it is a module's
    /// initial capability.
    fn new(
        capability: Rc<Capability>,
        parent: Option<&FsCapability>,
        open: &ResourceTable,
    ) -> Result<Self, OpError> {
        let parent = match parent {
            Some(parent) => parent.roots()?,
            // A module's capability is narrowed from the program's.
            None => {
                let program = capability.monitor.rules.files.upgrade();
                program.ok_or_else(|| OpError::type_error("the program has ended"))?
            }
        };
        let roots = PreopenedDirectories::narrowed(&capability.authority, parent, open.folders());
        Ok(FsCapability::arrived(capability, roots, open))
    }

    /// Creates the object of a capability that arrived from another isolate of the program.
    pub(crate) fn arrived(
        capability: Rc<Capability>,
        roots: Arc<PreopenedDirectories>,
        open: &ResourceTable,
    ) -> Self {
        FsCapability {
            capability,
            roots: open.keep(roots),
        }
    }

    /// Returns the roots, which the files of this capability are opened beneath.
    pub(crate) fn roots(&self) -> Result<Arc<PreopenedDirectories>, OpError> {
        Ok(Arc::clone(&*self.roots.to_the_end()?))
    }

    fn path(&self, text: &str) -> Result<FsPath, OpError> {
        FsPath::parse(text, &self.capability.monitor.rules.base)
            .map_err(|error| OpError::type_error(format!("path {:?}: {error}", clipped(text))))
    }

    /// Decides on `action` for the path, then calls `work` with its place, on a thread that may block. The opened path
    /// is the one that was decided on.
    async fn work<T: Send + 'static>(
        &self,
        (action, doing): (ActionName, &'static str),
        text: &str,
        need: Need,
        work: impl FnOnce(&Place) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, OpError> {
        let path = self.path(text)?;
        self.check(action, &path, text)?;
        let roots = self.roots()?;
        let done = move || roots.at(&[action], path.as_str(), need, work);
        blocking(&self.capability, done, (action, doing), text).await
    }

    /// Decides on reading the path, then calls `work` to find the file, on a thread that may block.
    async fn find<T: Send + 'static>(
        &self,
        text: &str,
        work: fn(&Place) -> std::io::Result<T>,
        doing: &'static str,
    ) -> Result<T, OpError> {
        let path = self.path(text)?;
        self.check(ActionName::READ, &path, text)?;
        let roots = self.roots()?;
        let found = move || roots.find(ActionName::READ, path.as_str(), work);
        blocking(&self.capability, found, (ActionName::READ, doing), text).await
    }

    /// Like [`FsCapability::find`], but for results that may need much memory.
    ///
    /// `work` is called with the number of bytes that are reserved. If the result is larger, it returns the number that
    /// it needs. The result comes with its reservation.
    async fn find_much<T: Send + 'static>(
        &self,
        text: &str,
        work: fn(&Place, usize) -> std::io::Result<Much<T>>,
        doing: &'static str,
    ) -> Result<(T, Reservation), OpError> {
        let path = self.path(text)?;
        self.check(ActionName::READ, &path, text)?;
        let memory = &self.capability.monitor.memory;
        let no_room = |why| no_room(doing, text, why);
        // Operations that wait for memory also use some.
        let _waiting = hold(&self.capability, UNDER_WAY, doing, text)?;
        let mut room = ENOUGH_FOR_SMALL;
        loop {
            // The old reservation is dropped before a larger one is requested. Otherwise, the operation could wait for
            // itself.
            let held = memory.room_for(room).await.map_err(no_room)?;
            let (roots, path) = (self.roots()?, path.clone());
            let found = move || roots.find(ActionName::READ, path.as_str(), |place| work(place, room));
            match blocking(&self.capability, found, (ActionName::READ, doing), text).await? {
                Much::Whole(found) => return Ok((found, held)),
                Much::Needs(more) => room = more,
            }
        }
    }

    fn check(&self, action: ActionName, path: &FsPath, text: &str) -> Result<(), OpError> {
        let operation = operation(action, path);
        self.capability.check(&operation, text)?;
        // Kernel and device trees are not data. `/**` does not include them: a scope must name them.
        let Some(tree) = ["/proc", "/sys", "/dev"]
            .into_iter()
            .find(|tree| is_within(path.as_str(), tree))
        else {
            return Ok(());
        };
        let named = self
            .capability
            .authority
            .effective(FamilyName::FS, action)
            .any(|pattern| {
                pattern.matches(path.as_str())
                    && match pattern {
                        Pattern::Exact(exact) => is_within(exact, tree),
                        Pattern::Affix { prefix, .. } => is_within(prefix, tree),
                        Pattern::Endpoint(_) => false,
                    }
            });
        if named {
            return Ok(());
        }
        Err(self.capability.refuse_otherwise(
            &operation,
            text,
            "a grant of a special file system must name it",
        ))
    }
}

fn operation(action: ActionName, path: &FsPath) -> Operation<'_> {
    if action == ActionName::WRITE {
        Operation::fs_write(path)
    } else {
        Operation::fs_read(path)
    }
}

fn is_within(path: &str, tree: &str) -> bool {
    path.strip_prefix(tree)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Counts an operation or an open file against the quota of this action.
fn begin(
    capability: &Capability,
    kind: InFlight,
    action: ActionName,
    shown: &str,
) -> Result<Permit, OpError> {
    let begun = capability.account.begin(kind);
    begun.map_err(|hit| capability.over(&hit, ("fs", action.as_str()), shown))
}

/// Reserves host memory for an operation immediately, because the guest's arguments were copied already.
fn hold(capability: &Capability, bytes: usize, doing: &str, shown: &str) -> Result<Reservation, OpError> {
    let held = capability.monitor.memory.hold_now(bytes);
    held.map_err(|why| no_room(doing, shown, why))
}

/// Counts bytes that were read against the quota.
fn count_read(capability: &Capability, bytes: usize, shown: &str) -> Result<(), OpError> {
    let counted = capability.account.bytes(Bytes::Read, bytes);
    counted.map_err(|hit| capability.over(&hit, ("fs", "read"), shown))
}

/// Runs file work on a thread that may block, so that the guest's timers continue.
async fn blocking<T: Send + 'static>(
    capability: &Capability,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    (action, doing): (ActionName, &'static str),
    shown: &str,
) -> Result<T, OpError> {
    let _pending = begin(capability, InFlight::Pending, action, shown)?;
    let _held = hold(capability, UNDER_WAY, doing, shown)?;
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(OpError::io(&error, doing, shown)),
        Err(_) => Err(OpError::system(
            "Error",
            "EIO",
            format!("{doing} {:?}: the work was stopped", clipped(shown)),
        )),
    }
}

#[op2]
pub(crate) fn op_sr_fs<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &OpState,
    #[cppgc] chain: &Chain,
    #[cppgc] parent: Option<&FsCapability>,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    let made = FsCapability::new(chain.0.clone(), parent, state.borrow::<ResourceTable>())?;
    object(scope, made)
}

#[op2]
pub(crate) async fn op_sr_fs_read_file(
    #[cppgc] fs: &FsCapability,
    #[string] path: String,
) -> Result<HeldBytes, OpError> {
    let (bytes, held) = fs.find_much(&path, files::read, "reading").await?;
    count_read(&fs.capability, bytes.len(), &path)?;
    Ok(HeldBytes::new(bytes, held))
}

#[op2]
pub(crate) async fn op_sr_fs_read_text_file(
    #[cppgc] fs: &FsCapability,
    #[string] path: String,
) -> Result<HeldText, OpError> {
    let (bytes, held) = fs.find_much(&path, files::read, "reading").await?;
    count_read(&fs.capability, bytes.len(), &path)?;
    has_room_for_text(bytes.len(), &format!("reading {:?}", clipped(&path)))?;
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(HeldText::new(text, held))
}

#[op2]
pub(crate) async fn op_sr_fs_write_file(
    #[cppgc] fs: &FsCapability,
    #[string] path: String,
    #[buffer(copy)] data: Vec<u8>,
    #[serde] flags: Vec<String>,
) -> Result<(), OpError> {
    let _data = hold(&fs.capability, data.len(), "writing", &path)?;
    let write = move |place: &Place| files::write(place, &data, &flags);
    fs.work((ActionName::WRITE, "writing"), &path, Need::Content, write)
        .await
}

#[op2]
pub(crate) async fn op_sr_fs_write_text_file(
    #[cppgc] fs: &FsCapability,
    #[string] path: String,
    #[string] text: String,
    #[serde] flags: Vec<String>,
) -> Result<(), OpError> {
    let _text = hold(&fs.capability, text.len(), "writing", &path)?;
    let write = move |place: &Place| files::write(place, text.as_bytes(), &flags);
    fs.work((ActionName::WRITE, "writing"), &path, Need::Content, write)
        .await
}

#[op2]
#[serde]
pub(crate) async fn op_sr_fs_read_dir(
    #[cppgc] fs: &FsCapability,
    #[string] path: String,
) -> Result<Vec<(String, u8)>, OpError> {
    // The result is converted when this future is polled. So the reservation is needed only until the operation
    // completes.
    let (entries, _held) = fs.find_much(&path, files::read_dir, "listing").await?;
    Ok(entries)
}

#[op2]
#[serde]
pub(crate) async fn op_sr_fs_stat(
    #[cppgc] fs: &FsCapability,
    #[string] path: String,
) -> Result<files::Info, OpError> {
    fs.find(&path, files::stat, "looking at").await
}

#[op2]
pub(crate) async fn op_sr_fs_mkdir(
    #[cppgc] fs: &FsCapability,
    #[string] path: String,
    #[serde] flags: Vec<String>,
) -> Result<(), OpError> {
    let recursive = flags.iter().any(|flag| flag == "recursive");
    let checked = fs.path(&path)?;
    fs.check(ActionName::WRITE, &checked, &path)?;
    // `recursive` also creates the missing parents. It walks up as long as the capability may write the parent, and
    // then creates folders downwards. They are created one by one, because a folder has a handle only after it exists.
    let mut missing = vec![checked.clone()];
    if recursive {
        let mut above = checked.parent();
        while let Some(parent) = above.filter(|parent| fs.capability.allows(&Operation::fs_write(parent))) {
            above = parent.parent();
            missing.push(parent);
        }
    }
    let roots = fs.roots()?;
    let make = move || {
        let actions = &[ActionName::WRITE];
        let mut missing = missing.iter().rev();
        missing.try_for_each(|folder| {
            let make = |place: &Place| files::make_folder(place, recursive);
            roots.at(actions, folder.as_str(), Need::Entry, make)
        })
    };
    blocking(&fs.capability, make, (ActionName::WRITE, "making folder"), &path).await
}

#[op2]
pub(crate) async fn op_sr_fs_remove(
    #[cppgc] fs: &FsCapability,
    #[string] path: String,
    #[serde] flags: Vec<String>,
) -> Result<(), OpError> {
    let recursive = flags.iter().any(|flag| flag == "recursive");
    let checked = fs.path(&path)?;
    let whole = covers_below(fs, ActionName::WRITE, &checked);
    let remove = move |place: &Place| files::remove(place, recursive, whole);
    let removed = fs.work((ActionName::WRITE, "removing"), &path, Need::Entry, remove);
    if removed.await? {
        return Ok(());
    }
    Err(fs.capability.refuse_otherwise(
        &Operation::fs_write(&checked),
        &path,
        "removing a folder with its content needs a write grant for all of it",
    ))
}

/// Returns true if one scope of the capability covers everything below the path.
fn covers_below(fs: &FsCapability, action: ActionName, path: &FsPath) -> bool {
    fs.capability
        .authority
        .covers(FamilyName::FS, action, &Pattern::prefix(path.below()))
}

#[op2]
pub(crate) async fn op_sr_fs_rename(
    #[cppgc] fs: &FsCapability,
    #[string] from: String,
    #[string] to: String,
) -> Result<(), OpError> {
    let (source, target) = (fs.path(&from)?, fs.path(&to)?);
    fs.check(ActionName::WRITE, &source, &from)?;
    fs.check(ActionName::WRITE, &target, &to)?;
    let refused = |gain| {
        let why = match gain {
            Gain::Scope => "a scope of the program begins at or below the new name",
            Gain::Read => "the program may read the new name, and this capability may not read the old one",
            Gain::Partly => {
                "moving a folder with its content needs a write grant for all of it, under both names"
            }
        };
        fs.capability
            .refuse_otherwise(&Operation::fs_write(&target), &to, why)
    };
    let roots = fs.roots()?;
    if roots.begin_within(target.as_str()) {
        return Err(refused(Gain::Scope));
    }
    // A rename counts as reading the file and writing it elsewhere. Otherwise, a module with only write access could
    // publish files that no module may read. If no module of the program may read the new name, the rename reveals
    // nothing.
    let readers = fs.capability.monitor.rules.plan.ceiling();
    let is_read = |pattern: &Pattern| readers.intersects(FamilyName::FS, ActionName::READ, pattern);
    let is_shown =
        is_read(&Pattern::Exact(target.as_str().to_owned())) || is_read(&Pattern::prefix(target.below()));
    if is_shown && !fs.capability.allows(&Operation::fs_read(&source)) {
        return Err(refused(Gain::Read));
    }
    let whole = covers_below(fs, ActionName::WRITE, &source) && covers_below(fs, ActionName::WRITE, &target);
    let (old, new) = (source.as_str().to_owned(), target.as_str().to_owned());
    let renamed = blocking(
        &fs.capability,
        move || roots.rename(&old, &new, whole),
        (ActionName::WRITE, "renaming"),
        &from,
    );
    renamed.await?.map_err(refused)
}

/// An open file. Each read and write is decided again, so an expired capability does not work on open files.
pub(crate) struct OpenFile {
    capability: Rc<Capability>,
    path: FsPath,
    shown: String,
    readable: bool,
    writable: bool,
    /// The file, and its count as an open file.
    file: Resource<(Arc<FileAtPath>, Permit)>,
}

/// A file, and the path where it was opened.
struct FileAtPath {
    /// The file, and the number of renames when it was last found at its path.
    file: Mutex<(File, u64)>,
    roots: Arc<PreopenedDirectories>,
    actions: &'static [ActionName],
    path: FsPath,
}

impl FileAtPath {
    /// Calls `work` with the file while renames are locked out. Refuses if the file was moved.
    ///
    /// The capability may have no rights on the new name, and other modules may trust the files there. A file that was
    /// removed or replaced has no name, so it stays usable.
    fn with<T>(&self, work: impl FnOnce(&File) -> std::io::Result<T>) -> std::io::Result<T> {
        let renames = self.roots.program.shared();
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.1 != *renames {
            if !self
                .roots
                .still_at(self.actions, self.path.as_str(), &file.0, *renames)?
            {
                return Err(std::io::Error::from(std::io::ErrorKind::StaleNetworkFileHandle));
            }
            file.1 = *renames;
        }
        work(&file.0)
    }
}

// SAFETY: the object holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for OpenFile {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"OpenFile"
    }
}

impl OpenFile {
    fn file(&self, action: ActionName) -> Result<Arc<FileAtPath>, OpError> {
        let opened_for = if action == ActionName::WRITE {
            self.writable
        } else {
            self.readable
        };
        if !opened_for {
            return Err(OpError::system(
                "PermissionDenied",
                "EBADF",
                format!("{:?} was not opened to {action}", self.shown),
            ));
        }
        self.capability
            .check(&operation(action, &self.path), &self.shown)?;
        let file = self.file.get().map(|open| open.0.clone());
        file.ok_or_else(|| OpError::system("Error", "EBADF", format!("{:?} is closed", self.shown)))
    }
}

/// Opens a file. [`op_sr_fs_opened`] returns its object.
#[op2]
#[smi]
pub(crate) async fn op_sr_fs_open(
    state: Rc<RefCell<OpState>>,
    #[cppgc] fs: &FsCapability,
    #[string] path: String,
    #[serde] flags: Vec<String>,
) -> Result<u32, OpError> {
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    let writable = has("write") || has("append");
    let readable = has("read");
    if !writable && (has("create") || has("createNew") || has("truncate")) {
        return Err(OpError::type_error(
            "open: create, createNew and truncate need write or append",
        ));
    }
    if !writable && !readable {
        return Err(OpError::type_error(
            "open: choose at least one of read, write, append",
        ));
    }
    let checked = fs.path(&path)?;
    if readable {
        fs.check(ActionName::READ, &checked, &path)?;
    }
    if writable {
        fs.check(ActionName::WRITE, &checked, &path)?;
    }
    let actions: &'static [ActionName] = match (readable, writable) {
        (true, true) => &[ActionName::READ, ActionName::WRITE],
        (false, true) => &[ActionName::WRITE],
        _ => &[ActionName::READ],
    };
    let capability = fs.capability.clone();
    let shown = path.clone();
    let action = if writable {
        ActionName::WRITE
    } else {
        ActionName::READ
    };
    let held = begin(&capability, InFlight::Handle, action, &path)?;
    let (roots, at) = (fs.roots()?, checked.clone());
    let open = move || {
        let renames = roots.program.shared();
        let place = roots.place(actions, at.as_str(), Need::Content, *renames)?;
        let file = Mutex::new((files::open(&place, &flags)?, *renames));
        drop(renames);
        Ok(FileAtPath {
            file,
            roots,
            actions,
            path: at,
        })
    };
    let file = blocking(&capability, open, (action, "opening"), &path).await?;
    let file = (Arc::new(file), held);
    let file = state.borrow().borrow::<ResourceTable>().keep(file);
    let opened = OpenFile {
        capability,
        path: checked,
        shown,
        readable,
        writable,
        file,
    };
    Ok(HandOffs::leave(&state, opened))
}

#[op2]
pub(crate) fn op_sr_fs_opened<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] number: u32,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    left::<OpenFile>(scope, state, number)
}

#[op2]
pub(crate) async fn op_sr_fs_file_read(
    #[cppgc] file: &OpenFile,
    #[number] length: u64,
) -> Result<HeldBytes, OpError> {
    let handle = file.file(ActionName::READ)?;
    let (capability, shown) = (file.capability.clone(), file.shown.clone());
    let length = files::piece(length);
    let _waiting = hold(&capability, UNDER_WAY, "reading", &shown)?;
    let held = capability.monitor.memory.room_for(length).await;
    let held = held.map_err(|why| no_room("reading", &shown, why))?;
    let read = move || handle.with(|file| files::read_some(file, length));
    let bytes = blocking(&capability, read, (ActionName::READ, "reading"), &shown).await?;
    count_read(&capability, bytes.len(), &shown)?;
    Ok(HeldBytes::new(bytes, held))
}

#[op2]
#[number]
pub(crate) async fn op_sr_fs_file_write(
    #[cppgc] file: &OpenFile,
    #[buffer] data: JsBuffer,
) -> Result<u64, OpError> {
    let handle = file.file(ActionName::WRITE)?;
    let (data, capability) = (data.to_vec(), file.capability.clone());
    let _data = hold(&capability, data.len(), "writing", &file.shown)?;
    blocking(
        &capability,
        move || handle.with(|file| files::write_all(file, &data)),
        (ActionName::WRITE, "writing"),
        &file.shown,
    )
    .await
}

#[op2(fast)]
pub(crate) fn op_sr_fs_file_close(#[cppgc] file: &OpenFile) {
    file.file.close();
}
