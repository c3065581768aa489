//! Limits of computed imports: the length of a specifier, and the memory of started imports.
//!
//! deno_core copies the specifier of an `import()`, and keeps the import until the event loop runs. A guest that never
//! returns to the event loop could collect any number of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use deno_core::{ImportAttributesContext, v8};

use crate::extensions::clipped;
use crate::memory::{Memory, Reservation};

/// Maximum length of a specifier, in bytes. No graph contains a longer one (spec/graph.md).
pub(crate) const MAX_SPECIFIER: usize = 4096;

/// Returns the message of an import whose specifier is longer than [`MAX_SPECIFIER`].
pub(crate) fn too_long(specifier: &str) -> String {
    format!(
        "import {:?}: a specifier has at most {MAX_SPECIFIER} bytes",
        clipped(specifier)
    )
}

/// Memory of one import until the event loop runs, in bytes, besides its specifier. It has promises, a task, and an
/// entry in the module map.
const ONE: usize = 4096;
/// Number of copies of a specifier in a started import.
const COPIES: usize = 4;

/// The imports of one isolate that started since the event loop last ran. Clones share the list.
#[derive(Clone)]
pub(crate) struct BegunImports {
    memory: Memory,
    held: Rc<RefCell<Vec<Reservation>>>,
}

impl BegunImports {
    pub(crate) fn new(memory: &Memory) -> Self {
        BegunImports {
            memory: memory.clone(),
            held: Rc::default(),
        }
    }

    /// Removes all imports from the list. The event loop has run, so they are resolved, or their loads are counted
    /// separately.
    pub(crate) fn clear(&self) {
        self.held.borrow_mut().clear();
    }

    /// Throws if an `import()` may not start. deno_core calls this before it resolves an import.
    pub(crate) fn admit(
        &self,
        scope: &mut v8::PinScope<'_, '_>,
        _attributes: &HashMap<String, String>,
        import: &ImportAttributesContext,
    ) {
        // Only declarations have a line. The graph limits them.
        if import.line_number.is_some() {
            return;
        }
        let specifier = &import.specifier;
        let thrown = if specifier.len() > MAX_SPECIFIER {
            v8::String::new(scope, &too_long(specifier)).map(|text| v8::Exception::type_error(scope, text))
        } else {
            match self.memory.hold_now(ONE + COPIES * specifier.len()) {
                Ok(held) => return self.held.borrow_mut().push(held),
                Err(no_room) => v8::String::new(scope, &format!("import {specifier:?}: {no_room}"))
                    .map(|text| v8::Exception::range_error(scope, text)),
            }
        };
        if let Some(thrown) = thrown {
            scope.throw_exception(thrown);
        }
    }
}
