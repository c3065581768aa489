//! `[kv]`: the file in which the entries of `kv` are kept.

use std::path::{Component, Path, PathBuf};

use secure_runtime_families::FileKvStore;

use super::ManifestError;
use super::size::parse_size;
use super::source::{Source, Value};

/// The file in which the entries of `kv` are kept, and its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KvFile {
    /// The path, relative to the folder of the manifest. It leads nowhere else.
    pub file: PathBuf,
    /// Maximum number of bytes of all entries.
    pub size: u64,
}

pub(super) fn kv(source: &Source<'_>, value: &Value<'_>) -> Result<KvFile, ManifestError> {
    let (mut file, mut size) = (None, FileKvStore::DEFAULT_LIMIT);
    for (key, value) in source.table(value, "[kv]")? {
        match key.get_ref().as_ref() {
            "file" => {
                let text = source.string(value, "kv.file")?;
                let is_beneath =
                    |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
                let path = Path::new(text);
                if path.file_name().is_none()
                    || text.ends_with(['/', '.'])
                    || text.contains('\0')
                    || !path.components().all(is_beneath)
                {
                    let hint = "a path of a file beneath the manifest's folder, such as \"data/entries.kv\"; for a file elsewhere, use `run --kv FILE`";
                    return Err(source.error(
                        value.span(),
                        "this is not a path of a file for the entries of `kv`",
                        hint.to_owned(),
                    ));
                }
                file = Some(path.to_owned());
            }
            "size" => {
                let text = source.string(value, "kv.size")?;
                size = parse_size(text).map_err(|error| {
                    source
                        .error(value.span(), error.to_string(), "such as \"256MiB\"".to_owned())
                        .caused_by(error)
                })?;
            }
            _ => return Err(source.unknown(key, &["file", "size"], "[kv]")),
        }
    }
    let file = file.ok_or_else(|| {
        source.error(
            value.span(),
            "[kv] has no file",
            "for example\n[kv]\nfile = \"entries.kv\"".to_owned(),
        )
    })?;
    Ok(KvFile { file, size })
}

#[cfg(test)]
mod tests {
    use secure_runtime_capabilities::{Base, Families};

    use super::*;
    use crate::manifest::Manifest;

    fn parse(lines: &str) -> Result<Option<KvFile>, String> {
        let text = format!("[package]\nname = \"t\"\nentry = \"a.js\"\n[kv]\n{lines}\n");
        let base = Base::new("/srv/app").unwrap();
        let manifest = Manifest::parse(Path::new("secure.toml"), &text, &base, &Families::builtin());
        manifest
            .map(|manifest| manifest.kv)
            .map_err(|error| error.to_string())
    }

    /// CLI-60
    #[test]
    fn a_file_beneath_the_folder_and_a_size() {
        let file = |file: &str, size| {
            Ok(Some(KvFile {
                file: file.into(),
                size,
            }))
        };
        assert_eq!(parse("file = \"entries.kv\""), file("entries.kv", 1 << 30));
        assert_eq!(
            parse("file = \"./data/entries.kv\"\nsize = \"2MiB\""),
            file("./data/entries.kv", 2 << 20)
        );
        assert_eq!(parse("file = \"a..kv\""), file("a..kv", 1 << 30));
    }

    /// CLI-60
    #[test]
    fn other_paths_and_keys_are_errors_with_their_line() {
        for (lines, what, line) in [
            ("", "[kv] has no file", 4),
            ("size = \"2MiB\"", "[kv] has no file", 4),
            ("file = \"\"", "not a path of a file", 5),
            ("file = \".\"", "not a path of a file", 5),
            ("file = \"/tmp/entries.kv\"", "not a path of a file", 5),
            ("file = \"../entries.kv\"", "not a path of a file", 5),
            ("file = \"data/../../entries.kv\"", "not a path of a file", 5),
            ("file = \"data/\"", "not a path of a file", 5),
            ("file = \"data/.\"", "not a path of a file", 5),
            ("file = \"a\\u0000b\"", "not a path of a file", 5),
            ("file = 1", "kv.file must be a string", 5),
            ("file = \"a\"\nsize = \"2 mb\"", "2 mb", 6),
            ("file = \"a\"\nsize = 5", "kv.size must be a string", 6),
            ("file = \"a\"\nsise = \"1MiB\"", "unknown key \"sise\" in [kv]", 6),
        ] {
            let error = parse(lines).unwrap_err();
            assert!(error.contains(what), "{lines}: {error}");
            assert!(
                error.contains(&format!("secure.toml:{line}:")),
                "{lines}: {error}"
            );
        }
    }
}
