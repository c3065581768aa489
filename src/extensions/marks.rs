//! The marks of errors that stand for a refusal or for a limit.
//!
//! A host must tell a refusal from an error that looks like one. An error of Rust carries its mark until an object is made of it. The realm
//! then asks for the mark as text, and keeps it beside the error object, in a `WeakMap` that no guest reaches (realm/prepare.js). So marks lie
//! in the guest's heap, which limits them, and live as long as their errors. When nobody catches an error, the text of that object's
//! mark says what it stands for. Its name, message and properties say nothing: guests can write them.
//!
//! The text of a mark lacks one thing, the authority that an attenuation in the program narrowed. So Rust remembers the latest denials whole.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use secure_runtime_capabilities::{Denial, Operation, PublicKey, Reason};

use super::delegation::{SEAL, Sealing};
use super::error::OpError;
use super::gate::Rules;
use crate::runtime::{DenialReport, LimitHit};

/// How many denials of a program are remembered whole.
const MOST: usize = 4096;
/// How many bytes the resources of these have at most, besides the latest.
const MOST_TEXT: usize = 4 << 20;
/// How many bytes of a resource the text of a mark has at most.
const MOST_RESOURCE: usize = 4096;

/// What begins the text of an error that the realm described: see [`Uncaught::of`]. It has random bits of the process, so that no text of a
/// guest begins so. Without random bits, nothing does.
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

/// What an error stands for.
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
    /// The marks that errors of Rust carry, by the texts of these errors, and how many carry each. Two errors with the same text are alike.
    carried: HashMap<Arc<str>, (Arc<str>, usize)>,
    /// The limits that were hit: no more than the program has.
    hits: Vec<LimitHit>,
    /// The limits that isolates of packages hit, by the texts of the errors of those who wait for these: no more than the program has.
    ended: HashMap<String, Arc<str>>,
    last: u64,
    denials: HashMap<u64, Arc<DenialReport>>,
    /// The oldest first.
    order: VecDeque<u64>,
    text: usize,
}

thread_local! {
    /// The marks of the program that the isolate on this thread belongs to.
    static HERE: RefCell<Option<Arc<Marks>>> = const { RefCell::new(None) };
    /// The latest mark that was made on this thread: optimised code drops an operation's error before an object is made of it.
    static LATEST: RefCell<Option<Carried>> = const { RefCell::new(None) };
}

/// A mark that an error of Rust carries until an object is made of it.
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

