//! What makes modules of files that are none.
//!
//! A transformation is a function of the source's bytes and of what the graph says about the module, and of nothing
//! else: whoever has both can make the module again, and see that its hash is the one in the graph. So none of them uses
//! a printer of somebody else's, whose next version would write other bytes; they change as little of the source as they
//! can, and parse it only to know where.

pub(crate) mod commonjs;
pub(crate) mod constants;
mod names;
pub(crate) mod typescript;

use std::fmt::Write;

use crate::graph::{Graph, Module, ModuleKind, Origin, Transformation};
use crate::syntax::{self, SyntaxProblem};
use commonjs::{CommonJs, Required};

/// What the specifiers begin with that the host answers, and that stand in no graph.
pub(crate) const HOST: &str = "cap:";

/// The export of a CommonJS module that evaluates the file when it is called. A module that is evaluated when it is
/// imported has it only if one may require it too early for its exports: one that is part of a circle.
pub(crate) const REQUIRE: &str = "require()";

/// The export of a CommonJS module that is all of its `module.exports`, under the name that Node.js has for it.
pub(crate) const WHOLE: &str = "module.exports";

/// Stack that every thread has to spare.
const SPARE_STACK: usize = 256 * 1024;

/// Makes the module again that `origin` and `graph` describe, from the bytes of its file.
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

/// The meaning for `require` of a module of this kind, made by this transformation, with these names in its origin.
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

/// The module that stands for what a package does without: an empty object, and undefined under each of the names.
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

/// A name as it stands in an `export`: as it is, or as a string literal.
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
