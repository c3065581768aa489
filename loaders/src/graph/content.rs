//! The content hash of a package, which is the same in every program. Signatures about a package sign this hash.

use cbor4ii::core::Value;
use cbor4ii::core::enc::Encode;
use cbor4ii::core::utils::BufWriter;

use super::encode::kind_number;
use super::{Graph, Module, Package};
use crate::ContentHash;

/// The version of the format.
const VERSION: u64 = 1;

impl Graph {
    /// Returns the content hash of the package with this index.
    ///
    /// The hash covers the version of the package. For each module it covers the path, the bytes, and the targets of
    /// imports within the package. Two programs that use the same modules of a package compute the same hash, whatever
    /// name they give the package.
    ///
    /// Returns `None` for the program itself, because no other program can use it as a package.
    #[must_use]
    pub fn package_content(&self, index: u32) -> Option<ContentHash> {
        let package = self.package(index).filter(|package| !package.name.is_empty())?;
        let mut modules = Vec::new();
        for module in self.modules().iter().filter(|module| module.package == index) {
            modules.push(self.part(package, module)?);
        }
        let mut content = vec![(unsigned(0), unsigned(VERSION))];
        if let Some(version) = &package.version {
            content.push((unsigned(1), Value::Text(version.clone())));
        }
        content.push((unsigned(2), Value::Array(modules)));
        let mut writer = BufWriter::new(Vec::new());
        Value::Map(content).encode(&mut writer).ok()?;
        Some(ContentHash::of(&writer.into_inner()))
    }

    fn part(&self, package: &Package, module: &Module) -> Option<Value> {
        let mut imports: Vec<(&String, Value)> = Vec::new();
        for (specifier, target) in &module.imports {
            let target = self.module(*target)?;
            let means = if target.package == module.package {
                Value::Text(target.path_in(package)?.to_owned())
            } else {
                // The import leads to another package. The program decides which one, and that package has its own
                // content hash.
                unsigned(0)
            };
            imports.push((specifier, means));
        }
        // The order of their encodings: shorter keys first, then bytewise.
        imports.sort_by_key(|(specifier, _)| (specifier.len(), *specifier));
        let imports = imports
            .into_iter()
            .map(|(specifier, means)| (Value::Text(specifier.clone()), means));
        Some(Value::Map(vec![
            (unsigned(0), Value::Text(module.path_in(package)?.to_owned())),
            (unsigned(1), Value::Bytes(module.hash.as_bytes().to_vec())),
            (unsigned(2), unsigned(kind_number(module.kind))),
            (unsigned(3), Value::Map(imports.collect())),
        ]))
    }
}

fn unsigned(number: u64) -> Value {
    Value::Integer(number.into())
}
