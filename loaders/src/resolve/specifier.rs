//! The syntax of specifiers.

use super::error::ImportProblem;
use crate::graph::package_name_is_good;
use crate::text::forbidden_character;

/// A specifier that was classified but not resolved.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Specifier<'a> {
    /// `./a.js`, `../a.js`: relative to the importing module.
    Relative(&'a str),
    /// `#name`: from the import map or the package's own `imports`.
    Internal(&'a str),
    /// `name/sub/path`: a package's name, and `.` or `./sub/path`.
    Bare { name: &'a str, subpath: String },
    /// `cap:self`: provided by the host, not a module of the graph.
    Host,
}

/// Classifies `specifier`.
pub(super) fn classify(specifier: &str) -> Result<Specifier<'_>, ImportProblem> {
    if specifier.is_empty() {
        return Err(ImportProblem::Empty);
    }
    if forbidden_character(specifier).is_some() || specifier.contains('\\') {
        return Err(ImportProblem::Character);
    }
    if specifier.starts_with("./") || specifier.starts_with("../") {
        return Ok(Specifier::Relative(specifier));
    }
    if matches!(specifier, "." | "..") || specifier.starts_with('/') {
        return Err(ImportProblem::Absolute);
    }
    if specifier.starts_with('#') {
        return Ok(Specifier::Internal(specifier));
    }
    if let Some((scheme, _)) = specifier.split_once(':')
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    {
        return if scheme == "cap" {
            Ok(Specifier::Host)
        } else {
            Err(ImportProblem::Scheme {
                scheme: scheme.to_ascii_lowercase(),
            })
        };
    }
    bare(specifier)
}

/// Returns true if Node.js has a built-in module with this name. Suggesting to install such a package would lead users
/// to whoever registered the name.
pub(super) fn is_of_node(name: &str) -> bool {
    const NAMES: &str = "assert async_hooks buffer child_process cluster console constants crypto dgram \
        diagnostics_channel dns domain events fs http http2 https inspector module net os path perf_hooks \
        process punycode querystring readline repl stream string_decoder sys timers tls trace_events tty url \
        util v8 vm wasi worker_threads zlib";
    NAMES.split_ascii_whitespace().any(|known| known == name)
}

/// Splits `name`, `name/sub`, `@scope/name` and `@scope/name/sub`.
pub(super) fn bare(specifier: &str) -> Result<Specifier<'_>, ImportProblem> {
    let skipped = if specifier.starts_with('@') {
        specifier.find('/').map_or(0, |slash| slash + 1)
    } else {
        0
    };
    let end = specifier
        .get(skipped..)
        .and_then(|rest| rest.find('/'))
        .map(|slash| skipped + slash);
    let (name, rest) = end
        .and_then(|end| specifier.split_at_checked(end))
        .unwrap_or((specifier, ""));
    if !package_name_is_good(name) {
        return Err(ImportProblem::PackageName);
    }
    Ok(Specifier::Bare {
        name,
        subpath: format!(".{rest}"),
    })
}

/// Decodes percent-encoding, like in URLs, in a relative specifier or in a target of a package.json.
///
/// Encoded separators and NUL are rejected, because one specifier could then have two meanings. Queries, fragments and
/// paths of folders have no meaning here and are rejected too.
pub(super) fn decode_path(path: &str) -> Result<String, ImportProblem> {
    if path.contains(['?', '#']) {
        return Err(ImportProblem::QueryOrFragment);
    }
    if path.contains('\\') || forbidden_character(path).is_some() {
        return Err(ImportProblem::Character);
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()
            .zip(digit())
            .and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        match value {
            None | Some(b'/' | b'\\' | b'%' | b'?' | b'#' | 0) => return Err(ImportProblem::Encoding),
            Some(value) => decoded.push(value),
        }
    }
    let decoded = String::from_utf8(decoded).map_err(|_| ImportProblem::Encoding)?;
    if forbidden_character(&decoded).is_some() {
        return Err(ImportProblem::Character);
    }
    if decoded.ends_with('/') || decoded.ends_with("/.") || decoded.ends_with("/..") {
        return Err(ImportProblem::Folder);
    }
    Ok(decoded)
}

/// Returns true if `require` treats `specifier` as a path.
pub(super) fn is_relative_for_require(specifier: &str) -> bool {
    matches!(specifier, "." | "..") || specifier.starts_with("./") || specifier.starts_with("../")
}

