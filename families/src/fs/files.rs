//! File work after the decision. It uses directory handles only.
//!
//! Only regular files and folders are opened. A FIFO would block, and opening a device can have effects. Both are
//! refused by the type of the opened handle. `O_NONBLOCK` prevents the open call from blocking.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use cap_fs_ext::{DirExt, FollowSymlinks, MetadataExt, OpenOptionsFollowExt};
use cap_std::fs::{
    Dir, DirBuilder, DirBuilderExt, FileType, Metadata, OpenOptions, OpenOptionsExt, PermissionsExt,
};
use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, Timespec, Timestamps};
use rustix::io::retry_on_intr;

use super::roots::Place;

/// Maximum size of a file that is read into memory at once, in bytes. open() reads larger ones piece by piece.
const MAX_READ: u64 = 1 << 30;
/// Maximum number of bytes that one read of an open file returns.
const MAX_PIECE: u64 = 16 << 20;

/// `O_NONBLOCK | O_NOCTTY`: opening does not block, and acquires no terminal.
#[cfg(any(target_os = "linux", target_os = "android"))]
const OPEN_FLAGS: i32 = 0o4000 | 0o400;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const OPEN_FLAGS: i32 = 0;

/// Information about a file. For the kind see [`kind`]; the size is in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Info {
    pub(super) kind: u8,
    pub(super) size: u64,
    /// In milliseconds since the Unix epoch, like the other times.
    pub(super) modified: Option<f64>,
    pub(super) accessed: Option<f64>,
    pub(super) created: Option<f64>,
    /// The bits of permissions, with setuid, setgid and sticky.
    pub(super) mode: u32,
}

pub(super) fn open_with(place: &Place, options: &mut OpenOptions) -> io::Result<(File, std::fs::Metadata)> {
    options.follow(if place.follow {
        FollowSymlinks::Yes
    } else {
        FollowSymlinks::No
    });
    options.custom_flags(OPEN_FLAGS);
    let file = place.dir().open_with(&place.relative, options)?.into_std();
    let metadata = file.metadata()?;
    let kind = metadata.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    refuse_special(&file)?;
    Ok((file, metadata))
}

