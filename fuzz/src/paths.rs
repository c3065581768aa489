use std::path::{Component, Path};

use secure_runtime_capabilities::*;

use crate::Outcome;

/// Uses the first line as a base folder, the second as a path, and the rest as another path. Each must be
/// rejected for a valid reason, or equal the result of the standard library's `components`. The scope of a
/// folder must allow exactly the folder and everything below it; the scope of a path, exactly that path.
pub fn paths(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else {
        return Outcome::default();
    };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (folder, text, other) = (line(), line(), line());
    let base = match Base::new(folder) {
        Ok(base) => {
            assert_eq!(components(text_of(&base)), components(folder));
            base
        }
        Err(error) => {
            assert_printable(&error);
            assert!(!folder.starts_with('/') || must_be_refused("/", folder));
            Base::new("/srv/app").unwrap()
        }
    };
    let (path, other) = (check_path(text, &base), check_path(other, &base));
    let probes = [&path, &other].map(|path| path.as_ref().map_or("/srv", FsPath::as_str));
    let scopes = [text.to_owned(), format!("{text}/**")].map(|scope| check_scope(&scope, &base, &probes));
    let depth = |path: FsPath| vec![(); components(path.as_str()).len().min(8)];
    Outcome::of(&(path.map(depth), other.map(depth), scopes))
}

/// Returns the path of a base that was made from a text.
fn text_of(base: &Base) -> &str {
    base.path().unwrap().as_str()
}

fn assert_printable(error: &impl std::fmt::Display) {
    let message = error.to_string();
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

/// Returns the components of an absolute path, as split by the standard library, with `..` resolved.
fn components(path: &str) -> Vec<&str> {
    let mut components = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            Component::ParentDir => drop(components.pop()),
            Component::Normal(name) => components.push(name.to_str().unwrap()),
        }
    }
    components
}

fn joined(base: &str, text: &str) -> String {
    Path::new(base).join(text).to_str().unwrap().to_owned()
}

/// Implements TOK-27 independently: empty, NUL, too long (as given or once absolute), or a component that is
/// too long.
fn must_be_refused(base: &str, text: &str) -> bool {
    let absolute = joined(base, text);
    text.is_empty()
        || text.contains('\0')
        || text.len() > MAX_PATH
        || text.split('/').any(|component| component.len() > MAX_COMPONENT)
        || components(&absolute)
            .iter()
            .map(|name| name.len() + 1)
            .sum::<usize>()
            > MAX_PATH
}

fn check_path(text: &str, base: &Base) -> Result<FsPath, PathError> {
    let path = match FsPath::parse(text, base) {
        Ok(path) => path,
        Err(error) => {
            assert_printable(&error);
            assert!(must_be_refused(text_of(base), text), "{text:?}: {error:?}");
            return Err(error);
        }
    };
    assert!(!must_be_refused(text_of(base), text), "{text:?}");
    let absolute = joined(text_of(base), text);
    let expected = components(&absolute);
    assert_eq!(path.as_str(), format!("/{}", expected.join("/")), "{text:?}");

    // The canonical path means itself for every base, and so does the form that people write.
    assert_eq!(
        FsPath::parse(path.as_str(), &Base::new("/x").unwrap()).as_ref(),
        Ok(&path)
    );
    assert_eq!(
        FsPath::parse(&base.relative(path.as_str()), base).as_ref(),
        Ok(&path)
    );
    assert_eq!(Base::new(path.as_str()).unwrap().path(), Some(&path));

    let parent = path.parent();
    let above = expected
        .split_last()
        .map(|(_, above)| format!("/{}", above.join("/")));
    assert_eq!(parent.as_ref().map(FsPath::as_str), above.as_deref());
    assert!(path.below().ends_with('/') && components(&path.below()) == expected);
    Ok(path)
}

/// Returns true if the scope was accepted.
fn check_scope(scope: &str, base: &Base, probes: &[&str]) -> bool {
    let families = Families::builtin();
    let rights = match families.parse_scope("fs", Some("read"), scope, base) {
        Ok(rights) => Rights::new(rights).unwrap(),
        Err(error) => {
            assert_printable(&error);
            return false;
        }
    };
    let (folder, with_below) = match scope {
        "**" => (".", true),
        "/**" => ("/", true),
        _ => scope
            .strip_suffix("/**")
            .map_or((scope, false), |folder| (folder, true)),
    };
    assert!(!folder.contains('*'), "{scope:?}");
    let absolute = joined(text_of(base), folder);
    let granted = components(&absolute);
    let authority = Authority::new(Block::of(rights)).unwrap();
    let mut resources: Vec<String> = probes.iter().map(|probe| (*probe).to_owned()).collect();
    // Paths beside and below the granted path and the probes. They reveal prefixes without a separator.
    for near in probes.iter().copied().chain([absolute.as_str()]) {
        for suffix in [
            "/x",
            "x",
            "-secret/x",
            "/..",
            "/../x",
            "/../..",
            "./x",
            "/**",
            "*",
        ] {
            resources.push(format!("{near}{suffix}"));
        }
        let shorter: String = near
            .chars()
            .take(near.chars().count().saturating_sub(1))
            .collect();
        resources.push(shorter);
    }
    for resource in resources {
        let Ok(path) = FsPath::parse(&resource, base) else {
            continue;
        };
        let asked = components(path.as_str());
        let expected = if with_below {
            asked.starts_with(&granted)
        } else {
            asked == granted
        };
        let allowed = |operation| authority.decide(&operation, &Context::at(0)).is_allowed();
        assert_eq!(allowed(Operation::fs_read(&path)), expected, "{scope:?} {path}");
        // Decisions use an index. Matching a single pattern must have the same result.
        let mut patterns = authority.effective(FamilyName::FS, ActionName::READ);
        assert_eq!(patterns.any(|pattern| pattern.matches(path.as_str())), expected);
        assert!(!allowed(Operation::fs_write(&path)), "{scope:?} {path}");
    }
    true
}
