//! Limits, each tested at the last allowed and the first refused value, and the texts of values. Mutation
//! testing showed that no other test covers these.

use std::time::Duration;

use secure_runtime_capabilities::*;

use crate::{base, operation, rights};

/// TOK-27
#[test]
fn paths_may_be_as_long_as_the_limit() {
    let root = Base::new("/").unwrap();
    let slashes = "/".repeat(MAX_PATH);
    assert_eq!(FsPath::parse(&slashes, &root).unwrap().to_string(), "/");
    assert_eq!(
        FsPath::parse(&format!("{slashes}/"), &root),
        Err(PathError::TooLong { length: MAX_PATH + 1 })
    );
    // The absolute path is one byte longer than the text.
    let nearly = ["a"; MAX_PATH / 2].join("/");
    let path = FsPath::parse(&nearly, &root).unwrap();
    assert_eq!(path.as_str().len(), MAX_PATH);
    assert_eq!(
        FsPath::parse(&format!("{nearly}b"), &root),
        Err(PathError::TooLong { length: MAX_PATH + 1 })
    );
    assert_eq!(path.to_string(), path.as_str());
}

/// TOK-35
#[test]
fn keys_may_be_as_long_as_the_limit() {
    let longest = "é".repeat(MAX_KEY / 2);
    assert_eq!(Key::parse(&longest).unwrap().as_str(), longest);
    for text in ["", "a\0", &format!("{longest}a")] {
        assert_eq!(Key::parse(text), Err(Problem::Key));
    }
}

/// TOK-36
#[test]
fn module_names_are_validated() {
    let hash = [10; 32];
    let longest = "n".repeat(MAX_PATH);
    for name in ["a", "app:/main.js", "..a/b..", &longest] {
        let module = ModuleId::new(name, &hash).unwrap();
        assert_eq!(module.to_string(), format!("{name}#blake3:{}", "0a".repeat(32)));
        assert_eq!(ModuleId::parse(module.as_str()), Ok(module));
    }
    for name in [
        "",
        "a#",
        "a*",
        "a b",
        "a\u{a0}b",
        "a\u{1}b",
        "a//b",
        "a/",
        "/a",
        "a/./b",
        "a/../b",
        "..",
        &format!("{longest}n"),
    ] {
        assert_eq!(ModuleId::new(name, &hash), Err(Problem::ModuleName), "{name:?}");
    }
}

/// TOK-30
#[test]
fn resolutions_are_what_their_texts_say() {
    let texts = ["1us", "10us", "100us", "1ms", "10ms", "100ms", "1s"];
    let (coarsest, rest) = Resolution::ALL.split_last().unwrap();
    assert_eq!((coarsest.as_str(), coarsest.step()), ("never", Duration::MAX));
    assert_eq!(rest.len(), texts.len());
    let mut step = Duration::from_micros(1);
    for (resolution, text) in rest.iter().copied().zip(texts) {
        assert_eq!((resolution.to_string().as_str(), resolution.step()), (text, step));
        step *= 10;
    }
}

/// A token made by another tool may hold patterns that no scope means. They are shown in a form that is not
/// mistaken for a scope.
#[test]
fn patterns_of_other_tools_are_not_shown_as_scopes() {
    let odd = [Pattern::affix("a", "z"), Pattern::affix("", "z")];
    for family in Families::builtin().iter() {
        let action = family.actions()[0].name;
        let shown = family.describe(action, &odd, &base());
        assert_eq!(shown, ["a…z", "…z"], "{}", family.name());
    }
    assert_eq!(
        Random.describe(
            ActionName::READ,
            &[Pattern::exact("urandom"), Pattern::exact("os")],
            &base()
        ),
        ["urandom", "true"]
    );
}

/// Extensions convert a value once and decide on it. The result is the same operation as that of the value's
/// text.
#[test]
fn operations_on_values_are_those_on_their_texts() {
    let path = FsPath::parse("data/a", &base()).unwrap();
    let origin = Origin::parse("https://a.com").unwrap();
    let name = VariableName::parse("HOME").unwrap();
    let key = Key::parse("user/1").unwrap();
    let module = ModuleId::new("a.js", &[1; 32]).unwrap();
    let blob = BlobId::new(&[1; 32]);
    for (of_value, text) in [
        (Operation::fs_read(&path), "fs read data/a".to_owned()),
        (Operation::fs_write(&path), "fs write data/a".to_owned()),
        (
            Operation::net_connect(&origin),
            "net connect https://a.com".to_owned(),
        ),
        (Operation::env_read(name), "env read HOME".to_owned()),
        (Operation::kv_read(&key), "kv read user/1".to_owned()),
        (Operation::kv_write(&key), "kv write user/1".to_owned()),
        (
            Operation::module_import(&module),
            format!("module import a.js#blake3:{}", "01".repeat(32)),
        ),
        (
            Operation::store_read(&blob),
            format!("store read blake3:{}", "01".repeat(32)),
        ),
        (Operation::store_add(&blob), format!("store add {blob}")),
        (
            Operation::clock_read(Resolution::Second),
            "clock read 1s".to_owned(),
        ),
        (
            Operation::random_read(RandomSource::OperatingSystem),
            "random read os".to_owned(),
        ),
    ] {
        assert_eq!(of_value.clone().into_owned(), operation(&text), "{text}");
        assert_eq!(of_value, operation(&text), "{text}");
    }
}

/// A text that is not an origin matches no wildcard, even if it ends with the wildcard's suffix.
#[test]
fn hosts_have_no_colon_outside_brackets() {
    let rights = rights(&[
        "net.connect=https://*.example.com",
        "net.connect=https://[fd00::]/8",
    ]);
    let allows = |resource: &str| rights.allows(FamilyName::NET, ActionName::CONNECT, resource);
    assert!(allows("https://a.example.com:443") && allows("https://[fd00::1]:443"));
    for resource in [
        "https://a:1.example.com:443",
        "https://fd00::1:443",
        "https://[fd00::1:443",
        "https://a.example.com",
    ] {
        assert!(!allows(resource), "{resource}");
    }
}

#[test]
fn origins_have_the_parts_of_their_text() {
    for (text, scheme, port, is_default) in [
        ("https://a.com:8443", "https", 8443, false),
        ("http://a.com:80", "http", 80, true),
        ("tcp://a.com:80", "tcp", 80, false),
    ] {
        let origin = Origin::parse(text).unwrap();
        assert_eq!((origin.scheme(), origin.port()), (scheme, port), "{text}");
        assert_eq!(origin.host().to_string(), "a.com");
        assert_eq!(
            (origin.has_default_port(), &*origin.to_string()),
            (is_default, text)
        );
    }
}
