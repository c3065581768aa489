//! The `fs` family: files and folders beneath directory handles.

mod attributes;
mod copy;
mod file_methods;
mod files;
mod links;
mod open_file;
mod program;
mod roots;
mod sandbox_rules;
mod scope;
mod temporary;
mod walk;
mod watch;

use std::borrow::Cow;
use std::sync::Arc;

use secure_runtime_capabilities::{ActionName, Authority, Family, FsPath, Operation, Pattern};
use secure_runtime_engine::extension::{
    Arguments, Asked, CapabilityView, CountedBytes, Decision, Extension, Granted, Kept, Methods,
    OperationError, Origin, Output, ProgramStart, Reservation, SandboxRule, Script, Value, clipped,
};

use self::files::Much;
use self::roots::{Gain, HandleCache, Need, Place, PreopenedDirectories};

/// Memory that is sufficient for most files, in bytes.
const ENOUGH_FOR_SMALL: usize = 16 << 10;

/// The family.
pub(crate) struct Fs;

/// The directories of a program, or of a capability that is sent to another isolate.
#[derive(Default)]
pub(crate) struct Roots(Option<Arc<PreopenedDirectories>>);

/// The directories that the files of a capability are opened beneath. They are closed when its isolate ends.
#[derive(Default)]
pub(crate) struct OwnRoots(Option<Kept<Arc<PreopenedDirectories>>>);

/// A call of a method.
type Call = Granted<'static, Fs>;

impl Roots {
    fn get(&self) -> Result<Arc<PreopenedDirectories>, OperationError> {
        self.0.clone().ok_or_else(ended)
    }
}

impl OwnRoots {
    fn get(&self) -> Result<Arc<PreopenedDirectories>, OperationError> {
        let kept = self.0.as_ref().ok_or_else(ended)?;
        Ok(Arc::clone(&*kept.get()?))
    }
}

fn ended() -> OperationError {
    OperationError::type_error("the program has ended")
}

/// Returns the path that a text means.
fn path(text: &str, asked: &Asked<'_, Fs>) -> Result<FsPath, OperationError> {
    parsed(text, asked.base())
}

fn parsed(text: &str, base: &secure_runtime_capabilities::Base) -> Result<FsPath, OperationError> {
    FsPath::parse(text, base)
        .map_err(|error| OperationError::type_error(format!("path {:?}: {error}", clipped(text))))
}

/// Returns a number of JavaScript as a size or position in a file.
///
/// # Errors
/// It is negative, not an integer, or so large that JavaScript rounds it.
fn size(number: f64, what: &str) -> Result<u64, OperationError> {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    if number.fract() == 0.0 && (0.0..=LARGEST).contains(&number) {
        return Ok(number as u64);
    }
    let message = format!("{what} must be an integer from 0 to 2^53 - 1");
    Err(OperationError::range_error(message))
}

/// Returns the path of the operation.
fn decided(granted: &Call) -> Result<FsPath, OperationError> {
    parsed(granted.resource(), granted.base())
}

fn operation(action: ActionName, path: &FsPath) -> Operation<'_> {
    if action == ActionName::WRITE {
        Operation::fs_write(path)
    } else {
        Operation::fs_read(path)
    }
}

type Subject<'a> = (Operation<'a>, Cow<'a, str>);

/// Returns the first argument as the path to read.
fn read<'a>(asked: &Asked<'a, Fs>) -> Result<Subject<'a>, OperationError> {
    let text = asked.text(0)?;
    Ok((Operation::fs_read(&path(text, asked)?).into_owned(), text.into()))
}

/// Returns the first argument as the path to write.
fn write<'a>(asked: &Asked<'a, Fs>) -> Result<Subject<'a>, OperationError> {
    let text = asked.text(0)?;
    Ok((Operation::fs_write(&path(text, asked)?).into_owned(), text.into()))
}

/// Returns the first argument as the subject of the decision. The second path is parsed before, so that a wrong call
/// decides nothing.
fn with_second_path<'a>(
    asked: &Asked<'a, Fs>,
    subject: fn(&Asked<'a, Fs>) -> Result<Subject<'a>, OperationError>,
) -> Result<Subject<'a>, OperationError> {
    path(asked.text(1)?, asked)?;
    subject(asked)
}

