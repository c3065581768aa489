//! The scripts of Deno's crates.

use crate::keys::KeyTable;

/// The names that the scripts of `deno_webidl` 0.260 and `deno_web` 0.291 use. Another version must be reviewed:
/// [`crate::rewrite`] returns an error for each new use of a key.
pub const DENO: KeyTable = KeyTable {
    members: &["webidl.brand", "core.hostObjectBrand"],
    parameters: &["dataSymbol"],
    inherited: &[
        // Properties of prototypes that are not methods of classes.
        "core.hostObjectBrand",
        "kNotSerializable",
        "kUncloneable",
        "setlikeInner",
        // Properties that objects have, but which are in an object literal.
        "AsyncSequence",
        "kResistStopImmediatePropagation",
        // The parameters above, and their arguments: one function gets keys of both kinds.
        "dataSymbol",
        "_list",
    ],
    receivers: &[
        // Functions that the runtime gives to the scripts.
        "ObjectDefineProperty",
        "ObjectHasOwn",
        "ReflectHas",
        // Functions of the scripts whose parameters are keys.
        "webidl.mixinPairIterable",
        // Constructors that recognise their own scripts by the brand.
        "ReadableByteStreamController",
        "ReadableStream",
        "ReadableStreamBYOBReader",
        "ReadableStreamBYOBRequest",
        "ReadableStreamDefaultController",
        "ReadableStreamDefaultReader",
        "TransformStream",
        "TransformStreamDefaultController",
        "WritableStream",
        "WritableStreamDefaultController",
        "WritableStreamDefaultWriter",
        "cfn",
        "constructor",
    ],
    public: &["customInspect", "stylizeMarker"],
};
