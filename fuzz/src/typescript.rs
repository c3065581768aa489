use std::{cell::RefCell, fs, path::Path};

use secure_runtime_loaders::{LockError, LockInput, Locked, lock};

use crate::Outcome;

thread_local! {
    /// A project with a module that the input may import. It is created once; only the entry is rewritten for
    /// each input.
    static PROJECT: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// Uses the input as a TypeScript module. It must be rejected with a message, or become JavaScript. The
/// remaining text must keep its positions, and its imports and free names must be the same.
pub fn typescript(data: &[u8]) -> Outcome {
    PROJECT.with_borrow_mut(|project| {
        let folder = project.get_or_insert_with(|| {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("a.ts"), "export const a = 1").unwrap();
            folder
        });
        check(folder.path(), data)
    })
}

fn check(root: &Path, source: &[u8]) -> Outcome {
    let typed = lock_entry(root, "main.ts", source);
    match &typed {
        Ok(typed) => {
            let (left, imports, globals) = entry(typed);
            let before = std::str::from_utf8(source).expect("what was stripped is text");
            stands_where_it_stood(before, std::str::from_utf8(&left).unwrap());
            let plain = lock_entry(root, "main.js", &left).expect("what is left is JavaScript");
            assert_eq!(entry(&plain), (left, imports, globals));
        }
        Err(error) => {
            assert!(!matches!(error, LockError::Panicked), "the parser panicked");
            let message = error.to_string();
            let is_plain = |character: char| character == '\n' || !character.is_control();
            assert!(message.chars().all(is_plain), "{message:?}");
        }
    }
    Outcome::of(&typed.map(|locked| locked.graph))
}

fn lock_entry(root: &Path, name: &str, source: &[u8]) -> Result<Locked, LockError> {
    fs::write(root.join(name), source).unwrap();
    lock(&LockInput {
        root: root.to_owned(),
        entry: name.to_owned(),
        ..LockInput::default()
    })
}

/// Returns the entry's bytes, its imports, and its free names.
fn entry(locked: &Locked) -> (Vec<u8>, Vec<String>, Vec<String>) {
    let index = locked.graph.entry();
    let module = locked.graph.module(index).unwrap();
    (
        locked.bytes[index as usize].to_vec(),
        module.imports.keys().cloned().collect(),
        module.globals.clone(),
    )
}

/// Checks that the remaining text keeps its line and column. All other characters must be blank, or inserted
/// by the transformation.
fn stands_where_it_stood(before: &str, after: &str) {
    let (before, after): (Vec<u16>, Vec<u16>) =
        (before.encode_utf16().collect(), after.encode_utf16().collect());
    assert_eq!(before.len(), after.len(), "the text has another length");
    for (index, (left, right)) in before.iter().zip(&after).enumerate() {
        let is_ours = [b' ', b';', b'(', b')'].map(u16::from).contains(right);
        assert!(left == right || is_ours, "another character at {index}");
    }
}
