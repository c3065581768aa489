//! Scopes of the `fs` family as places: a folder with everything below it, or one path.

use secure_runtime_capabilities::Pattern;

/// One scope. Paths are normalised. The folder `/` is the empty text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// A folder and everything below it.
    Folder(String),
    /// One path.
    Exact(String),
}

impl Scope {
    /// Returns the scopes that these patterns of a capability mean.
    pub(super) fn of<'a>(patterns: impl Iterator<Item = &'a Pattern>) -> Vec<Scope> {
        let mut folders = Vec::new();
        let mut exact = Vec::new();
        for pattern in patterns {
            match pattern {
                Pattern::Affix { prefix, suffix } if suffix.is_empty() => {
                    folders.extend(prefix.strip_suffix('/').map(str::to_owned));
                }
                Pattern::Exact(path) => exact.push(path),
                _ => {}
            }
        }
        let alone = |path: &&String| !folders.iter().any(|folder| is_root(folder, path));
        let exact: Vec<Scope> = exact
            .into_iter()
            .filter(alone)
            .map(|path| Scope::Exact(path.clone()))
            .collect();
        folders.into_iter().map(Scope::Folder).chain(exact).collect()
    }

    /// Returns the folder, unless the scope is a single path.
    pub(super) fn folder(&self) -> Option<&String> {
        match self {
            Scope::Folder(folder) => Some(folder),
            Scope::Exact(_) => None,
        }
    }

    /// Returns true if the path is within the scope.
    pub(super) fn covers(&self, path: &str) -> bool {
        match self {
            Scope::Folder(folder) => is_root(folder, path) || below(folder, path),
            Scope::Exact(exact) => exact == path,
        }
    }

    /// Returns true if the scope begins at the path or below it. A scope of one path begins in its folder, because it
    /// is the entry there.
    pub(super) fn begins_within(&self, path: &str) -> bool {
        match self {
            Scope::Folder(folder) => is_root(folder, path) || below(path, folder),
            Scope::Exact(exact) => below(path, exact),
        }
    }

    /// Returns the depth. Of two scopes that cover one path, the deeper one is narrower.
    pub(super) fn depth(&self) -> usize {
        match self {
            Scope::Folder(folder) => folder.len(),
            Scope::Exact(_) => usize::MAX,
        }
    }
}

/// Returns true if `path` is below `folder`.
pub(super) fn below(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
}

/// Returns true if `path` is the folder itself.
pub(super) fn is_root(folder: &str, path: &str) -> bool {
    folder == path || (folder.is_empty() && path == "/")
}

/// Returns the folder in the operating system's spelling.
pub(super) fn or_slash(folder: &str) -> &str {
    if folder.is_empty() { "/" } else { folder }
}

/// Returns the folder and the name in it, or none for `/`.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('/').filter(|(_, name)| !name.is_empty())
}
