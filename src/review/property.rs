//! A property test with random pairs of manifests: everything that only the new manifest allows must be reported as
//! growth.
//!
//! The test determines what a manifest allows by trial: it checks operations, amounts and sets of signatures one by
//! one.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::TestRunner;
use secure_runtime_capabilities::{Base, Families, KeyPair, Rights};
use secure_runtime_loaders::{Graph, resolve};

use super::growth;
use crate::Manifest;
use crate::within_lock::lock_input;

const GRANTS: [&str; 11] = [
    "fs.read = [\"./a/**\"]",
    "fs.read = [\"a/x\"]",
    "fs.read = [\"./b\", \"./a/y\"]",
    "fs.write = [\"./**\"]",
    "net.connect = [\"https://*.example.com\"]",
    "net.connect = [\"https://a.example.com\"]",
    "net.listen = [\"tcp://*:80\"]",
    "net.listen = [\"tcp://127.0.0.1:80\"]",
    "net.resolve = [\"*.example.com\"]",
    "clock = \"1ms\"",
    "random = \"seeded\"",
];
const OPERATIONS: [&str; 13] = [
    "fs read a",
    "fs read a/x",
    "fs read a/y",
    "fs read b",
    "fs write a/x",
    "net connect https://a.example.com",
    "net connect https://b.example.com",
    "net listen tcp://127.0.0.1:80",
    "net listen tcp://0.0.0.0:80",
    "net resolve a.example.com",
    "clock 1ms",
    "clock 1s",
    "random seeded",
];
/// Limits, with `true` if packages without an isolate can have them.
const LIMITS: [(&str, bool); 7] = [
    ("heap", false),
    ("cpu", false),
    ("operations", true),
    ("output", true),
    ("pending", true),
    ("idle", false),
    ("wall", false),
];

#[derive(Clone, Debug, PartialEq)]
struct Policy {
    keys: Vec<(u8, Option<u64>, Option<u64>)>,
    threshold: usize,
    claims: Vec<&'static str>,
}

/// A model of a manifest: its lines and the names of its files.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    plugin: &'static str,
    alias: &'static str,
    program: Vec<&'static str>,
    narrowed: Option<Vec<&'static str>>,
    package: Vec<&'static str>,
    isolate: bool,
    limits: BTreeMap<&'static str, u64>,
    package_limits: BTreeMap<&'static str, u64>,
    trust: Option<Policy>,
    package_trust: Option<Policy>,
}

fn policy() -> impl Strategy<Value = Option<Policy>> {
    let time = || select(vec![None, Some(10), Some(20)]);
    let key = move |number: u8| (Just(number), time(), time());
    let keys = subsequence(vec![1, 2, 3], 1..=3)
        .prop_flat_map(move |numbers| numbers.into_iter().map(key).collect::<Vec<_>>());
    let claims = subsequence(vec!["a", "a=1", "b"], 0..=2);
    let policy = (keys, 1..=3_usize, claims).prop_map(|(keys, threshold, claims)| Policy {
        threshold: threshold.min(keys.len()),
        // A key that never counts would make the manifest invalid.
        keys: keys
            .into_iter()
            .map(|(key, from, until)| {
                (
                    key,
                    from,
                    until.filter(|until| from.is_none_or(|from| from < *until)),
                )
            })
            .collect(),
        claims,
    });
    prop_oneof![1 => Just(None), 2 => policy.prop_map(Some)]
}

