//! `cargo xtask tidy`: checks the rules for comments and files that need no compiler.

use std::fmt;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::layers;
use crate::steps::{Steps, root};

/// Folders whose documentation is in plain English. If you rewrite another folder, add it here.
const PLAIN: &[&str] = &[
    "benches/",
    "build.rs",
    "capabilities/",
    "cli/",
    "engine/",
    "examples/sqlite/",
    "families/",
    "fuzz/",
    "http/",
    "loaders/",
    "src/",
    "tests/",
    "text/",
    "xtask/",
];

/// Words that a doc comment must not begin with. Its first words should say what the item is or does.
const FIRST_WORDS: &[&str] = &[
    "what", "who", "whom", "whose", "how", "that", "as", "where", "whether", "which", "when",
];

/// Maximum number of words in a sentence of a doc comment.
const MAX_WORDS: usize = 25;

/// Maximum width of a comment line. rustfmt wraps code at 110 columns.
const MAX_COLUMNS: usize = 120;

/// Hosts of package registries. They are split, so that this file does not contain them.
const HOSTS: &[(&str, &str)] = &[
    ("crates", "io"),
    ("registry.npmjs", "org"),
    ("registry.yarnpkg", "com"),
    ("jsr", "io"),
    ("pypi", "org"),
    ("files.pythonhosted", "org"),
    ("proxy.golang", "org"),
];

/// Endings of files that editors and merges leave behind.
const STRAY: &[&str] = &[".orig", ".rej", ".tmp", ".bak", ".swp", "~"];

/// A broken rule: the place, the defect, and the correction.
struct Problem {
    path: String,
    line: usize,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.message)
    }
}

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::new();
    check(&mut steps)?;
    steps.summary("tidy");
    Ok(())
}

/// Checks every file that git tracks.
pub(crate) fn check(steps: &mut Steps) -> Result<()> {
    steps.step("tidy", || {
        let mut count = 0;
        for path in tracked_files()? {
            let Ok(bytes) = fs::read(root().join(&path)) else {
                continue; // a link to a folder, or a file that is deleted and not committed yet
            };
            for problem in problems(&path, &String::from_utf8_lossy(&bytes)) {
                eprintln!("{problem}");
                count += 1;
            }
        }
        for problem in layers::problems(&root())? {
            eprintln!("{problem}");
            count += 1;
        }
        match count {
            0 => Ok(()),
            1 => bail!("1 problem; the message above says what to write instead"),
            _ => bail!("{count} problems; the messages above say what to write instead"),
        }
    })
}

