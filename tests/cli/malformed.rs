//! Malformed input of every kind is refused with one line and a hint, exit code 2 or 4, and never a panic.

use std::fs;

use super::{greeting, has_run, secure_runtime};
use crate::support::Scene;

/// Checks that the command refuses its input with a proper message.
#[track_caller]
fn refused(scene: &Scene, arguments: &[&str], codes: &[i32], input: &str) {
    let done = secure_runtime(scene, arguments);
    let code = done.code.unwrap_or(-1);
    assert!(codes.contains(&code), "{input:?} {arguments:?} {done:#?}");
    assert_eq!(done.out, "", "{input:?}");
    let said = done.failure_with_hint(code);
    assert!(
        said.lines()
            .next()
            .is_some_and(|line| line.starts_with("error: ") && line.len() < 700),
        "{input:?} {said}"
    );
}

const START: &str = "[package]\nname = \"x\"\nentry = \"main.js\"\n";

/// CLI-7.
#[test]
fn manifests() {
    let after: Vec<String> = [
        "[grants]\nfs.read = 1",
        "[grants]\nfs.read = [1]",
        "[grants]\nfs.read = [\"\"]",
        "[grants]\nfs.read = [\"a\\u0000b\"]",
        "[grants]\nfs.read = [\"./**/x\"]",
        "[grants]\nfs.read = [\"./*\"]",
        "[grants]\nfs.read = [\"./a\"]\nfs.read = [\"./b\"]",
        "[grants]\nfs.raed = [\"./a\"]",
        "[grants]\nfss.read = [\"./a\"]",
        "[grants]\nfs = [\"./a\"]",
        "[grants]\nfs.read.more = [\"./a\"]",
        "[grants]\nnet.connect = [\"example.com\"]",
        "[grants]\nnet.connect = [\"ftp://example.com\"]",
        "[grants]\nnet.connect = [\"https://example.com/path\"]",
        "[grants]\nnet.connect = [\"https://user@example.com\"]",
        "[grants]\nnet.connect = [\"https://*\"]",
        "[grants]\nenv.read = [\"A=B\"]",
        "[grants]\nclock = \"fast\"",
        "[grants]\nrandom = \"maybe\"",
        "[grants]\n[grants]\n",
        "grants = 1",
        "[imports]\nx = 1",
        "[imports]\nx = \"https://example.com/x.js\"",
        "[imports]\nx = \"npm:\"",
        "[imports]\nx = \"npm:x@^1\"",
        "[imports]\nx = \"./../../x\"",
        "[imports]\n\"./x\" = \"./y\"",
        "[imports]\n\"\" = \"./y\"",
        "[imports]\n\"a\\u001b[2J\" = \"./y\"",
        "[packages.nobody]\ngrants = { fs.read = [\"./a\"] }",
        "[packages.nobody]\nrights = {}",
        "[packages]\nnobody = 1",
        "[modules.\"main.js\"]\ngrants = {}",
        "[modules.\"./other.js\"]\ngrants = {}",
        "[modules.\"./main.js\"]\ngrants = { random = true }",
        "[limits]\nheap = \"1KiB\"",
        "[limits]\nheap = 128",
        "[limits]\nheap = \"-1MiB\"",
        "[limits]\nwall = \"soon\"",
        "[limits]\nwall = \"0s\"",
        "[limits]\ncpu = \"99999999999999999999999s\"",
        "[limits]\nmemory = \"1GiB\"",
        "[unknown]\n",
        "key = \"\\q\"",
        "key = ",
        "= 1",
        "[",
        "\u{0}",
        "\u{1b}[2J",
        "a = \"\u{202e}\"",
    ]
    .iter()
    .map(|rest| format!("{START}{rest}\n"))
    .collect();
    let whole = [
        "",
        "\u{feff}",
        "[package]\n",
        "[package]\nname = \"x\"\n",
        "[package]\nentry = \"main.js\"\n",
        "[package]\nname = \"\"\nentry = \"main.js\"\n",
        "[package]\nname = \"\\u001b[31m\"\nentry = \"main.js\"\n",
        "[package]\nname = \"x\"\nentry = \"\"\n",
        "[package]\nname = \"x\"\nentry = \"/etc/passwd\"\n",
        "[package]\nname = \"x\"\nentry = \"../main.js\"\n",
        "[package]\nname = \"x\"\nentry = \"missing.js\"\n",
        "[package]\nname = \"x\"\nentry = \"folder\"\n",
        "[package]\nname = \"x\"\nentry = 1\n",
        "[package]\nname = \"x\"\nentry = \"main.js\"\nversion = \"1\"\n",
        "package = 1",
        "{\"package\": {}}",
    ];
    let nested = format!("{START}x = {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("{START}# {}\n", "x".repeat(2 << 20));
    let texts = after
        .iter()
        .map(String::as_str)
        .chain(whole)
        .chain([nested.as_str(), long.as_str()]);
    let mut count = 0;
    for text in texts {
        let scene = Scene::new()
            .file("secure.toml", text)
            .file("main.js", "")
            .folder("folder");
        refused(
            &scene,
            &["run"],
            &[2],
            text.get(..200.min(text.len())).unwrap_or(text),
        );
        count += 1;
    }
    assert!(count >= 60, "{count}");
    let scene = Scene::new().file("secure.toml", b"\xff\xfe").file("main.js", "");
    refused(&scene, &["run"], &[2], "not UTF-8");
    refused(&Scene::new().folder("secure.toml"), &["run"], &[2], "a folder");
    refused(&Scene::new(), &["run"], &[2], "none");
}

/// CLI-7.
#[test]
fn locks() {
    let scene = greeting();
    secure_runtime(&scene, &["lock"]).success();
    let lock = scene.base().join("secure.lock");
    let good = fs::read(&lock).unwrap();
    let half = good.len() / 2;
    let locks: Vec<Vec<u8>> = vec![
        vec![],
        vec![0],
        vec![0xff; 40],
        b"not a lock\n".to_vec(),
        b"{}".to_vec(),
        good[..half].to_vec(),
        good[1..].to_vec(),
        [&good[..], b"\n"].concat(),
        [&good[..], &good[..]].concat(),
        [b"\xef\xbb\xbf", &good[..]].concat(),
        // Lists and maps that claim an impossible length, and nesting that would overflow the stack.
        vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x81; 1 << 20],
        vec![0xc0; 1 << 20],
        good.iter().rev().copied().collect(),
    ];
    for bytes in locks {
        fs::write(&lock, &bytes).unwrap();
        for command in ["run", "verify"] {
            refused(
                &scene,
                &[command],
                &[4],
                &format!("{:02x?}", &bytes[..bytes.len().min(16)]),
            );
        }
        assert!(!has_run(&scene));
    }
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    refused(&scene, &["run"], &[2, 4], "a folder");
    assert!(!has_run(&scene));
}

