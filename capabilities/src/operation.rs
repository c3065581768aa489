//! Operations: what is decided on.

use std::{borrow::Cow, fmt};

use crate::{
    ActionName, Base, BlobId, Family, FamilyName, FsPath, Key, ModuleId, Origin, RandomSource, Resolution,
    ScopeError, VariableName,
    family::{invalid, parse_action},
};

/// One action on one canonical resource.
///
/// There is no way to make one from an unchecked text: what is decided on is what the family's parser
/// gave, and the caller uses that same value afterwards. Renames, copies and redirects are two
/// operations, decided one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Operation<'a> {
    family: FamilyName,
    action: ActionName,
    resource: Cow<'a, str>,
}

impl<'a> Operation<'a> {
    /// The operation of `action` on the resource that `resource` means in this family.
    ///
    /// # Errors
    /// An action that the family does not have, or a resource that it refuses.
    pub fn new(family: &dyn Family, action: &str, resource: &str, base: &Base) -> Result<Self, ScopeError> {
        let action = parse_action(family, action)?;
        let canonical = family
            .parse_resource(action, resource, base)
            .map_err(|problem| invalid(family, action, resource, problem))?;
        Ok(Operation {
            family: family.name(),
            action,
            resource: Cow::Owned(canonical),
        })
    }

    fn borrowed(family: FamilyName, action: ActionName, resource: &'a str) -> Self {
        Operation {
            family,
            action,
            resource: Cow::Borrowed(resource),
        }
    }

    /// Reading a file or folder.
    pub fn fs_read(path: &'a FsPath) -> Self {
        Operation::borrowed(FamilyName::FS, ActionName::READ, path.as_str())
    }

    /// Changing a file or folder.
    pub fn fs_write(path: &'a FsPath) -> Self {
        Operation::borrowed(FamilyName::FS, ActionName::WRITE, path.as_str())
    }

    /// Connecting to an origin.
    pub fn net_connect(origin: &'a Origin) -> Self {
        Operation::borrowed(FamilyName::NET, ActionName::CONNECT, origin.as_str())
    }

    /// Reading an environment variable.
    pub fn env_read(name: VariableName<'a>) -> Self {
        Operation::borrowed(FamilyName::ENV, ActionName::READ, name.as_str())
    }

    /// Reading the clock at a resolution.
    pub fn clock_read(resolution: Resolution) -> Self {
        Operation::borrowed(FamilyName::CLOCK, ActionName::READ, resolution.as_str())
    }

    /// Getting random bytes.
    pub fn random_read(source: RandomSource) -> Self {
        Operation::borrowed(FamilyName::RANDOM, ActionName::READ, source.as_str())
    }

    /// Reading an entry of a key-value store.
    pub fn kv_read(key: &'a Key) -> Self {
        Operation::borrowed(FamilyName::KV, ActionName::READ, key.as_str())
    }

    /// Changing an entry of a key-value store.
    pub fn kv_write(key: &'a Key) -> Self {
        Operation::borrowed(FamilyName::KV, ActionName::WRITE, key.as_str())
    }

    /// Importing a module.
    pub fn module_import(module: &'a ModuleId) -> Self {
        Operation::borrowed(FamilyName::MODULE, ActionName::IMPORT, module.as_str())
    }

    /// Reading a blob of a store.
    pub fn store_read(blob: &'a BlobId) -> Self {
        Operation::borrowed(FamilyName::STORE, ActionName::READ, blob.as_str())
    }

    /// Adding a blob to a store.
    pub fn store_add(blob: &'a BlobId) -> Self {
        Operation::borrowed(FamilyName::STORE, ActionName::ADD, blob.as_str())
    }

    /// The family.
    pub fn family(&self) -> FamilyName {
        self.family
    }

    /// The action.
    pub fn action(&self) -> ActionName {
        self.action
    }

    /// The canonical resource.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The same operation, with a resource of its own.
    pub fn into_owned(self) -> Operation<'static> {
        Operation {
            family: self.family,
            action: self.action,
            resource: Cow::Owned(self.resource.into_owned()),
        }
    }
}

impl fmt::Display for Operation<'_> {
    /// `fs read /srv/a.csv`. The resource is written as it is: escape it where control characters matter.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.family, self.action, self.resource)
    }
}
