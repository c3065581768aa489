//! Checks that `spec/loader-attacks.md` and `spec/attacks.md` are complete: every attack names tests that exist.

use std::collections::BTreeSet;
use std::path::Path;

/// Collects the names of all test functions in the Rust files below `folder`.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                let signature = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                if let Some((name, _)) = signature.and_then(|rest| rest.split_once('(')) {
                    if is_test {
                        found.insert(name.to_owned());
                    }
                    is_test = false;
                } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                }
            }
        }
    }
}

/// Returns the names of all tests of the project.
fn all_tests(root: &Path) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for folder in [
        "src",
        "cli/src",
        "engine/src",
        "families/src",
        "http/src",
        "http/tests",
        "tests",
        "loaders/src",
        "loaders/tests",
        "capabilities/src",
        "capabilities/tests",
    ] {
        tests_below(&root.join(folder), &mut tests);
    }
    tests
}

/// Returns the numbers in a list of attacks, in order, and the tests that the list names but that do not exist.
fn numbers_and_missing(list: &str, tests: &BTreeSet<String>, cases: &Path) -> (Vec<String>, Vec<String>) {
    let (mut numbers, mut missing) = (Vec::new(), Vec::new());
    for row in list.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, number, attack, result, named, _] = cells.as_slice() else {
            continue;
        };
        if !number
            .trim_start_matches('A')
            .starts_with(|first: char| first.is_ascii_digit())
        {
            continue;
        }
        numbers.push((*number).to_owned());
        assert!(!attack.is_empty() && !result.is_empty(), "{number}");
        for test in named.split(',').map(str::trim) {
            let name = test.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
            let is_there = name.is_some_and(|name| match name.ends_with(".js") {
                true => cases.join(name).is_file(),
                false => tests.contains(name),
            });
            if !is_there {
                missing.push(format!("{number}: {test}"));
            }
        }
    }
    (numbers, missing)
}

/// The list of attacks has every number once, and each attack has tests that exist.
#[test]
fn every_attack_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tests = all_tests(&root);
    let cases = root.join("tests/attacks/cases");
    let list = std::fs::read_to_string(root.join("spec/loader-attacks.md")).unwrap();
    let (numbers, missing) = numbers_and_missing(&list, &tests, &cases);
    assert_eq!(missing, [""; 0]);
    let expected = (46..=63)
        .chain(64..=72)
        .map(|number| number.to_string())
        .chain((67..=78).map(|number| format!("A{number}")));
    assert_eq!(numbers, expected.collect::<Vec<String>>());
    // The control: a missing test, a function that is not a test, a missing case, and an empty row.
    let row = "| 46 | a | R | `every_attack_has_its_test`, `no_such_test`, `tests_below`, `A00-none.js`, `A72-specifiers.js` |\n\
               | A67 | b | R |  |\n";
    let (numbers, missing) = numbers_and_missing(row, &tests, &cases);
    assert_eq!(numbers, ["46", "A67"]);
    assert_eq!(
        missing,
        [
            "46: `no_such_test`",
            "46: `tests_below`",
            "46: `A00-none.js`",
            "A67: "
        ]
    );
}

/// `spec/attacks.md` has each number once and in order. Each number has tests that exist, and its row names all its
/// case files.
#[test]
fn every_attack_of_the_list_has_its_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tests = all_tests(&root);
    let cases = root.join("tests/attacks/cases");
    let list = std::fs::read_to_string(root.join("spec/attacks.md")).unwrap();
    let (numbers, missing) = numbers_and_missing(&list, &tests, &cases);
    assert_eq!(missing, [""; 0]);
    let numbers: Vec<u32> = numbers
        .iter()
        .map(|number| number[1..].parse().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    assert!(numbers.len() >= 88, "{}", numbers.len());
    let files = std::fs::read_dir(&cases).unwrap();
    let names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(not_in_their_row(&list, &names), [""; 0]);
    // The control: a case that no row names, and a case that only another number's row names.
    let row = "| A02 | a | b | `A02-x.js`, `A03-y.js` |\n| A03 | a | b | `A02b-z.js` |\n";
    let names = ["A02-x.js", "A02b-z.js", "A03-y.js", "A04-none.js"].map(str::to_owned);
    assert_eq!(
        not_in_their_row(row, &names),
        ["A02b-z.js", "A03-y.js", "A04-none.js"]
    );
}

/// Returns the case files that the row of their number does not name.
fn not_in_their_row<'a>(list: &str, names: &'a [String]) -> Vec<&'a str> {
    let is_in_its_row = |name: &&'a String| {
        let number: String = name.chars().take_while(|char| *char != '-').collect();
        let number = number.trim_end_matches(|char: char| char.is_ascii_lowercase());
        let mut rows = list
            .lines()
            .filter(|row| row.starts_with(&format!("| {number} |")));
        rows.any(|row| row.contains(&format!("`{name}`")))
    };
    let without = names.iter().filter(|name| !is_in_its_row(name));
    without.map(String::as_str).collect()
}