/// Declares a method whose first argument is a path.
fn declare<F, P, R>(methods: &mut Methods<Fs>, action: ActionName, name: &'static str, run: F)
where
    F: Fn(Call, Arguments) -> P + Copy + Send + Sync + 'static,
    P: Future<Output = Result<R, OperationError>> + 'static,
    R: Into<Output>,
{
    let subject = if action == ActionName::WRITE { write } else { read };
    add(methods.on(action, subject), name, run);
}

/// Declares a method with this decision. Every method of this family must be declared here.
fn add<F, P, R>(decision: Decision<'_, Fs>, name: &'static str, run: F)
where
    F: Fn(Call, Arguments) -> P + Copy + Send + Sync + 'static,
    P: Future<Output = Result<R, OperationError>> + 'static,
    R: Into<Output>,
{
    decision.asynchronous(name, move |granted, arguments| async move {
        granted_by_name(&granted, granted.operation(), granted.shown())?;
        run(granted, arguments).await
    });
}

/// Refuses an allowed operation in a kernel or device tree, unless a scope names the tree. They are not data, so `/**`
/// does not include them.
fn granted_by_name(granted: &Call, operation: &Operation<'_>, shown: &str) -> Result<(), OperationError> {
    if is_named(granted.effective(operation.action()), operation.resource()) {
        return Ok(());
    }
    Err(granted.refuse(operation, shown, "a grant of a special file system must name it"))
}

/// Returns true if the path is not in a kernel or device tree, or if a scope that covers it names the tree.
fn is_named<'p>(mut scopes: impl Iterator<Item = &'p Pattern>, path: &str) -> bool {
    let mut trees = ["/proc", "/sys", "/dev"].into_iter();
    let Some(tree) = trees.find(|tree| is_within(path, tree)) else {
        return true;
    };
    scopes.any(|pattern| {
        pattern.matches(path)
            && match pattern {
                Pattern::Exact(exact) => is_within(exact, tree),
                Pattern::Affix { prefix, .. } => is_within(prefix, tree),
                Pattern::Endpoint(_) => false,
            }
    })
}

/// Decides on another path that a method uses.
fn check(granted: &Call, action: ActionName, path: &FsPath, shown: &str) -> Result<(), OperationError> {
    let operation = operation(action, path);
    granted.check(&operation, shown)?;
    granted_by_name(granted, &operation, shown)
}

fn is_within(path: &str, tree: &str) -> bool {
    path.strip_prefix(tree)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Runs file work on a thread that may block, so that the guest's timers continue. `doing` begins the message of an
/// error.
async fn blocking<T: Send + 'static>(
    granted: &Call,
    doing: &str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, OperationError> {
    let done = granted.blocking(doing, move || Ok(work())).await?;
    done.map_err(|error| OperationError::io(&error, doing, granted.shown()))
}

/// Calls `work` with the place of the path, on a thread that may block. The opened path is the one that was decided on.
async fn at<T: Send + 'static>(
    granted: &Call,
    doing: &'static str,
    need: Need,
    work: impl FnOnce(&Place) -> std::io::Result<T> + Send + 'static,
) -> Result<T, OperationError> {
    let (roots, path) = (granted.state().get()?, granted.resource().to_owned());
    let action = granted.operation().action();
    blocking(granted, doing, move || roots.at(&[action], &path, need, work)).await
}

/// Calls `work` to find a file whose content may need much memory, on a thread that may block.
///
/// `work` is called with the number of bytes that are reserved. If the result is larger, it returns the number that it
/// needs. The result comes with its reservation.
async fn find_much<T: Send + 'static>(
    granted: &Call,
    doing: &'static str,
    work: fn(&Place, usize) -> std::io::Result<Much<T>>,
) -> Result<(T, Reservation), OperationError> {
    let mut room = ENOUGH_FOR_SMALL;
    loop {
        // The old reservation is dropped before a larger one is requested. Otherwise, the operation could wait for
        // itself.
        let held = granted.reserve_result(room, doing).await?;
        let (roots, path) = (granted.state().get()?, granted.resource().to_owned());
        let found = move || roots.find(ActionName::READ, &path, |place| work(place, room));
        match blocking(granted, doing, found).await? {
            Much::Whole(found) => return Ok((found, held)),
            Much::Needs(more) => room = more,
        }
    }
}

