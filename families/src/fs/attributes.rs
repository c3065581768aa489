//! Sizes, modes and times of files, by path.

use secure_runtime_capabilities::ActionName;
use secure_runtime_engine::extension::{Arguments, Methods, OperationError};

use super::roots::{Need, Place};
use super::{Call, Fs, at, declare as method, files, size};

/// The permission bits that a guest may set. With setuid or setgid, a program that another user starts would get rights
/// that no grant names. The sticky bit changes who may remove entries of a folder.
const PERMISSIONS: f64 = 0o777 as f64;
/// The largest time of JavaScript, in milliseconds before or after the Unix epoch.
const LARGEST_TIME: f64 = 8.64e15;

async fn truncate(granted: Call, arguments: Arguments) -> Result<(), OperationError> {
    let size = size(arguments.number(1)?, "the size")?;
    let truncate = move |place: &Place| files::truncate(place, size);
    at(&granted, "truncating", Need::Content, truncate).await
}

async fn chmod(granted: Call, arguments: Arguments) -> Result<(), OperationError> {
    let mode = arguments.number(1)?;
    if mode.fract() != 0.0 || !(0.0..=PERMISSIONS).contains(&mode) {
        return Err(OperationError::range_error(
            "chmod: the mode must be an integer from 0 to 0o777; setuid, setgid and sticky bits cannot be set",
        ));
    }
    let change = move |place: &Place| files::set_mode(&files::open_to_change(place)?, mode as u32);
    at(&granted, "changing the mode of", Need::Content, change).await
}

async fn utime(granted: Call, arguments: Arguments) -> Result<(), OperationError> {
    let (accessed, modified) = times(&arguments, 1)?;
    let change = move |place: &Place| files::set_times(&files::open_to_change(place)?, accessed, modified);
    at(&granted, "changing the times of", Need::Content, change).await
}

/// Returns the times of access and modification at this position and the next, in milliseconds since the Unix epoch.
pub(super) fn times(arguments: &Arguments, position: usize) -> Result<(f64, f64), OperationError> {
    let time = |position| {
        let time = arguments.number(position)?;
        if time.abs() <= LARGEST_TIME {
            return Ok(time);
        }
        let message = "utime: a time must be a Date, or seconds since 1970 that a Date can have";
        Err(OperationError::range_error(message))
    };
    Ok((time(position)?, time(position + 1)?))
}

pub(super) fn declare(methods: &mut Methods<Fs>) {
    method(methods, ActionName::WRITE, "truncate", truncate);
    method(methods, ActionName::WRITE, "chmod", chmod);
    method(methods, ActionName::WRITE, "utime", utime);
}
