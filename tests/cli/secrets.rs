//! Secrets in places where other values belong: `spec/cli.md`.

use std::collections::BTreeSet;
use std::fs;

use secure_runtime_capabilities::{Base, Block, Families, KeyPair, Token};

use super::{Done, greeting, secure_runtime};
use crate::support::Scene;

/// An argument with a secret, and the parts of it that no output may contain.
struct Secret {
    argument: String,
    parts: Vec<String>,
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn secrets() -> Vec<Secret> {
    let key = KeyPair::generate().unwrap();
    let rights = Families::builtin().parse_grants(["fs.read=/**"], &Base::new("/").unwrap());
    let token = Token::mint(&key, &Block::of(rights.unwrap()))
        .unwrap()
        .to_text()
        .to_string();
    let key = key.to_secret_text().to_string();
    let of = |argument: String, secret: &str| {
        // The prefix of a private key is excluded, because help and errors mention it.
        let start = if secret.len() > 60 { 2 } else { 0 };
        let pieces = secret.as_bytes().chunks(12).skip(start).step_by(3);
        let parts = pieces
            .map(|piece| String::from_utf8(piece.to_vec()).unwrap())
            .filter(|piece| piece.len() == 12);
        Secret {
            argument,
            parts: parts.collect(),
        }
    };
    let word = "correct-horse-battery-staple";
    vec![
        of(key.clone(), &key),
        of(token.clone(), &token),
        of(format!("http://user:{word}@127.0.0.1:9/store"), word),
        of(
            format!("http://127.0.0.1:9/{}?x={}", encoded(&key), encoded(&token)),
            &encoded(&token),
        ),
        of(format!("http://127.0.0.1:9/{token}={key}"), &key),
    ]
}

/// A command with its required and its optional arguments.
struct Shape {
    words: Vec<String>,
    required: Vec<String>,
    options: BTreeSet<String>,
}

/// Returns a valid value for a word of the usage such as `<FILE>`, for arguments that are not under test.
fn filler(word: &str) -> &'static str {
    match word.trim_matches(|character: char| !character.is_ascii_uppercase() && character != '_') {
        "HASH" => "blake3:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
        "PUBLIC_KEY" | "HOLDER" => "ed25519/d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "FILE" | "KEY" => "root.key",
        "GRANT" => "fs.read=/**",
        _ => "a",
    }
}

/// Collects the shapes of all commands from their help.
fn shapes(scene: &Scene, words: &[String], found: &mut Vec<Shape>) {
    let arguments: Vec<&str> = words.iter().map(String::as_str).chain(["--help"]).collect();
    let help = secure_runtime(scene, &arguments).success();
    let (mut section, mut commands, mut options) = ("", Vec::new(), BTreeSet::new());
    for line in help.lines() {
        if !line.starts_with(' ') && line.ends_with(':') {
            section = line;
        }
        let text = line.trim_start();
        match section {
            "Commands:" if line.starts_with("  ") && !line.starts_with("   ") => {
                commands.push(text.split(' ').next().unwrap().to_owned());
            }
            "Options:" if text.starts_with('-') => {
                let long = text.split([' ', ',', '=']).find(|word| word.starts_with("--"));
                options.extend(long.filter(|_| text.contains('<')).map(str::to_owned));
            }
            _ => {}
        }
    }
    for command in commands.iter().filter(|command| *command != "help") {
        let words = [words, std::slice::from_ref(command)].concat();
        shapes(scene, &words, found);
    }
    if commands.is_empty() {
        let usage = help
            .lines()
            .find_map(|line| line.strip_prefix("Usage: secure-runtime "))
            .unwrap();
        let required = usage
            .split(' ')
            .skip(words.len())
            .filter(|word| !word.starts_with('['));
        // From alternatives like `<--module <HASH>|--graph <FILE>>`, the first one is used.
        let required = required.filter_map(|word| match word.split_once('|') {
            Some((first, _)) => Some(first.to_owned()),
            None if word.ends_with(">>") => None,
            None if word.starts_with("<--") => Some(word.trim_start_matches('<').to_owned()),
            None => Some(word.to_owned()),
        });
        found.push(Shape {
            words: words.to_vec(),
            required: required.collect(),
            options,
        });
    }
}

