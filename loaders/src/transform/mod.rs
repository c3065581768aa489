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

use crate::graph::{Graph, Module, ModuleKind, Origin, Transformation};
use crate::syntax::{self, SyntaxProblem};
use commonjs::{CommonJs, Required};

/// What the specifiers begin with that the host answers, and that stand in no graph.
pub(crate) const HOST: &str = "cap:";

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
                    return Some(Required::Namespace);
                }
                if origin.omitted.iter().any(|omitted| omitted == specifier) {
                    return Some(Required::Nothing);
                }
                let target = graph.module(*module.imports.get(specifier)?)?;
                let transformation = target.origin.as_ref().map(|origin| origin.transformation);
                required(target.kind, transformation)
            };
            Ok(CommonJs::parse(source)?.write(source, target, exports))
        }
        Transformation::Constants => Ok(constants::replace(source, &constants::in_module(source)?)),
        Transformation::TypeScript => typescript::strip(source),
    })
}

/// What a module of this kind, made by this transformation, is to `require`.
pub(crate) fn required(kind: ModuleKind, transformation: Option<Transformation>) -> Option<Required> {
    match kind {
        ModuleKind::Json => Some(Required::Json),
        ModuleKind::JavaScript if transformation.is_some_and(Transformation::is_common_js) => {
            Some(Required::CommonJs)
        }
        ModuleKind::JavaScript => Some(Required::Namespace),
        ModuleKind::Text | ModuleKind::Bytes | ModuleKind::Wasm => None,
    }
}