fn tracked_files() -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .context("git cannot be run")?;
    if !output.status.success() {
        bail!(
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let names = String::from_utf8(output.stdout).context("a file name is not UTF-8: rename it")?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

/// Returns the broken rules of one file.
fn problems(path: &str, text: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add = |line, message| {
        found.push(Problem {
            path: path.to_owned(),
            line,
            message,
        });
    };
    if is_stray(path) {
        add(
            1,
            "stray file: delete it, or give it a descriptive name".to_owned(),
        );
    }
    let is_plain = PLAIN.iter().any(|folder| path.starts_with(folder));
    // Searching the whole text once is much faster than searching each line.
    let names_registry = registry_host(text).is_some();
    for (number, line) in (1..).zip(text.lines()) {
        if names_registry && let Some(host) = registry_host(line) {
            add(
                number,
                format!("{host} is the host of a package registry: name only the package"),
            );
        }
        if path.ends_with("package-lock.json") && line.trim_start().starts_with("\"resolved\": \"http") {
            add(
                number,
                "the lock names a registry: set `omit-lockfile-registry-resolved=true` in .npmrc".to_owned(),
            );
        }
        if is_code(path) {
            let columns = line.chars().count();
            if is_comment(line) && columns > MAX_COLUMNS {
                add(
                    number,
                    format!("the comment has {columns} columns: wrap it at {MAX_COLUMNS}"),
                );
            }
            if is_ignored_without_reason(line) {
                add(
                    number,
                    "ignored test: write the reason, `#[ignore = \"…\"]`".to_owned(),
                );
            }
        }
    }
    if is_plain && is_code(path) {
        for comment in doc_comments(path, text) {
            if let Some(word) = comment.first_word() {
                add(
                    comment.line,
                    format!(
                        "the doc comment begins with {word:?}: begin with a noun, or a verb such as \"Returns\""
                    ),
                );
            }
            for (line, words) in comment.sentences() {
                if words > MAX_WORDS {
                    add(
                        line,
                        format!("the sentence has {words} words: split it, the limit is {MAX_WORDS}"),
                    );
                }
            }
        }
    }
    found
}

fn is_code(path: &str) -> bool {
    [".rs", ".js", ".mjs", ".cjs", ".ts"]
        .iter()
        .any(|ending| path.ends_with(ending))
}

fn is_stray(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split('.').next().unwrap_or(name);
    stem.chars().count() == 1 || STRAY.iter().any(|ending| name.ends_with(ending))
}

/// Returns the first registry host in a text. Cargo.lock names its registry by a repository, which is not a host.
fn registry_host(text: &str) -> Option<String> {
    HOSTS
        .iter()
        .map(|(name, domain)| format!("{name}.{domain}"))
        .find(|host| {
            text.match_indices(host.as_str()).any(|(start, _)| {
                let before = text.get(..start).unwrap_or_default();
                let after = text.get(start + host.len()..).unwrap_or_default();
                !before.ends_with(|last: char| last.is_alphanumeric() || last == '-')
                    && !after.starts_with(|next: char| next.is_alphanumeric() || next == '-')
            })
        })
}

fn is_comment(line: &str) -> bool {
    ["//", "/*", "* "]
        .iter()
        .any(|start| line.trim_start().starts_with(start))
}

fn is_ignored_without_reason(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("#[ignore]") || line.starts_with("#[cfg_attr(") && line.ends_with(", ignore)]")
}

/// A doc comment: the number of its first line, and its lines without the markers.
struct DocComment<'a> {
    line: usize,
    lines: Vec<&'a str>,
}

/// Returns the blocks of `///` and `//!` in Rust, and the blocks of `/** … */` in JavaScript.
fn doc_comments<'a>(path: &str, text: &'a str) -> Vec<DocComment<'a>> {
    let mut comments: Vec<DocComment<'a>> = Vec::new();
    let mut marker = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let (content, next) = if path.ends_with(".rs") {
            let found = ["///", "//!"]
                .into_iter()
                .find_map(|marker| Some((line.strip_prefix(marker)?, marker)));
            match found {
                Some((content, next)) if !content.starts_with('/') => (content, Some(next)),
                _ => ("", None),
            }
        } else {
            let content = match marker {
                None => line.strip_prefix("/**"),
                Some(_) if line.starts_with("*/") => Some(line),
                Some(_) => Some(line.strip_prefix('*').unwrap_or(line)),
            };
            match content.map(|content| (content, content.split_once("*/"))) {
                Some((_, Some((content, _)))) => {
                    // The block ends on this line.
                    extend(&mut comments, marker.is_some(), number, content);
                    ("", None)
                }
                Some((content, None)) => (content, Some("/**")),
                None => ("", None),
            }
        };
        if next.is_some() {
            extend(&mut comments, marker == next, number, content);
        }
        marker = next;
    }
    comments
}

fn extend<'a>(comments: &mut Vec<DocComment<'a>>, continues: bool, line: usize, content: &'a str) {
    match comments.last_mut() {
        Some(last) if continues => last.lines.push(content.trim()),
        _ => comments.push(DocComment {
            line,
            lines: vec![content.trim()],
        }),
    }
}

