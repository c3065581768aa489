//! V8: everything that the runtime does for this engine alone. The folder `quickjs` has the same interface.

mod buffers;
mod evaluation;
mod fatal;
mod functions;
mod garbage;
mod json;
mod properties;
mod snapshot;
mod stack;
mod start;
mod strings;
mod texts;

pub(crate) use self::buffers::{buffer, create_params};
pub(crate) use self::evaluation::evaluated;
pub(crate) use self::fatal::Guarded as HeapGuard;
pub(crate) use self::functions::Functions;
pub(crate) use self::garbage::{Entered, collect, collect_if, enter};
pub(crate) use self::properties::{CREATION_PANICS, FRAMES_ARE_SAFE, IS_V8, heap_room, was_refused};
pub use self::snapshot::create_snapshot;
pub(crate) use self::start::{
    Linked, extensions, heap_used, install_handlers, limit_heap, link_by, prepare_isolate, prepare_process,
    refuse_code_from_strings, run_extension, run_scripts, teardown,
};
pub(crate) use self::strings::{beginning, json_needs};
pub(crate) use self::texts::ModuleTexts;