fn model() -> impl Strategy<Value = Model> {
    let of_program = || subsequence(GRANTS.to_vec(), 0..=5);
    let limits = || btree_map(select(LIMITS.map(|(key, _)| key).to_vec()), 1..=3_u64, 0..4);
    let rest = (limits(), limits(), policy(), policy(), any::<bool>());
    let names = (select(vec!["plugin.js", "other.js"]), select(vec!["p", "q"]));
    (names, of_program(), vec(any::<bool>(), 16), any::<bool>(), rest).prop_map(
        |(
            (plugin, alias),
            program,
            choice,
            is_narrowed,
            (limits, of_package, trust, package_trust, isolate),
        )| {
            let some = |from: usize| -> Vec<&'static str> {
                let chosen = program.iter().zip(choice.iter().skip(from));
                chosen
                    .filter(|(_, is_chosen)| **is_chosen)
                    .map(|(line, _)| *line)
                    .collect()
            };
            let can_have = |key: &str| key != "idle" && (isolate || LIMITS.contains(&(key, true)));
            Model {
                narrowed: is_narrowed.then(|| some(0)),
                package: some(8),
                package_limits: of_package.into_iter().filter(|(key, _)| can_have(key)).collect(),
                plugin,
                alias,
                program,
                isolate,
                limits,
                trust,
                package_trust,
            }
        },
    )
}

/// Generates a model, and one that differs from it in a few places.
fn pair() -> impl Strategy<Value = (Model, Model)> {
    (model(), model(), vec(any::<bool>(), 10)).prop_map(|(old, other, keep)| {
        let mut keep = keep.into_iter();
        let mut new = other;
        let mut kept = || keep.next().unwrap_or_default();
        if kept() {
            new.plugin = old.plugin;
        }
        if kept() {
            new.alias = old.alias;
        }
        if kept() {
            new.program.clone_from(&old.program);
            new.narrowed.clone_from(&old.narrowed);
            new.package.clone_from(&old.package);
        }
        if kept() {
            (new.isolate, new.package_limits) = (old.isolate, old.package_limits.clone());
        }
        if kept() {
            new.limits.clone_from(&old.limits);
        }
        if kept() {
            new.trust.clone_from(&old.trust);
        }
        if kept() {
            new.package_trust.clone_from(&old.package_trust);
        }
        (old, new)
    })
}

/// Combines grants with the same key, because TOML does not allow a key twice.
fn table(lines: &[&str]) -> String {
    let mut scopes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, scope) in lines.iter().filter_map(|line| line.split_once(" = ")) {
        scopes
            .entry(key)
            .or_default()
            .push(scope.trim_matches(['[', ']']));
    }
    let line = |(key, scopes): (&str, Vec<&str>)| match key {
        "clock" | "random" => format!("{key} = {}", scopes.concat()),
        key => format!("{key} = [{}]", scopes.join(", ")),
    };
    scopes.into_iter().map(line).collect::<Vec<_>>().join(", ")
}

fn figure(key: &str, value: u64) -> String {
    match key {
        "heap" | "output" => format!("\"{}MiB\"", 16 * value),
        "cpu" | "wall" | "idle" => format!("\"{}s\"", 16 * value),
        _ => (16 * value).to_string(),
    }
}

fn limits(limits: &BTreeMap<&str, u64>) -> String {
    let lines = limits
        .iter()
        .map(|(key, value)| format!("{key} = {}", figure(key, *value)));
    lines.collect::<Vec<_>>().join(", ")
}

impl Policy {
    fn table(&self) -> String {
        let time = |seconds: u64| format!("\"1970-01-01T00:00:{seconds}Z\"");
        let keys = self.keys.iter().map(|(number, from, until)| {
            let key = KeyPair::from_secret(&[*number; 32]).unwrap().public();
            let from = from
                .map(|from| format!(", from = {}", time(from)))
                .unwrap_or_default();
            let until = until
                .map(|until| format!(", until = {}", time(until)))
                .unwrap_or_default();
            format!("{{ key = \"{key}\"{from}{until} }}")
        });
        let keys: Vec<String> = keys.collect();
        format!(
            "keys = [{}], threshold = {}, claims = {:?}",
            keys.join(", "),
            self.threshold,
            self.claims
        )
    }

    /// Returns true if the policy accepts these signatures at this time. A signature is a list of claims, one for each
    /// key.
    fn is_met(&self, signatures: &[Option<Vec<&str>>; 3], now: u64) -> bool {
        let counts = self.keys.iter().filter(|(number, from, until)| {
            let claims = &signatures[usize::from(*number) - 1];
            let makes = |claim: &&str| {
                let claims = claims.as_deref().unwrap_or_default();
                claims.contains(claim) || *claim == "a" && claims.contains(&"a=1")
            };
            claims.is_some()
                && self.claims.iter().all(makes)
                && from.is_none_or(|from| now >= from)
                && until.is_none_or(|until| now < until)
        });
        counts.count() >= self.threshold
    }
}

