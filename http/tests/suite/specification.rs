//! The completeness of the specification.

use std::path::Path;

use secure_runtime_http::ServerLimits;

/// Every line about the server in spec/serving.md has a test that names it.
#[test]
fn every_line_of_the_specification_has_a_test() {
    fn read(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = String::new();
    read(&root.join("src"), &mut tests);
    read(&root.join("tests"), &mut tests);
    let specification = std::fs::read_to_string(root.join("../spec/serving.md")).unwrap();
    let numbers = specification.lines().filter_map(|line| {
        let number = line.strip_prefix("- **SERVE-")?.split("**").next()?;
        number.parse().ok().filter(|number: &u32| *number >= 20)
    });
    let numbers: Vec<u32> = numbers.collect();
    assert!(numbers.len() >= 15, "{numbers:?}");
    for number in numbers {
        let name = format!("SERVE-{number}");
        assert!(tests.contains(&name), "no test names {name}");
    }
}

/// SERVE-25, SERVE-26, SERVE-27, SERVE-28, SERVE-31, SERVE-33, SERVE-34: the figures of the specification.
#[test]
fn the_default_limits_are_those_of_the_specification() {
    let limits = ServerLimits::default();
    assert_eq!(
        (limits.connections, limits.connections_per_address, limits.streams),
        (4096, 1024, 128)
    );
    assert_eq!(
        (limits.head_bytes, limits.headers, limits.body),
        (65_536, 100, 64 << 20)
    );
    assert_eq!(
        (limits.head.as_secs(), limits.patience.as_secs(), limits.slowest),
        (30, 30, 1024)
    );
    assert_eq!(limits.ending.as_secs(), 10);
}
