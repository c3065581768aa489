//! File paths in the form that decisions use: absolute and normalised, without access to a disk.

use std::fmt;

use thiserror::Error;

use crate::text::quoted;

/// Maximum length of a path, in bytes: Linux's.
pub const MAX_PATH: usize = 4096;
/// Maximum length of a path component, in bytes: Linux's.
pub const MAX_COMPONENT: usize = 255;

/// Error returned when a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// The text is empty.
    #[error("a path is never empty; the folder itself is `.`")]
    Empty,
    /// The text contains a NUL byte, which ends a path early in the operating system.
    #[error("a path holds no NUL character")]
    Nul,
    /// The path is longer than [`MAX_PATH`], either as given or after it was made absolute.
    #[error("the path is {length} bytes long; the limit is {MAX_PATH}")]
    TooLong {
        /// The length in bytes.
        length: usize,
    },
    /// A component is longer than [`MAX_COMPONENT`].
    #[error("a component of the path is {length} bytes long; the limit is {MAX_COMPONENT}")]
    ComponentTooLong {
        /// The component's length in bytes.
        length: usize,
    },
    /// The path is relative, and the base folder's path is not text.
    #[error(
        "the path of the folder that relative paths start from is not UTF-8: write an absolute path, or rename the folder"
    )]
    BaseNotText,
    /// The base folder is not absolute.
    #[error(
        "{} is not absolute; the folder that relative paths start from begins with `/`",
        quoted(path)
    )]
    Relative {
        /// The rejected path.
        path: String,
    },
}

/// An absolute, normalised path: `/`, or components without `.`, `..` and empty ones.
///
/// Normalisation is lexical: `a/../b` is `b`, even if `a` is a symbolic link. The caller opens exactly the
/// path that was decided on, so a link cannot make the two differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FsPath(String);

impl FsPath {
    /// Parses a path. It is relative to `base`, unless it starts with `/`.
    ///
    /// `..` at the root stays at the root, like in the operating system.
    ///
    /// # Errors
    /// Returns [`PathError`] if the text is empty, contains a NUL character, or a path or component is too
    /// long. A relative path needs a base whose path is text.
    pub fn parse(text: &str, base: &Base) -> Result<FsPath, PathError> {
        if text.starts_with('/') {
            FsPath::normalised("", text)
        } else {
            let base = base.path().ok_or(PathError::BaseNotText)?;
            FsPath::normalised(base.as_str(), text)
        }
    }

    /// Normalises `text` below `base`, which must be normalised; an empty `base` is the root.
    fn normalised(base: &str, text: &str) -> Result<FsPath, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        if text.len() > MAX_PATH {
            return Err(PathError::TooLong { length: text.len() });
        }
        let mut path = String::with_capacity(base.len() + 1 + text.len());
        path.push_str(base.trim_end_matches('/'));
        for component in text.split('/') {
            match component {
                "" | "." => {}
                ".." => path.truncate(path.rfind('/').unwrap_or(0)),
                _ if component.len() > MAX_COMPONENT => {
                    return Err(PathError::ComponentTooLong {
                        length: component.len(),
                    });
                }
                _ => {
                    path.push('/');
                    path.push_str(component);
                }
            }
        }
        if path.is_empty() {
            path.push('/');
        }
        if path.len() > MAX_PATH {
            return Err(PathError::TooLong { length: path.len() });
        }
        Ok(FsPath(path))
    }

    /// Returns the path as text, which is the canonical resource.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the prefix of every path below this folder: the path and one `/`.
    pub fn below(&self) -> String {
        if self.0 == "/" {
            self.0.clone()
        } else {
            format!("{}/", self.0)
        }
    }

    /// Returns the folder that contains this path, or `None` for the root.
    pub fn parent(&self) -> Option<FsPath> {
        let (parent, name) = self.0.rsplit_once('/')?;
        if name.is_empty() {
            return None;
        }
        Some(FsPath(if parent.is_empty() {
            "/".to_owned()
        } else {
            parent.to_owned()
        }))
    }
}

impl fmt::Display for FsPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The folder of relative paths: an absolute path, normally the manifest's folder.
///
/// The caller must resolve symbolic links in it first, because this crate does not access the disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Base(Option<FsPath>);

