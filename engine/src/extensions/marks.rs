//! Marks of errors that represent a denial or a reached limit.
//!
//! A host must distinguish a denial from an error that looks like one. An error of Rust carries its mark until its
//! JavaScript object is created. The realm then requests the mark as text. It stores the text for the error object in a
//! `WeakMap` that guests cannot reach (realm/prepare.js).
//!
//! So marks are in the guest's heap, which limits them, and live as long as their errors. If an error is uncaught, the
//! mark of its object states what the error represents. Its name, message and properties prove nothing, because guests
//! can write them.
//!
//! The text of a mark lacks one thing: the authority, if the program attenuated it. So Rust also stores the latest
//! denials completely.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use secure_runtime_capabilities::{Denial, Reason};

use crate::limits::LimitHit;
use crate::outcome::DenialReport;

/// Maximum number of stored denials of a program.
const MOST: usize = 4096;
/// Maximum size of the resources in stored denials, besides the latest, in bytes.
const MOST_TEXT: usize = 4 << 20;
/// Maximum size of a resource in the text of a mark, in bytes.
const MOST_RESOURCE: usize = 4096;

/// Returns the beginning of the realm's description of an error: see [`Uncaught::of`].
///
/// It contains random bits of the process, so that guests cannot write it. If there are no random bits, it is empty,
/// and no text counts as a description.
pub(crate) fn marks_prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let mut secret = [0; 16];
        match getrandom::fill(&mut secret) {
            Ok(()) => format!("mark:{}:", u128::from_le_bytes(secret)),
            Err(_) => String::new(),
        }
    })
}

/// The meaning of an error.
#[derive(Clone)]
pub(crate) enum Mark {
    Denied(Arc<DenialReport>),
    Limit(LimitHit),
}

/// The marks of a program's errors, in all its isolates.
#[derive(Default)]
pub(crate) struct Marks(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// The marks that errors of Rust carry, and the number of errors with each. The key is the error's text: errors
    /// with the same text share a mark.
    carried: HashMap<Arc<str>, (Arc<str>, usize)>,
    /// The limits that were reached. A program has a fixed number of limits, so this list is bounded.
    hits: Vec<LimitHit>,
    /// The limits that ended isolates of packages. The key is the text of the callers' errors. The program's number of
    /// limits is the bound.
    ended: HashMap<String, Arc<str>>,
    last: u64,
    denials: HashMap<u64, Arc<DenialReport>>,
    /// The numbers of the denials, the oldest first.
    order: VecDeque<u64>,
    text: usize,
}

thread_local! {
    /// The marks of the program whose isolate runs on this thread.
    static HERE: RefCell<Option<Arc<Marks>>> = const { RefCell::new(None) };
    /// The latest mark that this thread made. Optimised code drops an operation's error before its object is created.
    static LATEST: RefCell<Option<Carried>> = const { RefCell::new(None) };
}

/// A mark that an error of Rust carries until its object is created.
pub(crate) struct Carried {
    marks: Arc<Marks>,
    message: Arc<str>,
}

impl Clone for Carried {
    fn clone(&self) -> Self {
        if let Some((_, count)) = self.marks.kept().carried.get_mut(&self.message) {
            *count += 1;
        }
        Carried {
            marks: self.marks.clone(),
            message: self.message.clone(),
        }
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let mut kept = self.marks.kept();
        let Some((_, count)) = kept.carried.get_mut(&self.message) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            kept.carried.remove(&self.message);
        }
    }
}

/// Errors are compared without their marks.
impl PartialEq for Carried {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Carried {}

impl fmt::Debug for Carried {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Carried")
    }
}

impl Marks {
    /// Uses these marks for the errors that this thread creates.
    pub(crate) fn used_here(self: &Arc<Self>) {
        HERE.set(Some(self.clone()));
        LATEST.set(None);
    }

    /// Returns [`Marks::text`] of the marks of this thread.
    pub(crate) fn text_here(message: &str) -> String {
        let marks = HERE.with_borrow(Option::clone);
        marks.map(|marks| marks.text(message)).unwrap_or_default()
    }

