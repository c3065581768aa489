//! Operations: the subjects of decisions.

use std::{borrow::Cow, fmt};

use crate::{
    ActionName, Base, BlobId, Family, FamilyName, FsPath, HostName, Key, ListenEndpoint, ModuleId, Origin,
    RandomSource, Resolution, ScopeError, VariableName,
    family::{invalid, parse_action},
};

/// One action on one canonical resource.
///
/// An operation cannot be made from an unchecked text. The decision uses the value that the family's parser
/// returned, and the caller must use that same value afterwards. Renames, copies and redirects are two
/// operations, decided one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Operation<'a> {
    family: FamilyName,
    action: ActionName,
    resource: Cow<'a, str>,
}

impl<'a> Operation<'a> {
    /// Parses an operation: `action` on the resource that `resource` means in this family.
    ///
    /// # Errors
    /// Returns an error if the family does not have the action, or rejects the resource.
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

    /// Returns the operation of reading a file or folder.
    pub fn fs_read(path: &'a FsPath) -> Self {
        Operation::borrowed(FamilyName::FS, ActionName::READ, path.as_str())
    }

    /// Returns the operation of changing a file or folder.
    pub fn fs_write(path: &'a FsPath) -> Self {
        Operation::borrowed(FamilyName::FS, ActionName::WRITE, path.as_str())
    }

    /// Returns the operation of connecting to an origin.
    pub fn net_connect(origin: &'a Origin) -> Self {
        Operation::borrowed(FamilyName::NET, ActionName::CONNECT, origin.as_str())
    }

    /// Returns the operation of looking up the addresses of a name.
    pub fn net_resolve(name: &'a HostName) -> Self {
        Operation::borrowed(FamilyName::NET, ActionName::RESOLVE, name.as_str())
    }

    /// Returns the operation of binding a socket, to accept connections or to receive datagrams.
    pub fn net_listen(socket: &ListenEndpoint) -> Operation<'static> {
        Operation {
            family: FamilyName::NET,
            action: ActionName::LISTEN,
            resource: Cow::Owned(socket.to_string()),
        }
    }

    /// Returns the operation of reading an environment variable.
    pub fn env_read(name: VariableName<'a>) -> Self {
        Operation::borrowed(FamilyName::ENV, ActionName::READ, name.as_str())
    }

    /// Returns the operation of reading the clock at a resolution.
    pub fn clock_read(resolution: Resolution) -> Self {
        Operation::borrowed(FamilyName::CLOCK, ActionName::READ, resolution.as_str())
    }

    /// Returns the operation of generating random bytes.
    pub fn random_read(source: RandomSource) -> Self {
        Operation::borrowed(FamilyName::RANDOM, ActionName::READ, source.as_str())
    }

    /// Returns the operation of reading an entry of a key-value store.
    pub fn kv_read(key: &'a Key) -> Self {
        Operation::borrowed(FamilyName::KV, ActionName::READ, key.as_str())
    }

    /// Returns the operation of changing an entry of a key-value store.
    pub fn kv_write(key: &'a Key) -> Self {
        Operation::borrowed(FamilyName::KV, ActionName::WRITE, key.as_str())
    }

    /// Returns the operation of importing a module.
    pub fn module_import(module: &'a ModuleId) -> Self {
        Operation::borrowed(FamilyName::MODULE, ActionName::IMPORT, module.as_str())
    }

    /// Returns the operation of reading a blob of a store.
    pub fn store_read(blob: &'a BlobId) -> Self {
        Operation::borrowed(FamilyName::STORE, ActionName::READ, blob.as_str())
    }

    /// Returns the operation of adding a blob to a store.
    pub fn store_add(blob: &'a BlobId) -> Self {
        Operation::borrowed(FamilyName::STORE, ActionName::ADD, blob.as_str())
    }

    /// Returns the family.
    pub fn family(&self) -> FamilyName {
        self.family
    }

    /// Returns the action.
    pub fn action(&self) -> ActionName {
        self.action
    }

    /// Returns the canonical resource.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// Returns another action of the same family on the same resource. For families whose resources do not depend on
    /// the action.
    pub fn with_action(&self, action: ActionName) -> Operation<'static> {
        Operation {
            action,
            ..self.clone().into_owned()
        }
    }

    /// Returns the same operation, which owns its resource.
    pub fn into_owned(self) -> Operation<'static> {
        Operation {
            family: self.family,
            action: self.action,
            resource: Cow::Owned(self.resource.into_owned()),
        }
    }
}

impl fmt::Display for Operation<'_> {
    /// Writes the operation as `fs read /srv/a.csv`. The resource is not escaped: escape it before you show
    /// it on a terminal.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.family, self.action, self.resource)
    }
}