impl Base {
    /// Returns the base folder at this absolute path.
    ///
    /// # Errors
    /// Returns [`PathError`]; [`PathError::Relative`] if the path is not absolute.
    pub fn new(path: &str) -> Result<Base, PathError> {
        if path.is_empty() {
            return Err(PathError::Empty);
        }
        if !path.starts_with('/') {
            return Err(PathError::Relative {
                path: path.to_owned(),
            });
        }
        FsPath::normalised("", path).map(|path| Base(Some(path)))
    }

    /// Returns a base folder whose path is not UTF-8.
    ///
    /// Scopes and resources are text, in tokens and for guests. So this base refuses relative paths, and
    /// absolute ones are accepted.
    pub fn without_text() -> Base {
        Base(None)
    }

    /// Returns the folder, or `None` if its path is not UTF-8.
    pub fn path(&self) -> Option<&FsPath> {
        self.0.as_ref()
    }

    /// Returns the path in the form that people write: `./…` below the base, absolute elsewhere.
    pub fn relative(&self, path: &str) -> String {
        let Some(base) = self.path() else {
            return path.to_owned();
        };
        if path == base.as_str() {
            return ".".to_owned();
        }
        match path.strip_prefix(&base.below()) {
            Some(rest) => format!("./{rest}"),
            None => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, PathError> {
        FsPath::parse(text, &Base::new("/srv/app").unwrap()).map(|path| path.0)
    }

    /// TOK-27
    #[test]
    fn paths_are_absolute_and_normalised() {
        for (text, expected) in [
            ("data/a.csv", "/srv/app/data/a.csv"),
            ("./data//a.csv", "/srv/app/data/a.csv"),
            ("data/./x/../a.csv/", "/srv/app/data/a.csv"),
            (".", "/srv/app"),
            ("..", "/srv"),
            ("../../../../..", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/..", "/"),
            ("//etc//passwd", "/etc/passwd"),
            ("/etc/passwd/.", "/etc/passwd"),
            ("...", "/srv/app/..."),
            ("a\\..\\b", "/srv/app/a\\..\\b"),
            ("%2e%2e/b", "/srv/app/%2e%2e/b"),
        ] {
            assert_eq!(parse(text), Ok(expected.to_owned()), "{text:?}");
        }
    }

    /// TOK-27
    #[test]
    fn paths_that_the_operating_system_would_cut_or_refuse_are_errors() {
        assert_eq!(parse(""), Err(PathError::Empty));
        assert_eq!(parse("f\0.txt"), Err(PathError::Nul));
        assert_eq!(
            parse(&"a".repeat(256)),
            Err(PathError::ComponentTooLong { length: 256 })
        );
        assert!(parse(&"a".repeat(255)).is_ok());
        assert_eq!(parse(&"/".repeat(4097)), Err(PathError::TooLong { length: 4097 }));
        // The text is within the limit, but the absolute path is not.
        let nearly = "a/".repeat(2046);
        assert_eq!(
            parse(&nearly),
            Err(PathError::TooLong {
                length: 9 + 2 * 2046 - 1
            })
        );
        assert_eq!(Base::new("srv"), Err(PathError::Relative { path: "srv".into() }));
    }

    #[test]
    fn parents_end_at_the_root() {
        let path = FsPath::normalised("", "/a/b").unwrap();
        let parent = path.parent().unwrap();
        assert_eq!((parent.as_str(), parent.parent().unwrap().as_str()), ("/a", "/"));
        assert_eq!(parent.parent().unwrap().parent(), None);
    }

    #[test]
    fn a_base_that_is_not_text_has_no_relative_paths() {
        let base = Base::without_text();
        assert_eq!(FsPath::parse("a", &base), Err(PathError::BaseNotText));
        assert_eq!(FsPath::parse("", &base), Err(PathError::BaseNotText));
        let absolute = FsPath::parse("/a/../b", &base).unwrap();
        assert_eq!(absolute.as_str(), "/b");
        assert_eq!(base.relative("/b"), "/b");
        assert_eq!(base.path(), None);
    }
}