/// Returns texts that are not keys, for files and for arguments.
fn wrong_keys(prefix: &str) -> Vec<String> {
    let digits = "ab".repeat(32);
    [
        String::new(),
        " ".to_owned(),
        "key".to_owned(),
        digits.clone(),
        prefix.to_owned(),
        format!("{prefix}{}", "ab".repeat(31)),
        format!("{prefix}{digits}0"),
        format!("{prefix}{}", digits.to_uppercase()),
        format!("{prefix} {digits}"),
        format!("{prefix}{digits}\n"),
        format!("{prefix}{}", "0".repeat(64)),
        format!("{prefix}{}", "xy".repeat(32)),
        format!("secp256r1/{digits}"),
        format!("ED25519/{digits}"),
        "\u{1b}[2J\u{202e}".to_owned(),
    ]
    .into()
}

/// CLI-7.
#[test]
fn keys() {
    for text in wrong_keys("ed25519-private/")
        .iter()
        .chain([&format!("ed25519/{}", "ab".repeat(32))])
    {
        // One final line break, which editors add, is not part of a key. A second one is.
        let scene = Scene::new().file("k", format!("{text}\n"));
        refused(&scene, &["key", "public", "k"], &[2], text);
        refused(
            &scene,
            &["token", "mint", "--key", "k", "--grant", "random=true"],
            &[2],
            text,
        );
    }
    let scene = Scene::new().file("t", "AAAA").file("k", b"\xff");
    for text in wrong_keys("ed25519/").iter().chain([
        &format!("ed25519-private/{}", "ab".repeat(32)),
        &format!("ed25519/01{}", "0".repeat(62)),
    ]) {
        refused(
            &scene,
            &["token", "verify", "t", &format!("--root-key={text}")],
            &[2],
            text,
        );
    }
    refused(&scene, &["key", "public", "k"], &[2], "not text");
    refused(&scene, &["key", "public", "/dev/zero"], &[2], "endless");
    refused(&scene, &["key", "public", "."], &[2], "a folder");
}