/// Checks a path in a `require` call. Nothing in it is decoded, and it may end with `/`.
pub(super) fn plain_path(path: &str) -> Result<&str, ImportProblem> {
    if path.contains('\\') || forbidden_character(path).is_some() {
        return Err(ImportProblem::Character);
    }
    // Module names are also used as URLs. Characters that a URL parser decodes or cuts off are rejected.
    if path.contains('%') {
        return Err(ImportProblem::Encoding);
    }
    if path.contains(['?', '#']) {
        return Err(ImportProblem::QueryOrFragment);
    }
    Ok(path)
}

/// Returns true if the path can only name a folder.
pub(super) fn ends_in_folder(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("" | "." | ".."))
}

/// Joins `folder` and `path`, and removes `.` and `..`. Both use `/` and are below the same root.
pub(super) fn join(folder: &str, path: &str) -> Result<String, ImportProblem> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or(ImportProblem::LeavesPackage)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classifies() {
        let bare = |name, subpath: &str| {
            Ok(Specifier::Bare {
                name,
                subpath: subpath.to_owned(),
            })
        };
        let scheme = |scheme: &str| {
            Err(ImportProblem::Scheme {
                scheme: scheme.to_owned(),
            })
        };
        let table: Vec<(&str, Result<Specifier<'_>, ImportProblem>)> = vec![
            ("./a.js", Ok(Specifier::Relative("./a.js"))),
            ("../a/b.js", Ok(Specifier::Relative("../a/b.js"))),
            ("#a/b", Ok(Specifier::Internal("#a/b"))),
            ("marked", bare("marked", ".")),
            ("marked/lib/x.js", bare("marked", "./lib/x.js")),
            ("@a/b", bare("@a/b", ".")),
            ("@a/b/c", bare("@a/b", "./c")),
            ("cap:self", Ok(Specifier::Host)),
            ("node:fs", scheme("node")),
            ("NODE:fs", scheme("node")),
            ("https://example.com/a.js", scheme("https")),
            ("data:text/javascript,1", scheme("data")),
            ("file:///etc/passwd", scheme("file")),
            ("blob:x", scheme("blob")),
            ("ext:core/ops", scheme("ext")),
            ("javascript:1", scheme("javascript")),
            ("C:/windows", scheme("c")),
            ("", Err(ImportProblem::Empty)),
            ("/etc/passwd", Err(ImportProblem::Absolute)),
            ("//example.com/a.js", Err(ImportProblem::Absolute)),
            ("..", Err(ImportProblem::Absolute)),
            (".hidden", Err(ImportProblem::PackageName)),
            ("@a", Err(ImportProblem::PackageName)),
            ("@/a", Err(ImportProblem::PackageName)),
            ("a b", Err(ImportProblem::PackageName)),
            ("node_modules", Err(ImportProblem::PackageName)),
            ("a\\b", Err(ImportProblem::Character)),
            ("./a\0.js", Err(ImportProblem::Character)),
            ("./a\u{202e}sj.js", Err(ImportProblem::Character)),
        ];
        for (text, expected) in table {
            assert_eq!(classify(text), expected, "{text:?}");
        }
    }

    /// GRAPH-32: percent-encoding is decoded once, and cannot encode a separator.
    #[test]
    fn decodes_paths() {
        use ImportProblem::*;
        let table = [
            ("./a%20b.js", Ok("./a b.js")),
            ("./%61.js", Ok("./a.js")),
            ("./gr%C3%BC.js", Ok("./grü.js")),
            ("./%2e%2e/a.js", Ok("./../a.js")),
            ("./a%2fb.js", Err(Encoding)),
            ("./a%5Cb.js", Err(Encoding)),
            ("./a%00.js", Err(Encoding)),
            ("./a%2541.js", Err(Encoding)),
            ("./a%zz.js", Err(Encoding)),
            ("./a%2", Err(Encoding)),
            ("./a%ff.js", Err(Encoding)),
            ("./a%0a.js", Err(Character)),
            ("./a.js?x", Err(QueryOrFragment)),
            ("./a.js#x", Err(QueryOrFragment)),
            ("./a/", Err(Folder)),
            ("./a/..", Err(Folder)),
        ];
        for (path, expected) in table {
            assert_eq!(decode_path(path), expected.map(str::to_owned), "{path}");
        }
    }

    #[test]
    fn joins() {
        assert_eq!(join("", "./a.js"), Ok("a.js".into()));
        assert_eq!(join("lib/x", "../a.js"), Ok("lib/a.js".into()));
        assert_eq!(join("lib", ".././/./a/../b.js"), Ok("b.js".into()));
        assert_eq!(join("lib", "../../a.js"), Err(ImportProblem::LeavesPackage));
        assert_eq!(join("", "../a/b.js"), Err(ImportProblem::LeavesPackage));
    }
}
