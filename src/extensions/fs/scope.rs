//! Scopes of the `fs` family as places: a folder with everything below it, or one path.

use secure_runtime_capabilities::{ActionName, Authority, FamilyName, Pattern};

/// One scope. Paths are normalised; the folder `/` is the empty text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// The folder and everything below it.
    Folder(String),
    /// One path only.
    Exact(String),
}

impl Scope {
    /// Returns the scopes that an authority effectively has for an action.
    pub(super) fn of(authority: &Authority, action: ActionName) -> Vec<Scope> {
        let mut folders = Vec::new();
        let mut exact = Vec::new();
        for pattern in authority.effective(FamilyName::FS, action) {
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

    /// The folder, unless it is a single path.
    pub(super) fn folder(&self) -> Option<&String> {
        match self {
            Scope::Folder(folder) => Some(folder),
            Scope::Exact(_) => None,
        }
    }

    /// Whether the path is within the scope.
    pub(super) fn covers(&self, path: &str) -> bool {
        match self {
            Scope::Folder(folder) => is_root(folder, path) || below(folder, path),
            Scope::Exact(exact) => exact == path,
        }
    }

    /// Whether the scope begins at the path or below it. A scope of one path begins in its folder: it is the thing that is put there.
    pub(super) fn begins_within(&self, path: &str) -> bool {
        match self {
            Scope::Folder(folder) => is_root(folder, path) || below(path, folder),
            Scope::Exact(exact) => below(path, exact),
        }
    }

    /// Of two scopes that cover one path, the deeper one is the narrower one.
    pub(super) fn depth(&self) -> usize {
        match self {
            Scope::Folder(folder) => folder.len(),
            Scope::Exact(_) => usize::MAX,
        }
    }
}

/// Whether `path` lies below `folder`.
pub(super) fn below(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
}

/// Whether `path` is the folder itself.
pub(super) fn is_root(folder: &str, path: &str) -> bool {
    folder == path || (folder.is_empty() && path == "/")
}

/// The folder as the operating system spells it.
pub(super) fn or_slash(folder: &str) -> &str {
    if folder.is_empty() { "/" } else { folder }
}

/// The folder and the name in it; nothing for `/`.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once('/').filter(|(_, name)| !name.is_empty())
}