    /// Stores the mark of the error with this message.
    pub(crate) fn carry(self: &Arc<Self>, message: String, mark: Mark) -> Carried {
        let message: Arc<str> = message.into();
        let mut kept = self.kept();
        let text = kept.text_of(mark);
        let entry = kept.carried.entry(message.clone());
        let entry = entry.and_modify(|(old, _)| *old = text.clone());
        entry.or_insert((text, 0)).1 += 1;
        drop(kept);
        let carried = Carried {
            marks: self.clone(),
            message,
        };
        LATEST.set(Some(carried.clone()));
        carried
    }

    /// Marks all errors with the message of a limit that ended the isolate of a package.
    pub(crate) fn ended(&self, hit: LimitHit) {
        let message = hit.to_string();
        let mut kept = self.kept();
        let text = kept.text_of(Mark::Limit(hit));
        kept.ended.insert(message, text);
    }

    /// Returns the text of the mark for an error with this message that Rust is creating. The text is empty if there is
    /// no mark.
    pub(super) fn text(&self, message: &str) -> String {
        let kept = self.kept();
        let carried = kept.carried.get(message).map(|(text, _)| text);
        let text = carried.or_else(|| kept.ended.get(message));
        text.map(|text| text.as_ref().to_owned()).unwrap_or_default()
    }

    /// Returns the mark with this text, if it is stored: a limit, or one of the latest denials.
    pub(super) fn stored(&self, text: &str) -> Option<Mark> {
        let mut words = text.split(' ');
        let (kind, number) = (words.next()?, words.next()?);
        match kind {
            "limit" => {
                let hit = self.kept().hits.get(number.parse::<usize>().ok()?).cloned();
                hit.map(Mark::Limit)
            }
            "denied" => {
                let report = self.kept().denials.get(&number.parse().ok()?).cloned();
                report.map(Mark::Denied)
            }
            _ => None,
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Returns the text of a mark, and stores the parts that the text refers to.
    fn text_of(&mut self, mark: Mark) -> Arc<str> {
        match mark {
            Mark::Limit(hit) => {
                let known = self.hits.iter().position(|known| *known == hit);
                let number = known.unwrap_or_else(|| {
                    self.hits.push(hit);
                    self.hits.len() - 1
                });
                format!("limit {number}").into()
            }
            Mark::Denied(report) => {
                self.last += 1;
                let text = format!("denied {} {}", self.last, described(&report));
                self.text = self.text.saturating_add(report.operation.resource().len());
                self.denials.insert(self.last, report);
                self.order.push_back(self.last);
                while self.order.len() > 1 && (self.order.len() > MOST || self.text > MOST_TEXT) {
                    self.forget_the_oldest();
                }
                text.into()
            }
        }
    }

    fn forget_the_oldest(&mut self) {
        let oldest = self.order.pop_front();
        if let Some(report) = oldest.and_then(|number| self.denials.remove(&number)) {
            self.text = self.text.saturating_sub(report.operation.resource().len());
        }
    }
}

/// Returns a denial as nonempty words: everything but the authority and the names of its blocks.
fn described(report: &DenialReport) -> String {
    let DenialReport {
        module,
        package,
        operation,
        denial,
        ..
    } = report;
    let resource = operation.resource();
    let resource = resource.get(..resource.floor_char_boundary(MOST_RESOURCE));
    let (block, reason) = match denial {
        None => ("none".to_owned(), "none".to_owned()),
        Some(Denial { block, reason }) => (
            block.to_string(),
            match reason {
                Reason::Expired { at } => format!("expired:{at}"),
                Reason::NotYetValid { from } => format!("early:{from}"),
                Reason::WrongHolder => "holder".to_owned(),
                Reason::NotAttested { by } => format!("attested:{by}"),
                Reason::Revoked => "revoked".to_owned(),
                Reason::StaleRevocations { since } => format!("stale:{since}"),
                _ => "grant".to_owned(),
            },
        ),
    };
    format!(
        "{} {} {} {} {} {block} {reason}",
        as_word(module),
        as_word(package),
        operation.family(),
        operation.action(),
        as_word(resource.unwrap_or_default())
    )
}

/// Encodes any text as one word of ASCII characters.
fn as_word(text: &str) -> String {
    let digits = text.bytes().map(|byte| format!("{byte:02x}"));
    format!("x{}", digits.collect::<String>())
}

/// Decodes the text of [`as_word`].
pub(super) fn from_word(word: &str) -> Option<String> {
    let digits = word.strip_prefix('x')?.as_bytes();
    let bytes = digits.chunks(2).map(|digits| {
        let digits = str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, 16).ok()
    });
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

/// The realm's classification of an uncaught error object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Made {
    /// An ordinary error.
    #[default]
    Otherwise,
    /// The error whose mark has this text.
    Marked(String),
    /// An error that the engine created because it ran out of memory.
    Memory,
}

/// The realm's description of an uncaught error object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uncaught {
    pub(crate) made: Made,
    /// True if its frames are those that the engine created.
    pub(crate) is_framed: bool,
}