/// Refuses files of kernel file systems. A link or a mount can lead to them, so the opened handle is checked.
#[cfg(target_os = "linux")]
pub(super) fn refuse_special(file: impl AsFd) -> io::Result<()> {
    // Magic numbers of statfs(2), from linux/magic.h: proc, sysfs, debugfs, tracefs, securityfs, cgroup, cgroup2, bpf,
    // devpts.
    const SPECIAL: [u64; 9] = [
        0x9fa0,
        0x6265_6572,
        0x6462_6720,
        0x7472_6163,
        0x7363_6673,
        0x0027_e0eb,
        0x6367_7270,
        0xcafe_4a11,
        0x1cd1,
    ];
    let kind = rustix::fs::fstatfs(file)?.f_type as u64;
    if SPECIAL.contains(&kind) {
        Err(io::Error::from(io::ErrorKind::PermissionDenied))
    } else {
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn refuse_special(_file: impl AsFd) -> io::Result<()> {
    Ok(())
}

/// A result, or the number of bytes of memory that it needs.
pub(super) enum Much<T> {
    Whole(T),
    Needs(usize),
}

/// Reads a file of at most `room` bytes.
pub(super) fn read(place: &Place, room: usize) -> io::Result<Much<Vec<u8>>> {
    let (mut file, metadata) = open_with(place, OpenOptions::new().read(true))?;
    let size = metadata.len();
    if size > MAX_READ {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    if size > room as u64 {
        return Ok(Much::Needs(size as usize));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // The file may grow meanwhile, and some files, for example of the kernel, have no size.
    let read = Read::by_ref(&mut file)
        .take(room as u64)
        .read_to_end(&mut bytes)?;
    if read == room && file.read(&mut [0])? != 0 {
        let more = room.saturating_mul(2);
        if more as u64 > MAX_READ {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        return Ok(Much::Needs(more));
    }
    Ok(Much::Whole(bytes))
}

pub(super) fn write(place: &Place, data: &[u8], flags: &[String]) -> io::Result<()> {
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    if has("createNew") {
        options.create_new(true);
    }
    if has("append") {
        options.append(true);
    } else {
        options.truncate(true);
    }
    let (mut file, _) = open_with(place, &mut options)?;
    file.write_all(data)
}

pub(super) fn open(place: &Place, flags: &[String]) -> io::Result<File> {
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    let mut options = OpenOptions::new();
    options
        .read(has("read"))
        .write(has("write"))
        .append(has("append"));
    options
        .truncate(has("truncate"))
        .create(has("create"))
        .create_new(has("createNew"));
    open_with(place, &mut options).map(|(file, _)| file)
}

/// Returns the maximum number of bytes that one read returns if `length` bytes are requested.
pub(super) fn piece(length: u64) -> usize {
    length.min(MAX_PIECE) as usize
}

/// Reads at most `length` bytes at the position of the file. There are none at its end.
pub(super) fn read_some(file: &File, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    if length == 0 {
        return Ok(bytes);
    }
    // The memory is not filled with zeros first.
    retry_on_intr(|| rustix::io::read(file, spare_capacity(&mut bytes)))?;
    Ok(bytes)
}

pub(super) fn write_all(mut file: &File, data: &[u8]) -> io::Result<u64> {
    file.write_all(data)?;
    Ok(data.len() as u64)
}

/// Opens the folder at a place. The last link is followed only if the place allows it.
pub(super) fn folder(place: &Place) -> io::Result<Dir> {
    if place.follow {
        place.dir().open_dir(&place.relative)
    } else {
        place.dir().open_dir_nofollow(&place.relative)
    }
}

/// Reads the entries of a folder if they take at most `room` bytes.
pub(super) fn read_dir(place: &Place, room: usize) -> io::Result<Much<Vec<(String, u8)>>> {
    let folder = folder(place)?;
    refuse_special(&folder)?;
    let mut entries = Vec::new();
    let mut size: usize = 0;
    for entry in folder.entries()? {
        let entry = entry?;
        // Names are text for guests. A name that is not UTF-8 is listed, so that the folder does not look empty, but no
        // path of a guest opens the file.
        let name = entry.file_name().to_string_lossy().into_owned();
        // The list may have the capacity for twice its entries.
        size += name.len() + 2 * size_of::<(String, u8)>();
        if size > room {
            return Ok(Much::Needs(room.saturating_mul(2)));
        }
        entries.push((name, kind(entry.file_type()?)));
    }
    entries.sort_unstable();
    Ok(Much::Whole(entries))
}

fn metadata(place: &Place) -> io::Result<Metadata> {
    if place.follow {
        place.dir().metadata(&place.relative)
    } else {
        place.dir().symlink_metadata(&place.relative)
    }
}

pub(super) fn stat(place: &Place) -> io::Result<Info> {
    Ok(info(&metadata(place)?))
}

/// Returns information about an open file.
pub(super) fn stat_of(file: &File) -> io::Result<Info> {
    Ok(info(&Metadata::from_file(file)?))
}

fn info(metadata: &Metadata) -> Info {
    let time =
        |time: io::Result<cap_std::time::SystemTime>| time.ok().map(|time| milliseconds(time.into_std()));
    Info {
        kind: kind(metadata.file_type()),
        size: metadata.len(),
        modified: time(metadata.modified()),
        accessed: time(metadata.accessed()),
        created: time(metadata.created()),
        mode: PermissionsExt::mode(&metadata.permissions()) & 0o7777,
    }
}

/// Opens a file or folder to change its mode or its times. The content is not used.
///
/// The changes are made by the handle, because calls with a path would follow a link that another process puts there.
/// A handle for writing needs no right to read. Folders, running programs and read-only files are opened for reading.
pub(super) fn open_to_change(place: &Place) -> io::Result<File> {
    use io::ErrorKind::{ExecutableFileBusy, IsADirectory, PermissionDenied};
    let opened = match open_with(place, OpenOptions::new().write(true)) {
        Err(error) if matches!(error.kind(), IsADirectory | PermissionDenied | ExecutableFileBusy) => {
            open_with(place, OpenOptions::new().read(true))
        }
        opened => opened,
    };
    opened.map(|(file, _)| file)
}

/// Sets the permission bits of an open file.
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?)
}

/// Sets the times of access and modification of an open file, in milliseconds since the Unix epoch.
pub(super) fn set_times(file: &File, accessed: f64, modified: f64) -> io::Result<()> {
    let time = |milliseconds: f64| {
        let seconds = (milliseconds / 1000.0).floor();
        let rest = milliseconds - seconds * 1000.0;
        Timespec {
            tv_sec: seconds as i64,
            tv_nsec: ((rest * 1e6).round() as i64).min(999_999_999),
        }
    };
    let times = Timestamps {
        last_access: time(accessed),
        last_modification: time(modified),
    };
    Ok(rustix::fs::futimens(file, &times)?)
}

/// Sets the size of a file.
pub(super) fn truncate(place: &Place, size: u64) -> io::Result<()> {
    let (file, _) = open_with(place, OpenOptions::new().write(true))?;
    file.set_len(size)
}

/// Creates an empty file that only the process's user may read and write.
pub(super) fn make_private_file(place: &Place) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    open_with(place, &mut options).map(drop)
}

/// Creates a folder that only the process's user may use.
pub(super) fn make_private_folder(place: &Place) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    place.dir().create_dir_with(&place.relative, &builder)
}

/// Returns the target of the symbolic link at a place.
pub(super) fn read_link(place: &Place) -> io::Result<String> {
    let target = place.dir().read_link_contents(&place.relative)?;
    target
        .into_os_string()
        .into_string()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

/// The identity of a file: the number of its device and its inode number.
pub(super) type Identity = (u64, u64);

/// Returns the identity of the file at a place.
pub(super) fn identity(place: &Place) -> io::Result<Identity> {
    let metadata = metadata(place)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Returns the identity of an open file and its number of hard links.
pub(super) fn identity_of(file: &File) -> io::Result<(Identity, u64)> {
    let metadata = Metadata::from_file(file)?;
    Ok(((metadata.dev(), metadata.ino()), metadata.nlink()))
}

/// The properties of a file that change with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    identity: Identity,
    size: u64,
    /// The times of the last change of the content, and of the content or the attributes: seconds and nanoseconds.
    changed: [i64; 4],
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        use cap_std::fs::MetadataExt as Unix;
        Stamp {
            identity: (Unix::dev(metadata), Unix::ino(metadata)),
            size: metadata.len(),
            changed: [
                Unix::mtime(metadata),
                Unix::mtime_nsec(metadata),
                Unix::ctime(metadata),
                Unix::ctime_nsec(metadata),
            ],
        }
    }

    #[cfg(test)]
    pub(super) fn of_size(size: u64) -> Self {
        Stamp {
            identity: (0, 0),
            size,
            changed: [0; 4],
        }
    }
}

/// Returns the stamps of the entries of a folder that have an allowed name, or that of a file under the empty name. A
/// folder itself has none.
pub(super) fn stamps(
    place: &Place,
    most: usize,
    is_allowed: impl Fn(&str) -> bool,
) -> io::Result<BTreeMap<String, Option<Stamp>>> {
    let own = metadata(place)?;
    if !own.is_dir() {
        return Ok(BTreeMap::from([(String::new(), Some(Stamp::of(&own)))]));
    }
    let folder = folder(place)?;
    refuse_special(&folder)?;
    let mut all = BTreeMap::from([(String::new(), None)]);
    for entry in folder.entries()? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !is_allowed(&name) {
            continue;
        }
        if all.len() > most {
            return Err(io::Error::other(format!(
                "more than {most} entries cannot be watched"
            )));
        }
        match entry.metadata() {
            Ok(metadata) => all.insert(name, Some(Stamp::of(&metadata))),
            // It was removed since the folder was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
    }
    Ok(all)
}

/// Returns the kind as a number: 0 file, 1 folder, 2 link, 3 FIFO, 4 socket, 5 character device, 6 block device, 7
/// unknown.
fn kind(kind: FileType) -> u8 {
    match kind {
        kind if kind.is_file() => 0,
        kind if kind.is_dir() => 1,
        kind if kind.is_symlink() => 2,
        kind => other_kind(kind),
    }
}

/// Returns the number of a kind of the system.
pub(super) fn kind_of(kind: rustix::fs::FileType) -> u8 {
    use rustix::fs::FileType;
    match kind {
        FileType::RegularFile => 0,
        FileType::Directory => 1,
        FileType::Symlink => 2,
        FileType::Fifo => 3,
        FileType::Socket => 4,
        FileType::CharacterDevice => 5,
        FileType::BlockDevice => 6,
        _ => 7,
    }
}

#[cfg(unix)]
fn other_kind(kind: FileType) -> u8 {
    use cap_std::fs::FileTypeExt;
    match kind {
        kind if kind.is_fifo() => 3,
        kind if kind.is_socket() => 4,
        kind if kind.is_char_device() => 5,
        kind if kind.is_block_device() => 6,
        _ => 7,
    }
}

#[cfg(not(unix))]
fn other_kind(_: FileType) -> u8 {
    7
}

fn milliseconds(time: SystemTime) -> f64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_millis() as f64,
        Err(before) => -(before.duration().as_millis() as f64),
    }
}

/// Creates one folder. With `tolerant`, an existing folder is no error.
pub(super) fn make_folder(place: &Place, tolerant: bool) -> io::Result<()> {
    match place.dir().create_dir(&place.relative) {
        Err(error)
            if tolerant && error.kind() == io::ErrorKind::AlreadyExists && metadata(place)?.is_dir() =>
        {
            Ok(())
        }
        made => made,
    }
}

/// Removes the file or folder at a place. Returns false for a folder with its content of which the caller may not write
/// everything.
pub(super) fn remove(place: &Place, recursive: bool, whole: bool) -> io::Result<bool> {
    let path: &Path = &place.relative;
    // Links are not followed. A link itself is removed, never its target. This also holds inside a removed tree.
    if !place.dir().symlink_metadata(path)?.is_dir() {
        place.dir().remove_file(path)?;
    } else if !recursive {
        place.dir().remove_dir(path)?;
    } else if whole {
        place.dir().remove_dir_all(path)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}
