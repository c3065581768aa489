//! QuickJS: everything that the runtime does for this engine alone. The folder `v8` has the same interface.

mod bindings;
mod buffers;
mod evaluation;
mod functions;
mod garbage;
mod heap;
mod imports;
mod linker;
mod properties;
mod scripts;
mod start;
mod strings;
mod teardown;
mod texts;
mod words;

pub(crate) use self::buffers::{buffer, create_params};
pub(crate) use self::evaluation::evaluated;
pub(crate) use self::functions::Functions;
pub(crate) use self::garbage::{Entered, collect, collect_if, enter};
pub(crate) use self::heap::Watched as HeapGuard;
pub(crate) use self::linker::{Linked, link_by};
pub(crate) use self::properties::{CREATION_PANICS, FRAMES_ARE_SAFE, IS_V8, heap_room, was_refused};
pub(crate) use self::scripts::{extensions, run_extension, run_scripts};
pub(crate) use self::start::{
    heap_used, install_handlers, limit_heap, prepare_isolate, prepare_process, refuse_code_from_strings,
};
pub(crate) use self::strings::{beginning, json_needs};
pub(crate) use self::teardown::teardown;
pub(crate) use self::texts::ModuleTexts;

#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "QuickJS needs a target with 64-bit addresses: how its values are laid out elsewhere is not known here"
);