/// Returns true if some set of signatures satisfies the new policy and not the old one.
fn demands_less(old: Option<&Policy>, new: Option<&Policy>) -> bool {
    let claims = [
        None,
        Some(vec![]),
        Some(vec!["a"]),
        Some(vec!["a=1"]),
        Some(vec!["b"]),
        Some(vec!["a=1", "b"]),
    ];
    let met = |policy: Option<&Policy>, signatures: &[_; 3], now| {
        policy.is_none_or(|policy| policy.is_met(signatures, now))
    };
    (0..216).any(|number: usize| {
        let of = |key: u32| claims[number / 6_usize.pow(key) % 6].clone();
        let signatures = [of(0), of(1), of(2)];
        [5, 15, 25]
            .into_iter()
            .any(|now| met(new, &signatures, now) && !met(old, &signatures, now))
    })
}

impl Model {
    fn text(&self) -> String {
        let Model { alias, .. } = self;
        let mut text = format!(
            "grants = {{ {} }}\nlimits = {{ {} }}\n",
            table(&self.program),
            limits(&self.limits)
        );
        if let Some(policy) = &self.trust {
            text.push_str(&format!("trust = {{ {} }}\n", policy.table()));
        }
        text.push_str(&format!(
            "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\n{alias} = \"./vendor/\"\n[packages.{alias}]\n\
             grants = {{ {} }}\nisolate = {}\nlimits = {{ {} }}\n",
            table(&self.package),
            self.isolate,
            limits(&self.package_limits)
        ));
        if let Some(policy) = &self.package_trust {
            text.push_str(&format!("trust = {{ {} }}\n", policy.table()));
        }
        if let Some(narrowed) = &self.narrowed {
            text.push_str(&format!(
                "[modules.\"./{}\"]\ngrants = {{ {} }}\n",
                self.plugin,
                table(narrowed)
            ));
        }
        text
    }

    /// Returns the rights of the program, the plugin and the package.
    fn rights(&self) -> [Rights; 3] {
        let narrowed = self.narrowed.as_ref().unwrap_or(&self.program);
        [&self.program, narrowed, &self.package].map(|lines| {
            let mut rights = Rights::none();
            for (key, scopes) in lines.iter().filter_map(|line| line.split_once(" = ")) {
                let scopes = scopes
                    .trim_matches(['[', ']'])
                    .split(", ")
                    .map(|scope| scope.trim_matches('"'));
                let grants = scopes.map(|scope| format!("{key}={scope}"));
                let more = Families::builtin().parse_grants(grants, &base()).unwrap();
                rights = Rights::new(rights.iter().chain(more.iter()).cloned()).unwrap();
            }
            rights
        })
    }

    /// Returns true if the program, or its package (`of_package`), may use this amount.
    fn may_use(&self, key: &str, amount: u64, of_package: bool) -> bool {
        let within = |limits: &BTreeMap<&str, u64>, otherwise: u64| {
            amount <= limits.get(key).copied().unwrap_or(otherwise)
        };
        let default = if key == "heap" { 16 } else { u64::MAX };
        let program = match key {
            "idle" => amount <= self.limits.get(key).map_or(30, |limit| 16 * limit),
            key => within(&self.limits, if key == "heap" { default } else { u64::MAX }),
        };
        match self.package_limits.get(key) {
            Some(own) if of_package && key == "heap" => amount <= *own,
            Some(own) if of_package => program && amount <= *own,
            _ => program,
        }
    }

