//! Errors that an operation returns to a guest.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use deno_error::{AdditionalProperties, JsErrorClass};

use super::marks::{Carried, Mark, Marks};
use crate::limits::LimitHit;

/// Maximum length of a guest's text in an error, in bytes.
const MOST_SHOWN: usize = 1024;
/// Maximum length of an error's message, in bytes.
const MOST_MESSAGE: usize = 64 << 10;

/// Returns a guest's text in the form that errors repeat: all of it, or its beginning and its length.
///
/// Errors are kept and cloned, and escaping makes them several times as long.
pub fn clipped(text: &str) -> Cow<'_, str> {
    clipped_to(MOST_SHOWN, text)
}

fn clipped_to(most: usize, text: &str) -> Cow<'_, str> {
    match text.get(..text.floor_char_boundary(most)) {
        Some(beginning) if beginning.len() < text.len() => {
            format!("{beginning}… ({} bytes in all)", text.len()).into()
        }
        _ => text.into(),
    }
}

/// Returns a message that is short enough for a string of the engine.
fn short(message: String) -> String {
    match clipped_to(MOST_MESSAGE, &message) {
        Cow::Borrowed(_) => message,
        Cow::Owned(clipped) => clipped,
    }
}

/// A refusal for the guest. It names the resource in the guest's own words, and does not reveal whether it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) family: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) module: String,
    pub(crate) why: String,
    /// The denial or limit that the error represents.
    pub(crate) mark: Option<Carried>,
}

/// An error of an operation, for the guest that called it.
///
/// Its message must say what failed, and name the resource in the guest's own words. It must not reveal whether a
/// resource exists that the guest may not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationError(Kind);

/// The class is the name of a standard constructor, or of one that realm/prepare.js registered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A `CapabilityError`.
    Refused(Box<Refused>),
    /// Any other error: class, optional code such as `ENOENT`, and message.
    Other {
        class: &'static str,
        code: Option<&'static str>,
        message: String,
    },
}

impl OperationError {
    /// Returns the error of an operation that exceeds a quota. `action` is the family and the action.
    pub(crate) fn over(hit: &LimitHit, action: (&str, &str), resource: &str, module: &str) -> Self {
        OperationError::refused(Refused {
            code: "limit",
            family: action.0.to_owned(),
            action: action.1.to_owned(),
            resource: clipped(resource).into_owned(),
            module: module.to_owned(),
            why: hit.to_string(),
            mark: None,
        })
    }

    /// Returns a `CapabilityError`.
    pub(crate) fn refused(refused: Refused) -> Self {
        OperationError(Kind::Refused(Box::new(refused)))
    }

    /// Returns the same error with this mark.
    pub(crate) fn marked(mut self, marks: &Arc<Marks>, mark: Mark) -> Self {
        let message = self.to_string();
        if let Kind::Refused(refused) = &mut self.0 {
            refused.mark = Some(marks.carry(message, mark));
        }
        self
    }

    /// Returns a `TypeError`, for arguments of the wrong kind.
    pub fn type_error(message: impl Into<String>) -> Self {
        OperationError::other("TypeError", None, message.into())
    }

    /// Returns a `RangeError`, for arguments outside of their range, and for limits.
    pub fn range_error(message: impl Into<String>) -> Self {
        OperationError::other("RangeError", None, message.into())
    }

    /// Returns an error with a `code`. The class is `Error`, `TypeError`, or one of the names that Deno uses, such as
    /// `NotFound` (`systemErrorNames` in realm/prepare.js).
    pub fn system(class: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        OperationError::other(class, Some(code), message.into())
    }

    /// Returns an error without a `code`. The class is one of those of [`OperationError::system`].
    pub fn named(class: &'static str, message: impl Into<String>) -> Self {
        OperationError::other(class, None, message.into())
    }

    fn other(class: &'static str, code: Option<&'static str>, message: String) -> Self {
        OperationError(Kind::Other {
            class,
            code,
            message: short(message),
        })
    }