/// CLI-7.
#[test]
fn tokens() {
    let scene = Scene::new();
    let root = secure_runtime(&scene, &["key", "generate", "--out", "k"]).success();
    let good = secure_runtime(&scene, &["token", "mint", "--key", "k", "--grant", "fs.read=./a"]).success();
    let good = good.trim();
    let flip = |place: usize| {
        let mut text = good.as_bytes().to_vec();
        text[place] = if text[place] == b'A' { b'B' } else { b'A' };
        String::from_utf8(text).unwrap()
    };
    let mut texts: Vec<String> = [
        "",
        " ",
        "token",
        "AAAA",
        "====",
        "{}",
        "\u{1b}[2J\u{202e}",
        "é",
        "-----BEGIN TOKEN-----",
    ]
    .map(str::to_owned)
    .into();
    texts.extend([
        format!("{good}\n"),
        format!(" {good}"),
        format!("{good}{good}"),
        format!("biscuit:{good}"),
        good.trim_end_matches('=')
            .trim_end_matches(|last: char| last.is_ascii_alphanumeric())
            .to_owned()
            + "*",
        good.get(..good.len() / 2).unwrap().to_owned(),
        "A".repeat(64 * 1024),
    ]);
    texts.extend((0..good.trim_end_matches('=').len()).step_by(61).map(flip));
    assert!(texts.len() >= 20, "{}", texts.len());
    for text in texts {
        let scene = Scene::new()
            .file("t", format!("{text}\n"))
            .file("main.js", "console.log('ran')");
        let root = root.trim();
        refused(&scene, &["token", "verify", "t", "--root-key", root], &[4], &text);
        refused(
            &scene,
            &["run", "main.js", "--token", "t", "--root-key", root],
            &[4],
            &text,
        );
    }
    refused(
        &Scene::new().file("t", b"\xff"),
        &["token", "verify", "t", "--root-key", root.trim()],
        &[2, 4],
        "not text",
    );
}

/// CLI-7.
#[test]
fn addresses() {
    let digits = "ab".repeat(32);
    let scene = Scene::new();
    for hash in [
        String::new(),
        digits.clone(),
        "blake3:".to_owned(),
        format!("blake3:{}", digits.get(..62).unwrap()),
        format!("blake3:{digits}00"),
        format!("blake3:{}", digits.to_uppercase()),
        format!("BLAKE3:{digits}"),
        format!("sha256:{digits}"),
        format!("blake3:../../{}", digits.get(..58).unwrap()),
        format!("blake3:{digits}\n"),
        "\u{1b}[2J".to_owned(),
    ] {
        refused(&scene, &["store", "get", &hash], &[2], &hash);
    }
    let scene = greeting();
    secure_runtime(&scene, &["lock"]).success();
    for store in [
        "",
        "nowhere",
        "http://",
        "ftp://example.com",
        "file:///etc",
        "http://user:secret@127.0.0.1/",
        "http://127.0.0.1/?a",
        "http://127.0.0.1/#a",
        "http://[::1",
        "http://\u{1b}[2J",
        "https://127.0.0.1:99999",
        "://",
    ] {
        refused(&scene, &["run", "--store", store], &[2], store);
    }
    for address in [
        "",
        "nowhere",
        "127.0.0.1",
        "127.0.0.1:99999",
        ":0:0",
        "\u{1b}[2J:1",
    ] {
        refused(
            &scene,
            &["store", "serve", &format!("--listen={address}")],
            &[2],
            address,
        );
    }
    assert!(!has_run(&scene));
}

/// CLI-7.
#[test]
fn grants_and_operations() {
    let scene = Scene::new().file("main.js", "console.log('ran')");
    for grant in [
        "",
        "fs",
        "fs.read",
        "fs.read=",
        "fs.fly=./a",
        "nope=1",
        "=",
        "net.connect=https://",
        "clock=1",
        "\u{1b}[2J=x",
    ] {
        refused(
            &scene,
            &["run", "main.js", &format!("--grant={grant}")],
            &[2],
            grant,
        );
    }
    let scene = greeting();
    for operation in [
        "",
        "fs",
        "fs read",
        "fs fly a",
        "nope read a",
        "\u{1b}[2J",
        "net connect nowhere",
        "env read A=B",
    ] {
        refused(
            &scene,
            &["explain", "--module", "main.js", operation],
            &[2],
            operation,
        );
    }
    for denial in [
        "",
        "{}",
        "{\"module\":1}",
        "{\"module\":\"app:/main.js\",\"family\":\"x\",\"action\":\"y\",\"resource\":\"z\"}",
        "error: x was denied to module y",
        "a is not allowed in b: c",
        "\u{1b}[2J",
    ] {
        refused(&scene, &["explain", denial], &[2], denial);
    }
}
