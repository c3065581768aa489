//! WebAssembly modules: the decision on their imports, and the JavaScript that represents them.

use std::collections::BTreeSet;
use std::rc::Rc;

use secure_runtime_capabilities::{ModuleId, Operation};
use secure_runtime_loaders::{Graph, Module, ModuleKind, wasm};

use super::synthetic_urls::VALUE_TYPE;
use crate::extensions::{Monitor, OperationError};

/// Checks that every module that imports WebAssembly may do so. Each import is decided and recorded, and the first
/// denial is the error. Must be called before any module of the program is evaluated.
pub(crate) fn permitted(graph: &Graph, monitor: &Rc<Monitor>) -> Result<(), OperationError> {
    if graph
        .modules()
        .iter()
        .all(|module| module.kind != ModuleKind::Wasm)
    {
        return Ok(());
    }
    for (index, importer) in (0..).zip(graph.modules()) {
        let targets: BTreeSet<u32> = importer.imports.values().copied().collect();
        let targets = targets.into_iter().filter_map(|target| graph.module(target));
        for target in targets.filter(|target| target.kind == ModuleKind::Wasm) {
            let unnamed = |problem: &dyn std::fmt::Display| {
                OperationError::type_error(format!(
                    "{} imports {}, which no grant can name: {problem}",
                    importer.name, target.name
                ))
            };
            let module =
                ModuleId::new(&target.name, target.hash.as_bytes()).map_err(|error| unnamed(&error))?;
            let principal = monitor
                .rules
                .plan
                .principal(index)
                .ok_or_else(|| unnamed(&"the importing module has no rights"))?;
            let capability = monitor.capability(principal).map_err(|error| unnamed(&error))?;
            let operation = Operation::module_import(&module);
            capability.check(&operation, &target.name)?;
        }
    }
    Ok(())
}

/// Returns the source of an ECMAScript module with the exports of this WebAssembly module. It has the same imports.
/// From `value`, it imports the function of realm/lockdown.js that instantiates the module.
pub(super) fn source(module: &Module, bytes: &[u8], value: &str) -> Result<String, String> {
    let found = wasm::interface(bytes).map_err(|problem| problem.to_string())?;
    let mut source = format!("import instantiate from {value:?} with {{ type: {VALUE_TYPE:?} }};\n");
    let mut values = String::new();
    for (number, import) in found.imports.iter().enumerate() {
        if !module.imports.contains_key(&import.module) {
            return Err(format!(
                "import {:?}: not part of the locked program; only locked modules can be imported",
                import.module
            ));
        }
        let (name, from) = (text(&import.name)?, text(&import.module)?);
        source.push_str(&format!("import {{ {name} as i{number} }} from {from};\n"));
        values.push_str(&format!("i{number}, "));
    }
    let (mut locals, mut exports) = (String::new(), String::new());
    for (number, export) in found.exports.iter().enumerate() {
        locals.push_str(&format!("e{number}, "));
        exports.push_str(&format!("e{number} as {}, ", text(&export.name)?));
    }
    source.push_str(&format!(
        "const [{locals}] = instantiate([{values}]);\nexport {{ {exports} }};\n"
    ));
    Ok(source)
}

/// Returns a string literal. Every JSON string is valid JavaScript.
fn text(text: &str) -> Result<String, String> {
    serde_json::to_string(text).map_err(|error| error.to_string())
}