    /// Returns true if the new model allows anything that this model does not allow.
    fn is_exceeded_by(&self, new: &Model) -> bool {
        let families = Families::builtin();
        let operations = OPERATIONS.map(|text| families.parse_operation(text, &base()).unwrap());
        let may = |rights: &Rights, operation: &secure_runtime_capabilities::Operation<'_>| {
            rights.allows(operation.family(), operation.action(), operation.resource())
        };
        let more_rights = self.rights().iter().zip(&new.rights()).any(|(old, new)| {
            operations
                .iter()
                .any(|operation| may(new, operation) && !may(old, operation))
        });
        let amounts = [1, 2, 3, 4, 15, 16, 20, 30, 31, 40, 48, 1_000];
        let more_use = LIMITS.iter().any(|(key, _)| {
            amounts.iter().any(|amount| {
                [false, true].iter().any(|of_package| {
                    new.may_use(key, *amount, *of_package) && !self.may_use(key, *amount, *of_package)
                })
            })
        });
        more_rights
            || more_use
            || self.isolate && !new.isolate
            || demands_less(self.trust.as_ref(), new.trust.as_ref())
            || demands_less(self.package_trust.as_ref(), new.package_trust.as_ref())
    }

    fn lock(&self, folder: &Path) -> Graph {
        let folder = folder.join(format!("{}-{}", self.plugin, self.alias));
        let text = self.text();
        let manifest = Manifest::parse(Path::new("secure.toml"), &text, &base(), &Families::builtin());
        let manifest = manifest.unwrap_or_else(|error| panic!("{error}\n{text}"));
        resolve::lock(&lock_input(&folder, &manifest).unwrap())
            .unwrap()
            .graph
    }
}

fn base() -> Base {
    Base::new("/srv/app").unwrap()
}

/// Creates a project with the same files for each combination of names.
fn projects() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for plugin in ["plugin.js", "other.js"] {
        for alias in ["p", "q"] {
            let root = folder.path().join(format!("{plugin}-{alias}"));
            std::fs::create_dir_all(root.join("vendor")).unwrap();
            let main = format!("import './{plugin}';\nimport '{alias}';\n");
            for (path, text) in [
                ("main.js", main.as_str()),
                (plugin, "export const plugin = 1;\n"),
                ("vendor/package.json", "{\"type\":\"module\"}"),
                ("vendor/index.js", "export const vendor = 1;\n"),
            ] {
                std::fs::write(root.join(path), text).unwrap();
            }
        }
    }
    folder
}

/// CLI-25, CLI-48, CLI-49, A137: growth includes a grant, a higher or removed limit, a removed isolate, and signatures
/// that are sufficient now.
#[test]
fn all_new_rights_are_reported_as_growth() {
    let folder = projects();
    let (mut grown, mut same, mut refused) = (0, 0, 0);
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(600)
    };
    let counts = std::cell::RefCell::new((&mut grown, &mut same, &mut refused));
    TestRunner::new(config)
        .run(&pair(), |(old, new)| {
            let found = growth(
                &old.lock(folder.path()),
                &new.lock(folder.path()),
                &Families::builtin(),
                &base(),
            )
            .unwrap();
            let is_exceeded = old.is_exceeded_by(&new);
            prop_assert!(
                !is_exceeded || !found.is_empty(),
                "{}\n---\n{}",
                old.text(),
                new.text()
            );
            let again = growth(
                &old.lock(folder.path()),
                &old.lock(folder.path()),
                &Families::builtin(),
                &base(),
            )
            .unwrap();
            prop_assert!(again.is_empty(), "{:?}", again);
            // If the names are equal, the converse holds as well: without additional rights, no growth is reported.
            let is_named_alike = old.plugin == new.plugin && old.alias == new.alias;
            let is_trusted_alike = old.trust == new.trust && old.package_trust == new.package_trust;
            if !is_exceeded && is_named_alike && is_trusted_alike {
                prop_assert!(
                    found.is_empty(),
                    "{:?}\n{}\n---\n{}",
                    found,
                    old.text(),
                    new.text()
                );
            }
            let mut counts = counts.borrow_mut();
            *counts.0 += u32::from(is_exceeded);
            *counts.1 += u32::from(!is_exceeded);
            *counts.2 += u32::from(!found.is_empty());
            Ok(())
        })
        .unwrap();
    assert!(
        grown > 100 && same > 20 && refused >= grown,
        "{grown} {same} {refused}"
    );
}