impl DocComment<'_> {
    /// Returns the first word of the comment if it is one of [`FIRST_WORDS`]. Numbers of the specification, such as
    /// `TOK-1, TOK-2:`, may stand before it.
    fn first_word(&self) -> Option<&str> {
        let text = self.lines.iter().find(|line| !line.is_empty())?;
        let is_number =
            |word: &str| word.contains('-') && word.starts_with(|first: char| first.is_uppercase());
        let word = text.split_whitespace().find(|word| !is_number(word))?;
        let word = word
            .split(|character: char| !character.is_alphabetic())
            .next()
            .unwrap_or(word);
        FIRST_WORDS
            .contains(&word.to_lowercase().as_str())
            .then_some(word)
    }

    /// Returns the number of words in each sentence, with the line of its first word. Code blocks are skipped.
    fn sentences(&self) -> Vec<(usize, usize)> {
        let mut sentences: Vec<(usize, usize)> = Vec::new();
        let (mut is_code, mut is_new) = (false, true);
        for (number, line) in (self.line..).zip(&self.lines) {
            if line.starts_with("```") {
                is_code = !is_code;
            }
            if is_code
                || line.is_empty()
                || ["```", "# ", "- ", "* ", "|"].iter().any(|s| line.starts_with(s))
            {
                is_new = true;
            }
            if is_code || line.starts_with('|') {
                continue;
            }
            for word in line.split_whitespace() {
                if !word.contains(char::is_alphanumeric) {
                    continue;
                }
                match sentences.last_mut() {
                    Some((_, words)) if !is_new => *words += 1,
                    _ => sentences.push((number, 1)),
                }
                let end = word.trim_end_matches([')', ']', '"', '*']);
                is_new = end.ends_with(['.', '!', '?']);
            }
            is_new |= line.starts_with("# ");
        }
        sentences
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_COLUMNS, MAX_WORDS, problems};

    fn check(path: &str, text: &str) -> Vec<String> {
        problems(path, text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn code_behind_a_block_is_no_prose() {
        let code = "f(a); ".repeat(MAX_WORDS);
        let text = format!("/**\n * It is here.\n */\n{code}\n");
        assert_eq!(check("xtask/x1.js", &text), [""; 0]);
    }

    #[test]
    fn doc_comments_do_not_begin_with_a_question_word() {
        for (path, text, line) in [
            ("xtask/src/x1.rs", "/// What it is.\nfn f() {}\n", 1),
            ("text/src/x1.rs", "//! A crate.\n\n    /// whether it is.\n", 3),
            ("fuzz/src/x1.rs", "/// TOK-1, TOK-2: where it is.\n", 1),
            ("fuzz/src/x1.rs", "//! A crate.\n/// Who's there.\n", 2),
            ("xtask/x1.js", "/** How it is. */\n", 1),
            ("xtask/x1.js", "f();\n/**\n * As it is.\n */\n", 2),
        ] {
            let found = check(path, text);
            let start = format!("{path}:{line}: the doc comment begins with ");
            assert!(
                matches!(found.as_slice(), [one] if one.starts_with(&start)),
                "{text}: {found:?}"
            );
        }
        for (path, text) in [
            (
                "xtask/src/x1.rs",
                "/// Returns what it is.\n/// What it is not.\n",
            ),
            (
                "xtask/src/x1.rs",
                "// What it is.\n//// What it is.\n/// Whatever.\n",
            ),
            (
                "xtask/x1.js",
                "/* What it is. */\n/** Returns it. */ f(); // How it is.\n",
            ),
            ("elsewhere/src/x1.rs", "/// What it is.\n"),
            ("xtask/README.md", "/// What it is.\n"),
        ] {
            assert_eq!(check(path, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn sentences_are_short() {
        let words = |count: usize| vec!["word"; count].join(" ");
        let (short, long) = (words(MAX_WORDS), words(MAX_WORDS + 1));
        let message = format!(
            "the sentence has {} words: split it, the limit is {MAX_WORDS}",
            MAX_WORDS + 1
        );
        let wrapped = long.replace("word word word word ", "word word word word\n/// ");
        assert_eq!(
            check("xtask/src/x1.rs", &format!("/// Short.\n/// {wrapped}\n")),
            [format!("xtask/src/x1.rs:2: {message}")]
        );
        let wrapped = wrapped.replace("///", " *");
        assert_eq!(
            check("xtask/x1.js", &format!("/**\n * {wrapped}.\n */\n")),
            [format!("xtask/x1.js:2: {message}")]
        );
        for separator in [
            ". ",
            "? ",
            ".) ",
            "\n///\n/// ",
            "\n/// - ",
            "\n/// # Errors\n/// ",
        ] {
            let wrapped = short.replace("word word word word ", "word word word word\n/// ");
            let text = format!("/// {wrapped}{separator}{wrapped}\n");
            assert_eq!(check("xtask/src/x1.rs", &text), [""; 0], "{text}");
        }
        let code = "/// word\n".repeat(MAX_WORDS + 1);
        assert_eq!(
            check("xtask/src/x1.rs", &format!("/// ```\n{code}/// ```\n")),
            [""; 0]
        );
    }

    #[test]
    fn comment_lines_are_narrow() {
        let limit = MAX_COLUMNS;
        for path in ["xtask/src/x1.rs", "elsewhere/x1.js"] {
            for start in ["// ", "/// ", "    // ", "/* "] {
                let line = |columns: usize| format!("{start}{}\n", "é".repeat(columns - start.len()));
                assert_eq!(check(path, &line(limit)), [""; 0]);
                assert_eq!(
                    check(path, &line(limit + 1)),
                    [format!(
                        "{path}:1: the comment has {} columns: wrap it at {limit}",
                        limit + 1
                    )]
                );
            }
            assert_eq!(
                check(path, &format!("f(\"{}\");\n", "x".repeat(2 * limit))),
                [""; 0]
            );
        }
    }

    #[test]
    fn ignored_tests_have_a_reason() {
        let message = "elsewhere/x1.rs:2: ignored test: write the reason, `#[ignore = \"…\"]`";
        for line in [
            "#[ignore]",
            "    #[ignore] // later",
            "#[cfg_attr(windows, ignore)]",
        ] {
            assert_eq!(check("elsewhere/x1.rs", &format!("#[test]\n{line}\n")), [message]);
        }
        assert_eq!(check("elsewhere/x1.rs", "#[ignore = \"needs npm\"]\n"), [""; 0]);
    }

    #[test]
    fn registries_are_not_named() {
        for host in [
            ["https://index.crates", ".io/"],
            ["https://static.crates", ".io/"],
            ["//registry.npmjs", ".org"],
            ["see pypi", ".org."],
            ["https://files.pythonhosted", ".org/x"],
        ] {
            let found = check("elsewhere/x1.md", &format!("\n{}\n", host.concat()));
            assert!(
                matches!(found.as_slice(), [one] if one.starts_with("elsewhere/x1.md:2: ")),
                "{found:?}"
            );
        }
        let lock = format!(
            "source = \"registry+https://github.com/rust-lang/crates{}-index\"\n",
            ".io"
        );
        assert_eq!(check("Cargo.lock", &lock), [""; 0]);
        let line = "      \"resolved\": \"https://mirror.test/x.tgz\",\n";
        assert_eq!(
            check("elsewhere/package-lock.json", line),
            [
                "elsewhere/package-lock.json:1: the lock names a registry: set `omit-lockfile-registry-resolved=true` in .npmrc"
            ]
        );
        let line = "      \"resolved\": \"vendor/useful-table\",\n";
        assert_eq!(check("elsewhere/package-lock.json", line), [""; 0]);
    }

    #[test]
    fn stray_files_are_found() {
        for path in [
            "m.js",
            "src/x",
            "src/a.test.rs",
            "src/lib.rs.orig",
            "Cargo.toml.rej",
            "x1.tmp",
            "x1~",
        ] {
            assert_eq!(
                check(path, ""),
                [format!(
                    "{path}:1: stray file: delete it, or give it a descriptive name"
                )]
            );
        }
        for path in [".gitignore", "src/kv.rs", "fuzz/seeds/paths/00", ".ci/run"] {
            assert_eq!(check(path, ""), [""; 0], "{path}");
        }
    }
}