async fn read_file(granted: Call, _arguments: Arguments) -> Result<Output, OperationError> {
    let (bytes, held) = find_much(&granted, "reading", files::read).await?;
    granted.count(CountedBytes::Read, bytes.len())?;
    Ok(Output::bytes(bytes, held))
}

async fn read_text_file(granted: Call, _arguments: Arguments) -> Result<Output, OperationError> {
    let (bytes, held) = find_much(&granted, "reading", files::read).await?;
    granted.count(CountedBytes::Read, bytes.len())?;
    granted.has_room_for_text(bytes.len(), "reading")?;
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(Output::text(text, held))
}

/// Writes a text or bytes.
async fn write_file(granted: Call, mut arguments: Arguments) -> Result<(), OperationError> {
    let data = match arguments.take(1) {
        Value::Text(text) => text.into_bytes(),
        Value::Bytes(bytes) => bytes,
        _ => return Err(OperationError::type_error("writing: there is no content")),
    };
    let flags = arguments.flags(2);
    let write = move |place: &Place| files::write(place, &data, &flags);
    at(&granted, "writing", Need::Content, write).await
}

async fn read_dir(granted: Call, _arguments: Arguments) -> Result<Output, OperationError> {
    let (entries, held) = find_much(&granted, "listing", files::read_dir).await?;
    let entries = entries
        .into_iter()
        .map(|(name, kind)| Value::List(vec![name.into(), u32::from(kind).into()]));
    Ok(Output::reserved(Value::List(entries.collect()), held))
}

async fn stat(granted: Call, _arguments: Arguments) -> Result<Output, OperationError> {
    let (roots, path) = (granted.state().get()?, granted.resource().to_owned());
    let found = move || roots.find(ActionName::READ, &path, files::stat);
    blocking(&granted, "looking at", found).await.map(information)
}

/// Like `stat`, but of a symbolic link itself.
async fn lstat(granted: Call, _arguments: Arguments) -> Result<Output, OperationError> {
    let (roots, path) = (granted.state().get()?, granted.resource().to_owned());
    let found = move || {
        roots.find(ActionName::READ, &path, |place| {
            files::stat(&place.clone().without_following())
        })
    };
    blocking(&granted, "looking at", found).await.map(information)
}

/// Returns information about a file for JavaScript.
fn information(info: files::Info) -> Output {
    let list = vec![
        u32::from(info.kind).into(),
        // A size above 2^53 is rounded, like everywhere in JavaScript.
        Value::Number(info.size as f64),
        info.modified.into(),
        info.accessed.into(),
        info.created.into(),
        info.mode.into(),
    ];
    list.into()
}

async fn mkdir(granted: Call, arguments: Arguments) -> Result<(), OperationError> {
    let recursive = arguments.has_flag(1, "recursive");
    let path = decided(&granted)?;
    // `recursive` also creates the missing parents. It walks up as long as the capability may write the parent, and
    // then creates folders downwards. They are created one by one, because a folder has a handle only after it exists.
    let mut missing = vec![path.clone()];
    if recursive {
        let mut above = path.parent();
        while let Some(parent) = above.filter(|parent| granted.allows(&Operation::fs_write(parent))) {
            above = parent.parent();
            missing.push(parent);
        }
    }
    let roots = granted.state().get()?;
    let make = move || {
        let actions = &[ActionName::WRITE];
        let mut missing = missing.iter().rev();
        missing.try_for_each(|folder| {
            let make = |place: &Place| files::make_folder(place, recursive);
            roots.at(actions, folder.as_str(), Need::Entry, make)
        })
    };
    blocking(&granted, "making folder", make).await
}

async fn remove(granted: Call, arguments: Arguments) -> Result<(), OperationError> {
    let recursive = arguments.has_flag(1, "recursive");
    let whole = covers_below(&granted, &decided(&granted)?);
    let remove = move |place: &Place| files::remove(place, recursive, whole);
    if at(&granted, "removing", Need::Entry, remove).await? {
        return Ok(());
    }
    Err(granted.refuse(
        granted.operation(),
        granted.shown(),
        "removing a folder with its content needs a write grant for all of it",
    ))
}

/// Returns true if one scope of the capability allows to write everything below the path.
fn covers_below(granted: &Call, path: &FsPath) -> bool {
    granted.covers(ActionName::WRITE, &Pattern::prefix(path.below()))
}

