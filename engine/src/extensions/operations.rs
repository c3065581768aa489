//! The table of the operations that guests can call. It comes from the declarations of the extensions.

use super::delegation::SEAL;
use super::handle::Extensions;

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationRow {
    /// The name, such as `fs.readTextFile`.
    pub name: String,
    /// The family that it belongs to.
    pub family: String,
    /// The action that it is decided as. If there is none, it affects nothing outside of the isolate.
    ///
    /// `seal` is an action without grants. It requires a capability that still allows an operation of the family.
    pub action: Option<String>,
}

/// Returns the operations of these extensions: their methods, and the delegation that every capability supports.
pub fn operations(extensions: &Extensions) -> Vec<OperationRow> {
    let mut rows: Vec<OperationRow> = Vec::new();
    for extension in extensions.iter() {
        let family = extension.family().name().to_string();
        let row = |name: String, action: Option<String>| OperationRow {
            name,
            family: family.clone(),
            action,
        };
        for method in extension.methods() {
            let Some(action) = method.action else { continue };
            let name = format!("{family}.{}", method.title);
            // Methods of one title belong to one operation: opening a file, and using it.
            if !rows.iter().any(|row| row.name == name) {
                rows.push(row(name, Some(action.to_string())));
            }
        }
        rows.push(row(format!("{family}.attenuate"), None));
        rows.push(row(format!("{family}.revocable"), None));
        rows.push(row(format!("seal({family})"), Some(SEAL.to_owned())));
    }
    rows
}

/// Returns the TypeScript declarations of `cap:self` with these extensions.
pub fn types(extensions: &Extensions) -> String {
    let mut text = include_str!("cap-self.d.ts").to_owned();
    let mut interfaces = Vec::new();
    for extension in extensions.iter() {
        text.push('\n');
        for line in extension.types().lines() {
            if !line.is_empty() {
                text.push_str("  ");
            }
            text.push_str(line);
            text.push('\n');
        }
        let declared = extension.types().lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("export interface ")?.split_once(' ')?;
            rest.starts_with("extends Capability<").then(|| name.to_owned())
        });
        interfaces.extend(declared.map(|interface| (extension.family().name(), interface)));
    }
    text.push('\n');
    for (family, interface) in &interfaces {
        text.push_str(&format!("  export const {family}: {interface};\n"));
    }
    let names: Vec<&str> = interfaces
        .iter()
        .map(|(_, interface)| interface.as_str())
        .collect();
    text.push_str(&format!(
        "\n  export type AnyCapability = {};\n}}\n",
        names.join(" | ")
    ));
    text
}
