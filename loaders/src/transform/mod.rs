//! Transformations of files that are not ECMAScript modules.
//!
//! A transformation depends only on the source's bytes and the graph's entry for the module. Everyone who has both can
//! repeat it and compare the hash with the graph. So no transformation uses a third-party code printer, whose next
//! version might write other bytes. They change as little of the source as possible, and parse it only to find
//! positions.

pub(crate) mod commonjs;
pub(crate) mod constants;
mod names;
pub(crate) mod typescript;

use std::fmt::Write;

use crate::graph::{Graph, Module, ModuleKind, Origin, Transformation};
use crate::syntax::{self, SyntaxProblem};
use commonjs::{CommonJs, Required};

/// The prefix of specifiers that the host provides. They are in no graph.
pub(crate) const HOST: &str = "cap:";

/// The export of a CommonJS module that evaluates the file when it is called. A module that is evaluated on import has
/// it only if it is part of a cycle. Another module of the cycle may then require it before its exports exist.
pub(crate) const REQUIRE: &str = "require()";

/// The export of a CommonJS module whose value is `module.exports` itself. Node.js uses the same name.
pub(crate) const WHOLE: &str = "module.exports";

/// The stack that every thread has available, in bytes.
const SPARE_STACK: usize = 256 * 1024;

/// Repeats the transformation that `origin` and `graph` describe, from the bytes of the file.
pub(crate) fn apply(
    graph: &Graph,
    module: &Module,
    origin: &Origin,
    source: &[u8],
) -> Result<String, SyntaxProblem> {
    let source = std::str::from_utf8(source).map_err(|_| SyntaxProblem::at("", 0, "it is not UTF-8 text"))?;
    syntax::with_stack(source, SPARE_STACK, || match origin.transformation {
        Transformation::CommonJs | Transformation::ImportedCommonJs => {
            let exports = (origin.transformation == Transformation::ImportedCommonJs)
                .then_some(origin.exports.as_slice());
            let target = |specifier: &str| {
                if specifier.starts_with(HOST) {
                    return Some(Required::Host);
                }
                if origin.omitted.iter().any(|omitted| omitted == specifier) {
                    return Some(Required::Nothing);
                }
                let target = graph.module(*module.imports.get(specifier)?)?;
                let origin = target.origin.as_ref();
                let exports = origin.map_or(&[][..], |origin| &origin.exports);
                required(target.kind, origin.map(|origin| origin.transformation), exports)
            };
            Ok(CommonJs::parse(source)?.write(source, target, exports))
        }
        Transformation::Constants => Ok(constants::replace(source, &constants::in_module(source)?)),
        Transformation::TypeScript => typescript::strip(source),
        Transformation::LeftOut => Ok(left_out(&origin.exports)),
    })
}

/// Returns the kind of target that a module is for `require`, by its kind, its transformation and the names in its
/// origin.
pub(crate) fn required(
    kind: ModuleKind,
    transformation: Option<Transformation>,
    exports: &[String],
) -> Option<Required> {
    match (kind, transformation) {
        (ModuleKind::Json, _) => Some(Required::Json),
        (ModuleKind::JavaScript, Some(Transformation::ImportedCommonJs))
            if !exports.iter().any(|name| name == REQUIRE) =>
        {
            Some(Required::Evaluated)
        }
        (ModuleKind::JavaScript, Some(Transformation::CommonJs | Transformation::ImportedCommonJs)) => {
            Some(Required::CommonJs)
        }
        (ModuleKind::JavaScript, Some(Transformation::LeftOut)) => Some(Required::Nothing),
        (ModuleKind::JavaScript, _) => Some(Required::Module),
        (ModuleKind::Text | ModuleKind::Bytes | ModuleKind::Wasm, _) => None,
    }
}

/// Returns the module that replaces a module that is left out. Its default export is an empty object, and each of the
/// names is undefined.
pub(crate) fn left_out(exports: &[String]) -> String {
    let mut text = "var nothing={},none;export{nothing as default};".to_owned();
    for name in exports {
        let value = if name == WHOLE { "nothing" } else { "none" };
        // Writing to a string does not fail.
        let _ = write!(text, "export{{{value} as {}}};", export_name(name));
    }
    text.push('\n');
    text
}

/// Returns a name for an `export` clause: an identifier, or a string literal.
fn export_name(name: &str) -> String {
    let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '$' | '_'))
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'_'));
    if is_plain { name.to_owned() } else { literal(name) }
}

fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