    /// Returns the error of a failed system call on a resource that the guest may use. `doing` begins the message, such
    /// as `reading`. The resource is in the guest's words.
    pub fn io(error: &std::io::Error, doing: &str, resource: &str) -> Self {
        use std::io::ErrorKind;
        let (class, code, what) = match error.kind() {
            ErrorKind::NotFound => ("NotFound", "ENOENT", "it does not exist"),
            // This error is not from the system: cap-std refused to leave the handle that it resolves beneath.
            ErrorKind::PermissionDenied if error.get_ref().is_some() => {
                ("PermissionDenied", "EXDEV", "it leads out of the granted folder")
            }
            ErrorKind::PermissionDenied => ("PermissionDenied", "EACCES", "the operating system refuses it"),
            ErrorKind::AlreadyExists => ("AlreadyExists", "EEXIST", "it exists already"),
            ErrorKind::NotADirectory => ("NotADirectory", "ENOTDIR", "it is not a folder"),
            ErrorKind::IsADirectory => ("IsADirectory", "EISDIR", "it is a folder"),
            ErrorKind::DirectoryNotEmpty => ("Busy", "ENOTEMPTY", "the folder is not empty"),
            ErrorKind::StorageFull => ("StorageFull", "ENOSPC", "the disk is full"),
            ErrorKind::ReadOnlyFilesystem => ("PermissionDenied", "EROFS", "the file system is read-only"),
            ErrorKind::TimedOut => ("TimedOut", "ETIMEDOUT", "it took too long"),
            ErrorKind::InvalidFilename => ("TypeError", "ENAMETOOLONG", "the name is too long"),
            ErrorKind::CrossesDevices => ("PermissionDenied", "EXDEV", "it leads out of the granted folder"),
            ErrorKind::StaleNetworkFileHandle => (
                "PermissionDenied",
                "ESTALE",
                "the file was moved after it was opened; open it by its new name",
            ),
            _ if error.raw_os_error() == Some(40) => {
                ("FilesystemLoop", "ELOOP", "it is a link that is not followed")
            }
            _ => ("Error", "EIO", "the operating system reported a failure"),
        };
        OperationError::system(class, code, format!("{doing} {:?}: {what}", clipped(resource)))
    }
}

type Properties = Vec<(&'static str, String)>;

thread_local! {
    /// The message of the error that deno_core read last on this thread, and the properties of that error.
    static LATEST: RefCell<Option<(String, Properties)>> = const { RefCell::new(None) };
}

/// Returns the properties of the error that deno_core is creating on this thread, if it has this message.
///
/// The realm calls this and defines the properties. deno_core's own mechanism also defines a list of their names, under
/// a symbol of the global registry. Later, deno_core copies all properties in such a list from any thrown object,
/// without a limit.
pub(crate) fn properties_of(message: &str) -> Option<Properties> {
    LATEST.with_borrow_mut(|latest| match latest.take() {
        Some((known, properties)) if known == message => Some(properties),
        _ => None,
    })
}

impl OperationError {
    /// Returns the properties of the JavaScript error besides its message.
    fn properties(&self) -> Option<Properties> {
        match &self.0 {
            Kind::Refused(refused) => Some(vec![
                ("code", refused.code.to_owned()),
                ("family", refused.family.clone()),
                ("action", refused.action.clone()),
                ("resource", refused.resource.clone()),
                ("module", refused.module.clone()),
            ]),
            Kind::Other { code, .. } => code.map(|code| vec![("code", code.to_owned())]),
        }
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Refused(refused) => write!(
                formatter,
                "{} {} {:?} is not allowed in {}: {}",
                refused.family, refused.action, refused.resource, refused.module, refused.why
            ),
            Kind::Other { message, .. } => formatter.write_str(message),
        }
    }
}

impl std::error::Error for OperationError {}

impl JsErrorClass for OperationError {
    fn get_class(&self) -> Cow<'static, str> {
        match &self.0 {
            Kind::Refused(_) => "CapabilityError".into(),
            // deno_core creates errors of the standard classes itself. The realm must create those with a code.
            Kind::Other {
                class: "Error",
                code: Some(_),
                ..
            } => "ErrorWithCode".into(),
            Kind::Other {
                class: "TypeError",
                code: Some(_),
                ..
            } => "TypeErrorWithCode".into(),
            Kind::Other { class, .. } => (*class).into(),
        }
    }

    fn get_message(&self) -> Cow<'static, str> {
        let message = self.to_string();
        LATEST.set(self.properties().map(|properties| (message.clone(), properties)));
        message.into()
    }

    /// Returns none: see `properties_of`.
    fn get_additional_properties(&self) -> AdditionalProperties {
        Box::new(std::iter::empty())
    }

    fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_repeated_by_its_beginning() {
        assert_eq!(clipped("short"), "short");
        let exact = "é".repeat(MOST_SHOWN / 2);
        assert_eq!(clipped(&exact), exact);
        let long = format!("a{}", "é".repeat(MOST_SHOWN));
        let shown = clipped(&long);
        assert!(
            shown.starts_with("aé") && shown.len() < MOST_SHOWN + 40,
            "{shown}"
        );
        assert!(shown.ends_with("… (2049 bytes in all)"), "{shown}");
    }
}
