//! Copies of files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use cap_std::fs::{OpenOptions, OpenOptionsExt};
use secure_runtime_capabilities::{ActionName, FsPath};
use secure_runtime_engine::extension::{Arguments, CountedBytes, Methods, OperationError, clipped};

use super::files;
use super::open_file::FileAtPath;
use super::roots::{Need, PreopenedDirectories};
use super::{Call, Fs, add, check, decided, parsed, read, with_second_path};

/// Number of bytes that are copied between two decisions.
const PIECE: usize = 16 << 20;
/// Memory of a copy, in bytes.
const BUFFER: usize = 256 << 10;

/// The file that an error is about.
enum Side {
    Source,
    Target,
    /// The target is the source.
    Both,
}

type Sided<T> = Result<T, (Side, io::Error)>;

fn source(error: io::Error) -> (Side, io::Error) {
    (Side::Source, error)
}

fn target(error: io::Error) -> (Side, io::Error) {
    (Side::Target, error)
}

/// The two files of a copy.
struct Copying {
    from: FileAtPath,
    to: FileAtPath,
}

impl Copying {
    /// Opens both files, and empties the target.
    fn begin(roots: &Arc<PreopenedDirectories>, from: &FsPath, to: &FsPath) -> Sided<Copying> {
        const FROM: &[ActionName] = &[ActionName::READ];
        const TO: &[ActionName] = &[ActionName::WRITE];
        let renames = roots.program.shared();
        let place = |actions, path: &FsPath| roots.place(actions, path.as_str(), Need::Content, *renames);
        let from_place = place(FROM, from).map_err(source)?;
        let (from_file, metadata) =
            files::open_with(&from_place, OpenOptions::new().read(true)).map_err(source)?;
        if metadata.is_dir() {
            return Err(source(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let to_place = place(TO, to).map_err(target)?;
        // A new file has the permissions of the source, like that of `cp`, and no setuid or setgid bit. A file that
        // exists keeps its own.
        let mode = files::stat_of(&from_file).map_err(source)?.mode & 0o777;
        let mut options = OpenOptions::new();
        options.write(true).create(true).mode(mode);
        let (to_file, _) = files::open_with(&to_place, &mut options).map_err(target)?;
        // The target may be the source under another name. It is emptied only after this check.
        let identity = |file: &File| files::identity_of(file).map(|(identity, _)| identity);
        if identity(&from_file).map_err(source)? == identity(&to_file).map_err(target)? {
            return Err((Side::Both, io::Error::from(io::ErrorKind::AlreadyExists)));
        }
        to_file.set_len(0).map_err(target)?;
        Ok(Copying {
            from: FileAtPath::new(from_file, *renames, roots.clone(), FROM, from),
            to: FileAtPath::new(to_file, *renames, roots.clone(), TO, to),
        })
    }

    /// Copies the next bytes. Returns their number, 0 at the end. Both files must be where they were opened.
    fn piece(&self) -> Sided<usize> {
        let renames = self.from.shared();
        let from = self.from.in_place(*renames).map_err(source)?;
        let to = self.to.in_place(*renames).map_err(target)?;
        let (mut from, mut to) = (&from.0, &to.0);
        let mut buffer = vec![0; BUFFER];
        let mut copied = 0;
        while copied < PIECE {
            let count = from.read(&mut buffer).map_err(source)?;
            if count == 0 {
                break;
            }
            to.write_all(buffer.get(..count).unwrap_or_default())
                .map_err(target)?;
            copied += count;
        }
        Ok(copied)
    }
}

async fn copy_file(granted: Call, mut arguments: Arguments) -> Result<(), OperationError> {
    let (from, shown) = (decided(&granted)?, arguments.take_text(1)?);
    let to = parsed(&shown, granted.base())?;
    check(&granted, ActionName::WRITE, &to, &shown)?;
    let _open = (granted.permit_open()?, granted.permit_open()?);
    let _held = granted.reserve_result(BUFFER, "copying").await?;
    let failed = |(side, error): (Side, io::Error)| match side {
        Side::Source => OperationError::io(&error, "copying", granted.shown()),
        Side::Target => OperationError::io(&error, "copying to", &shown),
        Side::Both => {
            let (from, to) = (clipped(granted.shown()), clipped(&shown));
            let message = format!("copying {from:?} to {to:?}: they are the same file");
            OperationError::system("AlreadyExists", "EEXIST", message)
        }
    };
    let (roots, target) = (granted.state().get()?, to.clone());
    let begin = move || Ok(Copying::begin(&roots, &from, &target));
    let copying = granted.blocking("copying", begin).await?.map_err(failed)?;
    let copying = Arc::new(copying);
    loop {
        let next = copying.clone();
        let copied = granted.blocking("copying", move || Ok(next.piece())).await?;
        let copied = copied.map_err(failed)?;
        granted.count(CountedBytes::Read, copied)?;
        if copied < PIECE {
            return Ok(());
        }
        granted.check_again()?;
        check(&granted, ActionName::WRITE, &to, &shown)?;
    }
}

pub(super) fn declare(methods: &mut Methods<Fs>) {
    let copied = methods.on(ActionName::READ, |asked| with_second_path(asked, read));
    add(copied, "copyFile", copy_file);
}
