//! The symbol table of a token: texts and keys that later blocks refer to by number.

use std::{collections::HashMap, sync::Arc};

use crate::PublicKey;

/// The default symbols of every token, in the order of their numbers (Biscuit's specification, "Symbol
/// tables").
const DEFAULT: [&str; 28] = [
    "read",
    "write",
    "resource",
    "operation",
    "right",
    "time",
    "role",
    "owner",
    "tenant",
    "namespace",
    "user",
    "team",
    "service",
    "admin",
    "email",
    "group",
    "member",
    "ip_address",
    "client",
    "client_ip",
    "domain",
    "path",
    "version",
    "cluster",
    "node",
    "hostname",
    "nonce",
    "query",
];

/// The number of the first symbol that a token defines itself.
const FIRST_OWN: u64 = 1024;

/// The symbols and keys that the blocks have defined so far.
#[derive(Clone, Default)]
pub(crate) struct Symbols {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u64>,
    keys: Vec<PublicKey>,
}

impl Symbols {
    /// Returns the number of symbols that the token defines itself.
    pub(super) fn count(&self) -> usize {
        self.texts.len()
    }

    /// Returns the token's own symbols without the first `count`.
    pub(super) fn after(&self, count: usize) -> Vec<String> {
        self.texts
            .iter()
            .skip(count)
            .map(|text| (**text).to_owned())
            .collect()
    }

    /// Returns the number of a symbol, and adds the symbol if it is new.
    pub(super) fn number(&mut self, text: &str) -> u64 {
        if let Some(number) = (0..)
            .zip(DEFAULT)
            .find_map(|(number, known)| (known == text).then_some(number))
        {
            return number;
        }
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = (FIRST_OWN..).nth(self.texts.len()).unwrap_or(u64::MAX);
        let text: Arc<str> = text.into();
        self.numbers.insert(text.clone(), number);
        self.texts.push(text);
        number
    }

    /// Returns the number of a key, and true if the key is new.
    pub(super) fn key_number(&mut self, key: PublicKey) -> (i64, bool) {
        let numbered = (0..).zip(&self.keys).find(|(_, known)| **known == key);
        if let Some((number, _)) = numbered {
            return (number, false);
        }
        self.keys.push(key);
        ((0..).nth(self.keys.len() - 1).unwrap_or(i64::MAX), true)
    }

    /// Returns the symbol with this number. `own` holds the symbols that the current block defines.
    pub(super) fn text<'a>(&'a self, own: &'a [String], number: u64) -> Option<&'a str> {
        let index = usize::try_from(number).ok()?;
        if let Some(text) = DEFAULT.get(index) {
            return Some(text);
        }
        let index = usize::try_from(number.checked_sub(FIRST_OWN)?).ok()?;
        match self.texts.get(index) {
            Some(text) => Some(text),
            None => own.get(index - self.texts.len()).map(String::as_str),
        }
    }

    /// Returns the key with this number. `own` holds the keys that the current block defines.
    pub(super) fn key(&self, own: &[PublicKey], number: i64) -> Option<PublicKey> {
        let index = usize::try_from(number).ok()?;
        match self.keys.get(index) {
            Some(key) => Some(*key),
            None => own.get(index - self.keys.len()).copied(),
        }
    }
}
