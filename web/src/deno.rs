//! The scripts of Deno's crates.

use crate::keys::KeyTable;

/// The names that the scripts of `deno_webidl` 0.260, `deno_web` 0.291 and `deno_fetch` 0.284 use. Another version must
/// be reviewed: [`crate::rewrite`] returns an error for each new use of a key.
pub const DENO: KeyTable = KeyTable {
    members: &["webidl.brand", "core.hostObjectBrand"],
    parameters: &["dataSymbol", "bodySymbol", "mimeTypeSymbol"],
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
        "bodySymbol",
        "mimeTypeSymbol",
        "_list",
        "entryList",
    ],
    receivers: &[
        // Functions that the runtime gives to the scripts.
        "ObjectDefineProperty",
        "ObjectHasOwn",
        "ReflectHas",
        // Functions of the scripts whose parameters are keys.
        "isOwnPrototypeObject",
        "mixinBody",
        "webidl.mixinPairIterable",
        // Constructors that recognise their own scripts by the brand.
        "Headers",
        "ReadableByteStreamController",
        "ReadableStream",
        "ReadableStreamBYOBReader",
        "ReadableStreamBYOBRequest",
        "ReadableStreamDefaultController",
        "ReadableStreamDefaultReader",
        "Request",
        "Response",
        "TransformStream",
        "TransformStreamDefaultController",
        "WritableStream",
        "WritableStreamDefaultController",
        "WritableStreamDefaultWriter",
        "cfn",
        "constructor",
        // Properties of the objects that scripts exchange.
        "internals.webidlBrand",
        "serveFastBodyKey",
        "serveFastConsumedKey",
        "serveFastContentTypeKey",
        "serveFastHeaderKindKey",
        "serveFastStatusKey",
        "serveNativeResponseKey",
    ],
    public: &["customInspect", "stylizeMarker"],
};
