//! Files and folders with names that nobody can know before.

use std::io;

use secure_runtime_capabilities::{ActionName, Operation};
use secure_runtime_engine::extension::{Arguments, Asked, Methods, OperationError, Output, clipped};

use super::roots::{Need, Place};
use super::{Call, Fs, Subject, add, at, files, path};

/// Number of random bytes in a name.
const CHANCE: usize = 10;
/// Maximum size of the beginning and of the end of a name, in bytes.
const MOST_GIVEN: usize = 64;

/// Returns a new path in the folder that the first argument means. The next ones are the beginning and the end of the
/// name.
///
/// The path is chosen before the decision, so the audit record names it, and the decided path is the one that is used.
fn new_path<'a>(asked: &Asked<'a, Fs>) -> Result<Subject<'a>, OperationError> {
    let (folder, beginning, end) = (asked.text(0)?, asked.text(1)?, asked.text(2)?);
    // Without a folder, the path below would be absolute.
    path(folder, asked)?;
    for part in [beginning, end] {
        if part.len() > MOST_GIVEN || part.contains(['/', '\0']) {
            let message = format!(
                "prefix and suffix are parts of a name of at most {MOST_GIVEN} bytes, not {:?}",
                clipped(part)
            );
            return Err(OperationError::type_error(message));
        }
    }
    let mut chance = [0; CHANCE];
    getrandom::fill(&mut chance)
        .map_err(|_| OperationError::type_error("the system has no random bytes for a name"))?;
    let chance: String = chance.iter().map(|byte| format!("{byte:02x}")).collect();
    let separator = if folder.ends_with('/') { "" } else { "/" };
    let shown = format!("{folder}{separator}{beginning}{chance}{end}");
    let made = path(&shown, asked)?;
    Ok((Operation::fs_write(&made).into_owned(), shown.into()))
}

async fn make(
    granted: Call,
    _: Arguments,
    make: fn(&Place) -> io::Result<()>,
) -> Result<Output, OperationError> {
    at(&granted, "making", Need::Entry, make).await?;
    Ok(granted.shown().into())
}

pub(super) fn declare(methods: &mut Methods<Fs>) {
    let file = methods.on(ActionName::WRITE, new_path);
    add(file, "makeTempFile", |granted, arguments| {
        make(granted, arguments, files::make_private_file)
    });
    let folder = methods.on(ActionName::WRITE, new_path);
    add(folder, "makeTempDir", |granted, arguments| {
        make(granted, arguments, files::make_private_folder)
    });
}
