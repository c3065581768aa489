//! The marks of errors that stand for a refusal or for a limit.
//!
//! A host must tell a refusal from an error that looks like one. So Rust keeps what each refusal was under a number, and the realm keeps
//! the number of each error object that Rust made, in a `WeakMap` that no guest reaches (realm/prepare.js). When nobody catches an error,
//! the number of that object says what it stands for. Its name, message and properties say nothing: guests can write them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::runtime::{DenialReport, LimitHit};

/// How many marks a program has at most. An error whose mark was forgotten is an error like any other.
const MOST: usize = 4096;
/// How many bytes the texts of all marks have at most, besides the latest.
const MOST_TEXT: usize = 4 << 20;
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
    last: u32,
    /// By the text of the error that Rust makes of it next. Two with the same text are alike.
    by_text: HashMap<Arc<str>, u32>,
    by_number: HashMap<u32, (Arc<str>, Mark)>,
    /// The oldest first.
    order: VecDeque<u32>,
    text: usize,
}

thread_local! {
    /// The marks of the program that the isolate on this thread belongs to.
    static HERE: RefCell<Option<Arc<Marks>>> = const { RefCell::new(None) };
}

impl Marks {
    /// Makes these the marks of the errors that are made on this thread.
    pub(crate) fn used_here(self: &Arc<Self>) {
        HERE.set(Some(self.clone()));
    }

    /// [`Marks::number`], of the marks of this thread.
    pub(crate) fn number_here(message: &str) -> u32 {
        HERE.with_borrow(|marks| marks.as_ref().map_or(0, |marks| marks.number(message)))
    }

    /// Keeps what the error with this message stands for.
    pub(crate) fn add(&self, message: &str, mark: Mark) {
        let mut kept = self.kept();
        if let Some(known) = kept.by_text.get(message).copied() {
            if let Some((_, old)) = kept.by_number.get_mut(&known) {
                *old = mark;
            }
            return;
        }
        let Some(number) = kept.last.checked_add(1) else {
            return;
        };
        kept.last = number;
        kept.text = kept.text.saturating_add(message.len());
        let message: Arc<str> = message.into();
        kept.by_text.insert(message.clone(), number);
        kept.by_number.insert(number, (message, mark));
        kept.order.push_back(number);
        while kept.order.len() > 1 && (kept.order.len() > MOST || kept.text > MOST_TEXT) {
            kept.forget_the_oldest();
        }
    }

    /// The number of the mark that an error has which Rust is making now, with this message. Zero: it has none.
    pub(crate) fn number(&self, message: &str) -> u32 {
        self.kept().by_text.get(message).copied().unwrap_or_default()
    }

    /// The mark with this number, unless it was forgotten.
    pub(crate) fn get(&self, number: u32) -> Option<Mark> {
        self.kept().by_number.get(&number).map(|(_, mark)| mark.clone())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget_the_oldest(&mut self) {
        let Some(number) = self.order.pop_front() else {
            return;
        };
        if let Some((message, _)) = self.by_number.remove(&number) {
            self.by_text.remove(&message);
            self.text = self.text.saturating_sub(message.len());
        }
    }
}

/// What an error object that nobody caught is, as the realm says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Made {
    /// An error like any other.
    #[default]
    Otherwise,
    /// The error with this mark.
    Marked(u32),
    /// An error that the engine makes because there is no memory left.
    Memory,
}

/// What the realm says of an error object that nobody caught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
            number => number.parse().map_or(Made::Otherwise, Made::Marked),
        };
        Uncaught { made, is_framed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limit, Unit};

    fn mark(operations: u64) -> Mark {
        Mark::Limit(LimitHit {
            unit: Unit::Program,
            limit: Limit::Operations(operations),
        })
    }

    #[test]
    fn marks_are_kept_up_to_a_number() {
        let marks = Marks::default();
        marks.add("first", mark(1));
        let first = marks.number("first");
        marks.add("first", mark(2));
        assert_eq!((marks.number("first"), marks.number("none")), (first, 0));
        assert!(matches!(
            marks.get(first),
            Some(Mark::Limit(LimitHit {
                limit: Limit::Operations(2),
                ..
            }))
        ));
        for number in 0..MOST {
            marks.add(&number.to_string(), mark(3));
        }
        assert!(marks.get(first).is_none());
        assert_eq!(marks.number("first"), 0);
        assert!(marks.get(marks.number("0")).is_some());
    }

    #[test]
    fn texts_are_kept_up_to_a_size() {
        let marks = Marks::default();
        marks.add("small", mark(1));
        let large = "x".repeat(MOST_TEXT + 1);
        marks.add(&large, mark(1));
        assert_eq!(marks.number("small"), 0);
        assert!(marks.get(marks.number(&large)).is_some());
        marks.add("small", mark(1));
        assert_eq!(marks.number(&large), 0);
    }

    #[test]
    fn only_the_realm_says_that_an_error_has_a_mark() {
        let prefix = marks_prefix();
        for (text, made, is_framed) in [
            (format!("{prefix}7"), Made::Marked(7), false),
            (format!("{prefix}7 framed"), Made::Marked(7), true),
            (
                format!("Uncaught (in promise) {prefix}7 framed"),
                Made::Marked(7),
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
