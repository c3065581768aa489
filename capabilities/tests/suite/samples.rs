//! Biscuit's official conformance samples, from the source package of the library: 38 tokens, and the
//! authorizer's expected result for each.
//!
//! They guard two things. First, none of the samples is in the profile, so each must be refused with the
//! recorded error. Second, the library is the oracle of all other tests, so it must return every recorded
//! result. This detects an upgrade that changes a meaning.

use std::{env, fmt::Write, fs, path::PathBuf, sync::Arc};

use biscuit_auth::{
    AuthorizerBuilder, AuthorizerLimits, Biscuit,
    builder::Term,
    datalog::ExternFunc,
    error::{self, FailedCheck, Format, Logic, MatchedPolicy, Signature},
};
use secure_runtime_capabilities::*;
use serde_json::{Value, json};

/// The error of `Token::verify` for each sample, in `Debug` form, one a line.
const VERDICTS: &str = include_str!("samples.txt");

/// The number of samples with each error, of 38.
const COUNTS: [(&str, usize); 4] = [
    ("Profile", 31),
    ("Signature", 5),
    ("Algorithm", 2),
    ("ThirdParty", 0),
];

struct Samples {
    folder: PathBuf,
    index: Value,
}

impl Samples {
    /// The samples next to the library's source, in the folder into which cargo unpacked it. Neither a build
    /// script nor `cargo metadata` is used: the latter would first download the packages of the whole
    /// workspace.
    ///
    /// Panics if there are none, because a missing folder must not look like success.
    fn find() -> Samples {
        let folder = match env::var_os("BISCUIT_SAMPLES") {
            Some(folder) => PathBuf::from(folder),
            None => library_source().join("samples"),
        };
        let index = fs::read(folder.join("samples.json")).unwrap_or_else(|error| {
            panic!(
                "no Biscuit samples in {}: {error}. Set BISCUIT_SAMPLES to the samples folder of the biscuit-auth package",
                folder.display()
            )
        });
        Samples {
            folder,
            index: serde_json::from_slice(&index).unwrap(),
        }
    }

    fn root(&self) -> &str {
        text(&self.index["root_public_key"])
    }

    /// Returns each sample's file name, bytes, and validations.
    fn tokens(&self) -> impl Iterator<Item = (&str, Vec<u8>, &serde_json::Map<String, Value>)> {
        self.index["testcases"].as_array().unwrap().iter().map(|case| {
            let name = text(&case["filename"]);
            let bytes = fs::read(self.folder.join(name)).unwrap();
            (name, bytes, case["validations"].as_object().unwrap())
        })
    }
}