impl Shape {
    /// Returns command lines with a secret in each place that accepts a value.
    fn with(&self, secret: &str) -> Vec<Vec<String>> {
        let filled = |place: Option<usize>| -> Vec<String> {
            let words = self
                .required
                .iter()
                .enumerate()
                .map(|(index, word)| match word.strip_prefix("--") {
                    Some(_) => word.clone(),
                    None if Some(index) == place => secret.to_owned(),
                    None => filler(word).to_owned(),
                });
            self.words.iter().cloned().chain(words).collect()
        };
        let mut lines = Vec::new();
        for (index, word) in self.required.iter().enumerate() {
            if !word.starts_with("--") {
                lines.push(filled(Some(index)));
            }
        }
        for option in self
            .options
            .iter()
            .filter(|option| !self.required.contains(option))
        {
            lines.push([filled(None), vec![option.clone(), secret.to_owned()]].concat());
            lines.push([filled(None), vec![format!("{option}={secret}")]].concat());
        }
        // An additional argument, and an unknown option.
        lines.push([filled(None), vec![secret.to_owned()]].concat());
        lines.push([filled(None), vec![format!("--{secret}")]].concat());
        lines.push([filled(None), vec![format!("--no-such-option={secret}")]].concat());
        lines
    }
}

#[track_caller]
fn assert_hidden(done: &Done, secret: &Secret, line: &[String]) {
    for part in &secret.parts {
        let shows = |text: &str| text.to_lowercase().contains(&part.to_lowercase());
        assert!(
            !shows(&done.out) && !shows(&done.err),
            "{line:?} shows {part:?}: {done:#?}"
        );
    }
}

/// CLI-42. For any secret in any place of any command, no output repeats it.
#[test]
fn no_command_repeats_a_secret() {
    let scene = greeting();
    let key = KeyPair::generate().unwrap();
    fs::write(scene.base().join("root.key"), key.to_secret_text().as_bytes()).unwrap();
    let mut all = Vec::new();
    shapes(&scene, &[], &mut all);
    assert!(all.len() > 20, "{}", all.len());
    let secrets = secrets();
    let mut count = 0;
    for shape in &all {
        let lines: Vec<Vec<Vec<String>>> = secrets
            .iter()
            .map(|secret| shape.with(&secret.argument))
            .collect();
        for (place, _) in lines[0].iter().enumerate() {
            // Each place gets a private key, and one of the other secrets in turn.
            for number in [0, 1 + count % (secrets.len() - 1)] {
                let (secret, line) = (&secrets[number], &lines[number][place]);
                let has = |beginning: &str| line.iter().any(|word| word.starts_with(beginning));
                // `serve` does not end, and connecting to a port without a server takes a second each time.
                let is_slow =
                    has("serve") && !has("--listen") || number > 2 && (has("--store") || has("--to"));
                if is_slow {
                    continue;
                }
                let arguments: Vec<&str> = line.iter().map(String::as_str).collect();
                let done = secure_runtime(&scene, &arguments);
                assert_ne!(done.code, Some(70), "{line:?}: {done:#?}");
                assert_hidden(&done, secret, line);
                count += 1;
            }
        }
    }
    assert!(count > 300, "{count}");
    for secret in &secrets {
        let line = [secret.argument.clone()];
        assert_hidden(&secure_runtime(&scene, &[&secret.argument]), secret, &line);
    }
}

/// CLI-42. In place of a secret file's path, nothing that may be a secret is repeated, such as digits without a prefix.
#[test]
fn values_in_place_of_a_secret_file_are_not_repeated() {
    let scene = greeting();
    let digits = "0123456789abcdef".repeat(4);
    let parts = vec!["456789abcdef0123".to_owned()];
    let secret = Secret {
        argument: digits.clone(),
        parts,
    };
    let hash = format!("blake3:{}", "0a".repeat(32));
    let root = "ed25519/d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let address = "http://127.0.0.1:9";
    for line in [
        vec!["key", "public", &digits],
        vec!["token", "mint", "--key", &digits, "--grant", "fs.read=/**"],
        vec!["token", "inspect", &digits, "--root-key", root],
        vec!["sign", "--key", &digits],
        vec!["run", "--token", &digits, "--root-key", root],
        vec![
            "store",
            "get",
            &hash,
            "--store",
            address,
            "--store-token",
            &digits,
        ],
        vec![
            "store",
            "get",
            &hash,
            "--store",
            address,
            "--store-token",
            &format!("{address}={digits}"),
        ],
        vec![
            "store",
            "get",
            &hash,
            "--store",
            address,
            "--store-token",
            &format!("http://other={digits}"),
        ],
    ] {
        let done = secure_runtime(&scene, &line);
        let line: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        assert_hidden(&done, &secret, &line);
        done.failure(2);
    }
    // The name of a missing file is shown.
    let said = secure_runtime(&scene, &["key", "public", "absent.key"]).failure_with_hint(2);
    assert!(said.contains("absent.key: there is no such file"), "{said}");
}