async fn rename(granted: Call, mut arguments: Arguments) -> Result<(), OperationError> {
    let (source, to) = (decided(&granted)?, arguments.take_text(1)?);
    let target = parsed(&to, granted.base())?;
    check(&granted, ActionName::WRITE, &target, &to)?;
    let refused = |gain| {
        let why = match gain {
            Gain::Scope => "a scope of the program begins at or below the new name",
            Gain::Read => "the program may read the new name, and this capability may not read the old one",
            Gain::Partly => {
                "moving a folder with its content needs a write grant for all of it, under both names"
            }
        };
        granted.refuse(&Operation::fs_write(&target), &to, why)
    };
    let roots = granted.state().get()?;
    if roots.begin_within(target.as_str()) {
        return Err(refused(Gain::Scope));
    }
    // A rename counts as reading the file and writing it elsewhere. Otherwise, a module with only write access could
    // publish files that no module may read. If no module of the program may read the new name, the rename reveals
    // nothing.
    let is_read = |pattern: &Pattern| granted.program_may(ActionName::READ, pattern);
    let is_shown =
        is_read(&Pattern::Exact(target.as_str().to_owned())) || is_read(&Pattern::prefix(target.below()));
    if is_shown && !granted.allows(&Operation::fs_read(&source)) {
        return Err(refused(Gain::Read));
    }
    let whole = covers_below(&granted, &source) && covers_below(&granted, &target);
    let (old, new) = (source.as_str().to_owned(), target.as_str().to_owned());
    let renamed = blocking(&granted, "renaming", move || roots.rename(&old, &new, whole));
    renamed.await?.map_err(refused)
}

impl Extension for Fs {
    type Program = Roots;
    type Isolate = HandleCache;
    type Capability = OwnRoots;
    type Sent = Roots;

    fn family(&self) -> Arc<dyn Family> {
        Arc::new(secure_runtime_capabilities::Fs)
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:fs/fs.js",
            source: include_str!("fs.js"),
        }
    }

    fn types(&self) -> &'static str {
        include_str!("fs.d.ts")
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        let (reading, writing) = (ActionName::READ, ActionName::WRITE);
        declare(methods, reading, "readTextFile", read_text_file);
        declare(methods, reading, "readFile", read_file);
        declare(methods, writing, "writeTextFile", write_file);
        declare(methods, writing, "writeFile", write_file);
        declare(methods, reading, "readDir", read_dir);
        declare(methods, reading, "stat", stat);
        declare(methods, reading, "lstat", lstat);
        declare(methods, writing, "mkdir", mkdir);
        declare(methods, writing, "remove", remove);
        let renamed = methods.on(writing, |asked| with_second_path(asked, write));
        add(renamed, "rename", rename);
        copy::declare(methods);
        links::declare(methods);
        walk::declare(methods);
        watch::declare(methods);
        temporary::declare(methods);
        attributes::declare(methods);
        open_file::declare(methods);
    }

    fn sandbox_rules(&self, authority: &Authority) -> Vec<SandboxRule> {
        sandbox_rules::of(authority)
    }

    fn start_program(&self, program: &ProgramStart<'_>) -> Roots {
        Roots(Some(PreopenedDirectories::of_program(program.authority)))
    }

    fn end_program(&self, program: &Roots) {
        if let Some(roots) = &program.0 {
            roots.close();
        }
    }

    fn capability(
        &self,
        capability: CapabilityView<'_, Self>,
        origin: Origin<'_, Self>,
    ) -> Result<OwnRoots, OperationError> {
        let isolate = capability.isolate()?;
        let parent = match origin {
            Origin::Received(roots) => return Ok(OwnRoots(Some(capability.keep(roots.get()?)))),
            Origin::Narrowed(parent) => parent.get()?,
            // A module's capability is narrowed from the program's.
            Origin::Module => isolate.program().get()?,
        };
        let scopes = |action| scope::Scope::of(capability.effective(action));
        let (reading, writing) = (scopes(ActionName::READ), scopes(ActionName::WRITE));
        let roots = PreopenedDirectories::narrowed(reading, writing, parent, isolate.isolate());
        Ok(OwnRoots(Some(capability.keep(roots))))
    }

    fn send(&self, state: &OwnRoots) -> Result<Roots, OperationError> {
        Ok(Roots(Some(state.get()?)))
    }
}