/// Returns the folder into which cargo unpacked the version of the library in Cargo.lock.
fn library_source() -> PathBuf {
    let home =
        env::var_os("CARGO_HOME").map_or_else(|| env::home_dir().unwrap().join(".cargo"), PathBuf::from);
    let lock = include_str!("../../../Cargo.lock");
    let version = lock
        .split("[[package]]")
        .find_map(|package| {
            package
                .trim_start()
                .strip_prefix("name = \"biscuit-auth\"\nversion = \"")
        })
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    let registries = home.join("registry").join("src");
    fs::read_dir(&registries)
        .unwrap_or_else(|error| panic!("{}: {error}", registries.display()))
        .map(|registry| registry.unwrap().path().join(format!("biscuit-auth-{version}")))
        .find(|folder| folder.is_dir())
        .unwrap_or_else(|| {
            panic!(
                "biscuit-auth {version} is not below {}; set BISCUIT_SAMPLES to the samples folder of that package",
                registries.display()
            )
        })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// TOK-16: every sample is refused, with an error that names the reason and the block.
#[test]
fn every_sample_is_refused_as_recorded() {
    let samples = Samples::find();
    let root: PublicKey = format!("ed25519/{}", samples.root()).parse().unwrap();
    let mut verdicts = String::new();
    let mut names = Vec::new();
    for (name, bytes, validations) in samples.tokens() {
        let error = match Token::verify(&bytes, &root) {
            Err(error) => error,
            Ok(token) => {
                panic!("{name} is in the profile: hold its decisions to the recorded results. {token:?}")
            }
        };
        // The crate reports a bad signature exactly if the library does.
        let is_forged = validations
            .values()
            .all(|validation| validation["result"]["Err"].get("Format").is_some());
        assert_eq!(error == TokenError::Signature, is_forged, "{name}: {error}");
        names.push(error.name());
        writeln!(verdicts, "{name:44}{error:?}").unwrap();
    }
    assert_eq!(
        verdicts, VERDICTS,
        "samples.txt should be:
{verdicts}"
    );
    let counts = COUNTS.map(|(name, _)| (name, names.iter().filter(|other| **other == name).count()));
    assert_eq!((counts, names.len()), (COUNTS, 38));
}

/// Third-party blocks whose signature does not cover the block before (GHSA-rgqv-mwc3-c78m).
#[test]
fn a_third_party_block_of_the_old_format_is_refused() {
    let samples = Samples::find();
    let file = samples.folder.join("../tests/fixtures/unsafe_third_party.bc");
    let root: PublicKey = format!("ed25519/{}", samples.root()).parse().unwrap();
    let error = Token::verify(&fs::read(file).unwrap(), &root).unwrap_err();
    assert_eq!(error, TokenError::LegacyThirdParty { block: 1 });
}

/// The oracle of all other tests returns all 50 recorded results: answers, errors, worlds, and revocation
/// identifiers.
#[test]
fn the_library_gives_every_recorded_result() {
    let samples = Samples::find();
    let root =
        biscuit_auth::PublicKey::from_bytes_hex(samples.root(), biscuit_auth::Algorithm::Ed25519).unwrap();
    let mut allowed = 0;
    let mut total = 0;
    for (name, bytes, validations) in samples.tokens() {
        for (title, expected) in validations {
            let given = validate(&bytes, root, text(&expected["authorizer_code"]));
            for part in ["result", "revocation_ids", "world"] {
                let expected = match part {
                    "world" => flat(&expected["world"]),
                    _ => expected[part].clone(),
                };
                assert_eq!(given[part], expected, "{name} {title:?}: {part}");
            }
            allowed += usize::from(expected["result"].get("Ok").is_some());
            total += 1;
        }
    }
    assert_eq!((allowed, total), (22, 50));
}

/// Returns the library's result for a token, in the form of samples.json.
fn validate(bytes: &[u8], root: biscuit_auth::PublicKey, code: &str) -> Value {
    let failed = |error: &error::Token| json!({ "Err": recorded_error(error) });
    let token = match Biscuit::from(bytes, root) {
        Ok(token) => token,
        Err(error) => return json!({ "result": failed(&error), "revocation_ids": [], "world": null }),
    };
    let ids: Vec<String> = token.revocation_identifiers().iter().map(hex::encode).collect();
    let authorizer = AuthorizerBuilder::new()
        .register_extern_func("test".to_owned(), ExternFunc::new(Arc::new(compare)))
        .code(code)
        .unwrap()
        .build(&token);
    let mut authorizer = match authorizer {
        Ok(authorizer) => authorizer,
        Err(error) => return json!({ "result": failed(&error), "revocation_ids": ids, "world": null }),
    };
    let result = match authorizer.authorize_with_limits(AuthorizerLimits {
        max_time: std::time::Duration::from_secs(600),
        ..AuthorizerLimits::default()
    }) {
        Ok(policy) => json!({ "Ok": policy }),
        Err(error) => failed(&error),
    };
    let (facts, rules, checks, policies) = authorizer.dump();
    json!({
        "result": result,
        "revocation_ids": ids,
        "world": {
            "facts": sorted(facts.iter().map(ToString::to_string)),
            "rules": sorted(rules.iter().map(ToString::to_string)),
            "checks": sorted(checks.iter().map(ToString::to_string)),
            "policies": policies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
    })
}

/// The external function that one sample calls, defined like in the library's own test.
fn compare(left: Term, right: Option<Term>) -> Result<Term, String> {
    match (left, right) {
        (left, None) => Ok(left),
        (Term::Str(left), Some(Term::Str(right))) if left == right => {
            Ok(Term::Str("equal strings".to_owned()))
        }
        (Term::Str(_), Some(Term::Str(_))) => Ok(Term::Str("different strings".to_owned())),
        _ => Err("unsupported operands".to_owned()),
    }
}

/// Returns a recorded world with the parts of all blocks merged, because the library shows only those.
fn flat(world: &Value) -> Value {
    if world.is_null() {
        return Value::Null;
    }
    let all = |part: &str| {
        let groups = world[part].as_array().unwrap().iter();
        sorted(
            groups
                .flat_map(|group| group[part].as_array().unwrap())
                .map(|item| text(item).to_owned()),
        )
    };
    json!({
        "facts": all("facts"),
        "rules": all("rules"),
        "checks": all("checks"),
        "policies": world["policies"],
    })
}

fn sorted(items: impl Iterator<Item = String>) -> Vec<String> {
    let mut items: Vec<String> = items.collect();
    items.sort();
    items
}

/// Returns an error in the form of samples.json. The library has a feature for this, but enabling it would
/// recompile every package.
fn recorded_error(error: &error::Token) -> Value {
    match error {
        error::Token::Format(Format::Signature(Signature::InvalidSignature(cause))) => {
            json!({ "Format": { "Signature": { "InvalidSignature": cause } } })
        }
        error::Token::Format(Format::BlockSignatureDeserializationError(cause)) => {
            json!({ "Format": { "BlockSignatureDeserializationError": cause } })
        }
        error::Token::FailedLogic(Logic::InvalidBlockRule(block, rule)) => {
            json!({ "FailedLogic": { "InvalidBlockRule": [block, rule] } })
        }
        error::Token::FailedLogic(Logic::Unauthorized {
            policy: MatchedPolicy::Allow(policy),
            checks,
        }) => {
            let checks: Vec<Value> = checks.iter().map(recorded_check).collect();
            json!({ "FailedLogic": { "Unauthorized": { "policy": { "Allow": policy }, "checks": checks } } })
        }
        error::Token::Execution(error) => json!({ "Execution": format!("{error:?}") }),
        error => panic!("no sample has this error: {error:?}"),
    }
}

fn recorded_check(check: &FailedCheck) -> Value {
    match check {
        FailedCheck::Block(check) => json!({
            "Block": { "block_id": check.block_id, "check_id": check.check_id, "rule": check.rule }
        }),
        FailedCheck::Authorizer(check) => {
            json!({ "Authorizer": { "check_id": check.check_id, "rule": check.rule } })
        }
    }
}