/// CLI-42. Errors about a file do not repeat a secret in it.
#[test]
fn secrets_in_files_are_not_repeated() {
    let scene = greeting();
    for secret in secrets() {
        for text in [
            format!(
                "[package]\nname = \"a\"\nentry = \"main.js\"\n\n[trust]\nkeys = [\"{}\"]\n",
                secret.argument
            ),
            format!("[package]\nname = \"a\"\nentry = \"{}\"\n", secret.argument),
            format!("[grants]\nfs.read = [\"{0}\"]\n{0} = 1\n", secret.argument),
        ] {
            fs::write(scene.base().join("secure.toml"), text).unwrap();
            let done = secure_runtime(&scene, &["lock"]);
            assert_hidden(&done, &secret, &[]);
            done.failure(2);
        }
    }
}

/// CLI-42. A token or a private key that was copied with ends of lines in it is not repeated in parts.
#[test]
fn a_secret_with_ends_of_lines_is_not_repeated() {
    let scene = greeting();
    for secret in secrets().into_iter().take(2) {
        for (width, end) in [(76, "\n"), (64, "\r\n"), (30, "\n"), (76, " ")] {
            let lines = secret.argument.as_bytes().chunks(width);
            let lines: Vec<&str> = lines.map(|line| std::str::from_utf8(line).unwrap()).collect();
            let given = lines.join(end);
            for line in [
                vec!["store", "gc", "--older-than", &given],
                vec!["run", "--sandbox", &given],
                vec!["verify", "--threshold", &given],
                vec!["run", &given],
                vec!["run", "--audit", "a", "--audit-max-size", &given],
            ] {
                let done = secure_runtime(&scene, &line);
                let line: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
                assert_hidden(&done, &secret, &line);
                done.failure(2);
            }
        }
    }
}

/// CLI-42. Digits that are no number, size, duration or word of a list may be a private key without its prefix.
#[test]
fn digits_where_a_number_belongs_are_not_repeated() {
    let scene = greeting();
    let digits = "0123456789abcdef".repeat(4);
    for line in [
        vec!["store", "gc", "--older-than", &digits],
        vec!["run", "--sandbox", &digits],
        vec!["verify", "--threshold", &digits],
        vec![
            "run",
            "--audit",
            "a",
            "--audit-max-size",
            "1MiB",
            "--audit-keep",
            &digits,
        ],
        vec!["run", "--audit", "a", "--audit-max-size", &digits],
    ] {
        let said = secure_runtime(&scene, &line).failure(2);
        assert!(
            !said.contains("456789abcdef0123") && said.contains("(not shown: it may be a secret)"),
            "{said}"
        );
    }
    let said = secure_runtime(&scene, &["store", "gc", "--older-than", "12x"]).failure(2);
    assert!(said.contains("12x"), "{said}");
}

/// CLI-42. Secret parameters of an address that is given as a folder: neither a failure nor a result repeats them.
#[test]
fn parameters_of_an_address_are_not_repeated() {
    let scene = greeting();
    for (parameter, secret) in [
        ("?token=correct-horse", "correct-horse"),
        ("#token=abc", "abc"),
        ("?a=1&X-Amz-Signature=correcthorse", "correcthorse"),
        ("?client_secret=correcthorse&b=2", "correcthorse"),
    ] {
        for address in [format!("https://host/x{parameter}"), format!("host/x{parameter}")] {
            for command in ["init", "lock", "verify", "run"] {
                let done = secure_runtime(&scene, &[command, &address]);
                let shown = format!("{}{}", done.out, done.err).replace("blake3:", "#");
                let hashless = shown.lines().filter(|line| !line.contains("graph hash"));
                let shows = hashless
                    .collect::<Vec<_>>()
                    .join("\n")
                    .to_lowercase()
                    .contains(secret);
                assert!(!shows, "{command} {address}: {done:#?}");
                if command == "init" || command == "lock" {
                    done.success();
                }
            }
            let done = secure_runtime(&scene, &["lock", "--json", &address]);
            assert!(!done.success().contains(&format!("={secret}")));
        }
    }
}
