//! The content of a package, whatever program it is part of: what a signature about a package is about.

use cbor4ii::core::Value;
use cbor4ii::core::enc::Encode;
use cbor4ii::core::utils::BufWriter;

use super::encode::kind_number;
use super::{Graph, Module, Package};
use crate::ContentHash;

/// The version of the format.
const VERSION: u64 = 1;

impl Graph {
    /// The hash of what the package with this index consists of: its version, and of each of its modules the path, the bytes,
    /// and what its imports within the package mean. It is the same in every program that uses the same modules of it, under
    /// whatever name. The program itself is no package that others could use, and has none.
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
                // Of another package: which one is the program's affair, and that one has a content of its own.
                unsigned(0)
            };
            imports.push((specifier, means));
        }
        // As their encodings are ordered: the shorter first, then bytewise.
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