impl Uncaught {
    /// Returns true if the realm wrote this text. The text must not be shown, because a guest that knows the prefix
    /// could forge descriptions.
    pub(crate) fn is_in(text: &str) -> bool {
        let prefix = marks_prefix();
        !prefix.is_empty() && text.contains(prefix)
    }

    /// Parses `text`. deno_core obtains it from the realm (realm/prepare.js) for each error that is described. Without
    /// a description of the realm, deno_core's own text has another beginning.
    pub(crate) fn of(text: &str) -> Uncaught {
        let prefix = marks_prefix();
        // deno_core puts words before it.
        let said = text.split_once(prefix).filter(|_| !prefix.is_empty());
        let Some((_, said)) = said else {
            return Uncaught::default();
        };
        let (said, is_framed) = match said.strip_suffix(" framed") {
            Some(said) => (said, true),
            None => (said, false),
        };
        let made = match said {
            "memory" => Made::Memory,
            "none" | "" => Made::Otherwise,
            mark => Made::Marked(mark.to_owned()),
        };
        Uncaught { made, is_framed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limit, LimitScope};

    fn hit(operations: u64) -> LimitHit {
        LimitHit {
            unit: LimitScope::Program,
            limit: Limit::Operations(operations),
        }
    }

    #[test]
    fn an_error_has_its_mark_while_rust_holds_it() {
        let marks = Arc::new(Marks::default());
        let first = marks.carry("first".to_owned(), Mark::Limit(hit(1)));
        let again = marks.carry("first".to_owned(), Mark::Limit(hit(1)));
        let other = marks.carry("other".to_owned(), Mark::Limit(hit(2)));
        assert_eq!(marks.text("first"), "limit 0");
        drop((again, other));
        assert_eq!(
            (marks.text("first"), marks.text("none")),
            ("limit 0".to_owned(), String::new())
        );
        // The latest mark of this thread is kept.
        assert_eq!(marks.text("other"), "limit 1");
        marks.used_here();
        assert_eq!(
            (marks.text("first"), marks.text("other")),
            ("limit 0".to_owned(), String::new())
        );
        let copy = first.clone();
        drop(first);
        assert_eq!(Marks::text_here("first"), "limit 0");
        drop(copy);
        assert_eq!(Marks::text_here("first"), "");
        marks.ended(hit(3));
        assert_eq!(Marks::text_here(&hit(3).to_string()), "limit 2");
        assert_eq!(marks.kept().hits, [hit(1), hit(2), hit(3)]);
        HERE.set(None);
    }

    #[test]
    fn any_text_is_a_word() {
        for text in ["", "a b", "é\n\0", " framed"] {
            let word = as_word(text);
            assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{word}");
            assert_eq!(from_word(&word).as_deref(), Some(text));
        }
        assert_eq!(
            (from_word("x0"), from_word("6"), from_word("xzz")),
            (Some("\0".to_owned()), None, None)
        );
    }

    #[test]
    fn only_the_realm_says_that_an_error_has_a_mark() {
        let prefix = marks_prefix();
        let marked = || Made::Marked("limit 7".to_owned());
        for (text, made, is_framed) in [
            (format!("{prefix}limit 7"), marked(), false),
            (format!("{prefix}limit 7 framed"), marked(), true),
            (
                format!("Uncaught (in promise) {prefix}limit 7 framed"),
                marked(),
                true,
            ),
            (format!("{prefix}memory framed"), Made::Memory, true),
            (format!("{prefix}none framed"), Made::Otherwise, true),
            ("Uncaught mark:7 framed".to_owned(), Made::Otherwise, false),
            (prefix.to_owned(), Made::Otherwise, false),
        ] {
            assert_eq!(Uncaught::of(&text), Uncaught { made, is_framed }, "{text}");
        }
    }
}