/// Errors are alike whatever carries their marks.
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
    /// Makes these the marks of the errors that are made on this thread.
    pub(crate) fn used_here(self: &Arc<Self>) {
        HERE.set(Some(self.clone()));
        LATEST.set(None);
    }

    /// [`Marks::text`], of the marks of this thread.
    pub(crate) fn text_here(message: &str) -> String {
        let marks = HERE.with_borrow(Option::clone);
        marks.map(|marks| marks.text(message)).unwrap_or_default()
    }

    /// The mark that the error with this message carries from now on.
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

    /// The text of the mark that an error has which Rust is making now, with this message; empty where it has none.
    fn text(&self, message: &str) -> String {
        let kept = self.kept();
        let carried = kept.carried.get(message).map(|(text, _)| text);
        let text = carried.or_else(|| kept.ended.get(message));
        text.map(|text| text.as_ref().to_owned()).unwrap_or_default()
    }

    /// The mark that this error carries, in a program with these rules.
    pub(crate) fn of(&self, error: &OpError, rules: &Rules) -> Option<Mark> {
        self.get(&self.text(&error.to_string()), rules)
    }

    /// The mark with this text, in a program with these rules.
    pub(crate) fn get(&self, text: &str, rules: &Rules) -> Option<Mark> {
        let mut words = text.split(' ');
        match words.next()? {
            "limit" => {
                let hit = self
                    .kept()
                    .hits
                    .get(words.next()?.parse::<usize>().ok()?)
                    .cloned();
                hit.map(Mark::Limit)
            }
            "denied" => {
                let number = words.next()?.parse().ok()?;
                let whole = self.kept().denials.get(&number).cloned();
                let report = whole.or_else(|| report(words, rules).map(Arc::new));
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
    /// The text of a mark, which is kept as far as the text needs.
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

/// A denial as words of which none is empty: all but the authority and the names of its blocks.
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

/// What [`described`] described, under the authority that the module has by itself.
fn report<'a>(mut words: impl Iterator<Item = &'a str>, rules: &Rules) -> Option<DenialReport> {
    let module = from_word(words.next()?)?;
    let package = from_word(words.next()?)?;
    let (family, action) = (words.next()?, words.next()?);
    let resource = from_word(words.next()?)?;
    let (block, reason) = (words.next()?, words.next()?);

    let family = rules.families.family(family).ok()?;
    let operation = if action == SEAL {
        let sealing = Sealing::of(family.name()).ok()?;
        Operation::new(&sealing, action, &resource, &rules.base)
    } else {
        Operation::new(family, action, &resource, &rules.base)
    };
    let reason = match reason.split_once(':').unwrap_or((reason, "")) {
        ("grant", _) => Some(Reason::NoGrant),
        ("expired", at) => Some(Reason::Expired { at: at.parse().ok()? }),
        ("early", from) => Some(Reason::NotYetValid {
            from: from.parse().ok()?,
        }),
        ("holder", _) => Some(Reason::WrongHolder),
        ("attested", by) => Some(Reason::NotAttested {
            by: by.parse::<PublicKey>().ok()?,
        }),
        ("revoked", _) => Some(Reason::Revoked),
        ("stale", since) => Some(Reason::StaleRevocations {
            since: since.parse().ok()?,
        }),
        _ => None,
    };
    let denial = match reason {
        Some(reason) => Some(Denial {
            block: block.parse().ok()?,
            reason,
        }),
        None => None,
    };
    // A module that was added while the program runs has no rights beside the program's.
    let principal = rules.plan.named(&module);
    let authority = principal.and_then(|principal| rules.plan.authority(principal).ok());
    Some(DenialReport {
        module,
        package,
        operation: operation.ok()?.into_owned(),
        denial,
        authority: authority.unwrap_or_else(|| rules.plan.ceiling().clone()),
        block_names: principal
            .map(|principal| principal.block_names.clone())
            .unwrap_or_default(),
    })
}

/// Any text as a word of plain characters.
fn as_word(text: &str) -> String {
    let digits = text.bytes().map(|byte| format!("{byte:02x}"));
    format!("x{}", digits.collect::<String>())
}

fn from_word(word: &str) -> Option<String> {
    let digits = word.strip_prefix('x')?.as_bytes();
    let bytes = digits.chunks(2).map(|digits| {
        let digits = str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, 16).ok()
    });
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

/// What an error object that nobody caught is, as the realm says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Made {
    /// An error like any other.
    #[default]
    Otherwise,
    /// The error whose mark has this text.
    Marked(String),
    /// An error that the engine makes because there is no memory left.
    Memory,
}

/// What the realm says of an error object that nobody caught.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uncaught {
    pub(crate) made: Made,
    /// Whether its frames are those that the engine made.
    pub(crate) is_framed: bool,
}

impl Uncaught {
    /// Returns true if the realm wrote this text. It must not be shown: a guest that knows how it begins could forge one.
    pub(crate) fn is_in(text: &str) -> bool {
        let prefix = marks_prefix();
        !prefix.is_empty() && text.contains(prefix)
    }

    /// What `text` says, which deno_core has from the realm (realm/prepare.js) for each error that is described. Where the realm says nothing,
    /// deno_core's own text begins with another word.
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
    use crate::{Limit, Unit};

    fn hit(operations: u64) -> LimitHit {
        LimitHit {
            unit: Unit::Program,
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
        // The latest of this thread.
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
