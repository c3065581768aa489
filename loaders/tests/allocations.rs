//! Memory use while a graph is rejected, measured by a counting allocator. It is a binary with a single test, so that
//! nothing else allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use secure_runtime_loaders::{Graph, GraphError};

/// The number of bytes that are allocated, and its maximum.
static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is passed to the system's allocator unchanged. Counting does not access other memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::SeqCst) + layout.size();
        MOST.fetch_max(held, Ordering::SeqCst);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`, and `alloc` is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Returns the maximum of additionally allocated bytes while `action` runs.
fn most<T>(action: impl FnOnce() -> T) -> (usize, T) {
    let held = HELD.load(Ordering::SeqCst);
    MOST.store(held, Ordering::SeqCst);
    let result = action();
    (MOST.load(Ordering::SeqCst) - held, result)
}

/// Returns the start of a graph, then a list or map that claims this length, and nothing after it.
fn claiming(start: &[u8], major: u8, length: u64) -> Vec<u8> {
    let head = match length {
        0..=0xffff => [&[major | 25][..], &(length as u16).to_be_bytes()].concat(),
        0x1_0000..=0xffff_ffff => [&[major | 26][..], &(length as u32).to_be_bytes()].concat(),
        _ => [&[major | 27][..], &length.to_be_bytes()].concat(),
    };
    [start, &head].concat()
}

/// GRAPH-22, attack 54: a length that the input only claims reserves no memory, beyond or within the limits. Rejected
/// input uses memory in proportion to its size.
#[test]
fn claimed_lengths_reserve_nothing() {
    // The version, the entry, and the key of the packages. Then one package without grants, and the key of the modules.
    let packages = [0xa6, 0, 2, 1, 0, 2];
    let modules = [&packages[..], &[0x81, 0xa2, 0, 0x60, 2, 0x80, 3]].concat();
    // A module up to its imports: of the program, empty, JavaScript.
    let imports = [
        &modules[..],
        &[0x81, 0xa6, 0, 0x6a],
        b"app:/ma.js",
        &[1, 0, 2, 0x58, 0x20],
        &[7; 32],
        &[3, 0, 4, 0, 5],
    ]
    .concat();
    let (list, map) = (0x80, 0xa0);
    for (start, major, length, is_within) in [
        (&packages[..], list, 10_000, true),
        (&packages, list, 10_001, false),
        (&packages, list, u64::MAX, false),
        (&modules, list, 100_000, true),
        (&modules, list, 100_001, false),
        (&modules, list, 1 << 32, false),
        (&imports, map, 10_000, true),
        (&imports, map, 10_001, false),
        (&imports, map, 1 << 62, false),
    ] {
        let bytes = claiming(start, major, length);
        let (held, result) = most(|| Graph::decode(&bytes));
        let error = result.unwrap_err();
        // A length within the limits is accepted until the bytes end.
        let is_as_expected = match &error {
            GraphError::Malformed { offset, .. } => is_within && *offset == bytes.len(),
            GraphError::Limit { .. } => !is_within,
            _ => false,
        };
        assert!(is_as_expected, "{length}: {error:?}");
        assert!(held < 4096, "{length}: {held} bytes");
    }
    let vectors = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/graph.json"));
    let vectors: serde_json::Value = serde_json::from_slice(&vectors.unwrap()).unwrap();
    for vector in vectors["refused"].as_array().unwrap() {
        let bytes = hex::decode(vector["bytes"].as_str().unwrap()).unwrap();
        let (held, result) = most(|| Graph::decode(&bytes));
        assert!(result.is_err());
        assert!(held < 4096 + 16 * bytes.len(), "{}: {held} bytes", vector["name"]);
    }
    // The control: a reservation that nobody writes to is counted.
    let (held, reserved) = most(|| Vec::<u8>::with_capacity(100_000));
    assert!(held >= 100_000 && reserved.is_empty());
}
