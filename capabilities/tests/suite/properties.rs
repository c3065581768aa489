//! Properties of all rights, chains and questions.

use std::cell::Cell;

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use secure_runtime_capabilities::*;

use crate::{
    base,
    generators::{attestation, auditor, chain, endpoint, operation_on, pattern, question, rights},
};

/// Returns the number of cases for a property: `usual`, or the value of `PROPERTY_CASES`. A thousand cases
/// detect most mutants; ten million take hours.
fn cases(usual: u32) -> u32 {
    std::env::var("PROPERTY_CASES").map_or(usual, |number| number.parse().unwrap())
}

fn authority(blocks: &[Block]) -> Authority {
    let mut authority = Authority::new(blocks.first().unwrap().clone()).unwrap();
    for block in blocks.iter().skip(1) {
        authority = authority.narrow(block).unwrap();
    }
    authority
}

/// TOK-24: for every token of the profile, the compiled decision equals the authorizer's.
#[test]
fn decide_equals_the_oracle_on_100_000_questions() {
    const QUESTIONS: usize = 100;
    let chains = cases(100_000).div_ceil(QUESTIONS as u32);
    let root = KeyPair::generate().unwrap();
    let oracle = Oracle::new().unwrap();
    let (asked, granted) = (Cell::new(0u32), Cell::new(0u32));
    let config = ProptestConfig {
        cases: chains,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(
            &(chain(), vec(attestation(), 0..3), vec(question(), QUESTIONS)),
            |(blocks, attestations, questions)| {
                let mut token: Option<Token> = None;
                for (number, block) in blocks.iter().enumerate() {
                    let longer = match &token {
                        None => Token::mint(&root, block),
                        Some(token) => token.attenuate(block),
                    };
                    let mut longer = longer.unwrap();
                    for (_, by, modules) in attestations.iter().filter(|(after, ..)| *after == number) {
                        let by = auditor(*by);
                        let request = longer.attestation_request().unwrap();
                        let signed = request.sign(&by, modules.iter().copied()).unwrap();
                        longer = longer.with_attestation(&signed, &by.public()).unwrap();
                    }
                    token = Some(longer);
                }
                let token = Token::verify(token.unwrap().as_bytes(), &root.public()).unwrap();
                let authority = token.authority();
                if authority.blocks().len() == blocks.len() {
                    prop_assert_eq!(authority, &self::authority(&blocks));
                }
                for question in &questions {
                    let (operation, now, holders) = question.about(authority.effective_rights());
                    let context = Context {
                        holders,
                        ..Context::at(now)
                    };
                    let decision = authority.decide(&operation, &context);
                    prop_assert_eq!(
                        oracle.ask(&token, &operation, &context),
                        Ok(decision.is_allowed()),
                        "{:?} {:?}",
                        &operation,
                        context
                    );
                    asked.set(asked.get() + 1);
                    granted.set(granted.get() + u32::from(decision.is_allowed()));
                }
                Ok(())
            },
        )
        .unwrap();
    let share = f64::from(granted.get()) / f64::from(asked.get());
    assert!(asked.get() >= chains * QUESTIONS as u32);
    assert!(
        (0.2..0.8).contains(&share) || chains < 1_000,
        "the generator is not biased well: {share} of the questions are allowed"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(2_000), failure_persistence: None, ..ProptestConfig::default() })]

    /// TOK-22: one more block never allows more, and the effective rights equal the intersection of the
    /// blocks.
    #[test]
    fn narrowing_is_monotone(blocks in chain(), questions in vec(question(), 20)) {
        let narrow = authority(&blocks);
        let wide = authority(&blocks[..blocks.len().saturating_sub(1).max(1)]);
        prop_assert!(wide.effective_rights().covers(narrow.effective_rights()));
        for question in &questions {
            let (operation, now, holders) = question.about(wide.effective_rights());
            let context = Context { holders, ..Context::at(now) };
            if narrow.decide(&operation, &context).is_allowed() {
                prop_assert!(wide.decide(&operation, &context).is_allowed());
            }
            let by_rights = narrow
                .blocks()
                .iter()
                .filter_map(|block| block.rights.as_ref())
                .all(|rights| rights.allows(operation.family(), operation.action(), operation.resource()));
            prop_assert_eq!(
                narrow.effective_rights().allows(operation.family(), operation.action(), operation.resource()),
                by_rights
            );
        }
    }

    #[test]
    fn rights_are_a_lattice(a in rights(), b in rights(), c in rights()) {
        let meet = |left: &Rights, right: &Rights| left.meet(right).unwrap();
        prop_assert_eq!(meet(&a, &b), meet(&b, &a));
        prop_assert_eq!(meet(&meet(&a, &b), &c), meet(&a, &meet(&b, &c)));
        prop_assert_eq!(meet(&a, &a), a.clone());
        prop_assert_eq!(meet(&a, &Rights::none()), Rights::none());
        prop_assert!(a.covers(&meet(&a, &b)));
        prop_assert_eq!(a.covers(&b), meet(&a, &b) == b);
        prop_assert_eq!(Rights::new(a.iter().cloned()).unwrap(), a);
    }

    #[test]
    fn a_meet_allows_what_both_allow(a in rights(), b in rights(), questions in vec(question(), 10)) {
        let both = a.meet(&b).unwrap();
        for question in &questions {
            for target in [&a, &b, &both] {
                let (operation, ..) = question.about(target);
                let allows = |rights: &Rights| {
                    rights.allows(operation.family(), operation.action(), operation.resource())
                };
                prop_assert_eq!(allows(&both), allows(&a) && allows(&b));
            }
        }
    }

    #[test]
    fn covering_and_meeting_agree_with_matching(
        (is_net, a, b) in prop_oneof![
            (Just(false), pattern(), pattern()),
            (Just(true), endpoint(), endpoint()),
        ],
        question in question(),
    ) {
        let right = |pattern: &Pattern| {
            let (family, action) = if is_net {
                (FamilyName::NET, ActionName::CONNECT)
            } else {
                (FamilyName::FS, ActionName::READ)
            };
            Rights::new([Right { family, action, pattern: pattern.clone() }]).unwrap()
        };
        let (operation, ..) = question.about(&right(&b));
        let resource = operation.resource();
        if a.covers(&b) {
            prop_assert!(!b.matches(resource) || a.matches(resource));
        }
        match a.meet(&b) {
            Some(both) => {
                prop_assert_eq!(both.matches(resource), a.matches(resource) && b.matches(resource));
                prop_assert!(a.covers(&both) && b.covers(&both));
            }
            None => prop_assert!(!(a.matches(resource) && b.matches(resource))),
        }
    }

    /// The explanation of a denial blames the same block as the decision. It suggests a grant exactly if
    /// rights are missing.
    #[test]
    fn explanations_agree_with_decisions(blocks in chain(), question in question()) {
        let authority = authority(&blocks);
        let (operation, now, holders) = question.about(authority.effective_rights());
        let context = Context { holders, ..Context::at(now) };
        let explanation = explain(&authority, &operation, &context, &Families::builtin(), &base());
        prop_assert_eq!(explanation.decision, authority.decide(&operation, &context));
        let first = explanation.blocks.iter().position(|block| block.refusal.is_some());
        let named = match explanation.decision {
            Decision::Allowed => None,
            Decision::Denied(denial) => Some(denial.block),
        };
        prop_assert_eq!(first, named);
        let covered = authority.covers(operation.family(), operation.action(), &Pattern::exact(operation.resource()));
        // Some of these resources cannot be written as a scope.
        prop_assert!(!covered || explanation.missing.is_none());
        let shown = explanation.to_string();
        prop_assert!(!shown.chars().any(|character| character.is_control() && character != '\n'), "{}", shown);
    }

    #[test]
    fn file_scopes_round_trip(folder in "[a-z. /]{1,12}", below in any::<bool>()) {
        let scope = if below { format!("{folder}/**") } else { folder };
        let patterns = Fs.parse_scope(ActionName::READ, &scope, &base()).unwrap();
        let texts = Fs.describe(ActionName::READ, &patterns, &base());
        prop_assert_eq!(texts.len(), 1);
        prop_assert_eq!(Fs.parse_scope(ActionName::READ, &texts[0], &base()).unwrap(), patterns);
    }

    #[test]
    fn net_scopes_round_trip(pattern in endpoint()) {
        let texts = Net.describe(ActionName::CONNECT, std::slice::from_ref(&pattern), &base());
        prop_assert_eq!(texts.len(), 1);
        prop_assert_eq!(Net.parse_scope(ActionName::CONNECT, &texts[0], &base()).unwrap(), vec![pattern]);
    }

    #[test]
    fn parsed_paths_are_normalised(text in "[a./*é\\\\ ~]{0,20}") {
        if let Ok(path) = FsPath::parse(&text, &base()) {
            prop_assert!(path.as_str().starts_with('/'));
            prop_assert!(path.as_str() == "/" || !path.as_str().ends_with('/'));
            prop_assert!(!path.as_str().split('/').any(|part| part == "." || part == ".."));
            prop_assert!(!path.as_str().contains("//"));
            prop_assert_eq!(FsPath::parse(path.as_str(), &base()), Ok(path));
        }
    }

    #[test]
    fn canonical_origins_parse_to_themselves(text in "(https|http|tcp|ws)://[a-zA-Z0-9.%*@:/é\\[\\]-]{1,16}(:[0-9]{1,5})?") {
        if let Ok(origin) = Origin::parse(&text) {
            prop_assert_eq!(Origin::parse(origin.as_str()), Ok(origin.clone()));
            let scopes = Net.describe(ActionName::CONNECT, &[Pattern::exact(origin.as_str())], &base());
            prop_assert_eq!(Origin::parse(&scopes[0]), Ok(origin));
        }
    }

    #[test]
    fn no_text_causes_a_panic(text in "\\PC*|(?s).{0,40}") {
        let families = Families::builtin();
        for name in ["fs.read", "net.connect", "env.read", "clock", "random"] {
            let _ = families.parse_grant(&format!("{name}={text}"), &base());
        }
        let _ = families.parse_grant(&text, &base());
        let _ = families.parse_operation(&text, &base());
        let _ = text.parse::<Holder>();
        let _ = text.parse::<KeyPair>();
        let _ = text.parse::<PublicKey>();
        let _ = Base::new(&text);
        let operation = operation_on(FamilyName::FS, ActionName::READ, &text);
        prop_assert_eq!(operation.resource(), text);
    }
}

/// Generates lines of grants that often mean the same, or overlap.
fn grant_line() -> impl Strategy<Value = String> {
    let part = || prop::sample::select(vec!["a", "b", ".", "..", "", "A"]);
    let path = (
        prop::sample::select(vec!["", "./", "../", "/", "/srv/"]),
        vec(part(), 0..5),
        any::<bool>(),
    );
    let path = path.prop_map(|(start, parts, whole)| {
        let path = format!("{start}{}", parts.join("/"));
        let path = if path.is_empty() { ".".to_owned() } else { path };
        format!("{path}{}", if whole { "/**" } else { "" })
    });
    let host = prop::sample::select(vec![
        "api.example.com",
        "API.example.COM",
        "*.example.com",
        "10.0.0.1",
        "10.0.0.0/8",
    ]);
    let port = prop::sample::select(vec![":443", ":80", ":80-443", ""]);
    prop_oneof![
        4 => (prop::sample::select(vec!["read", "write"]), path).prop_map(|(action, path)| format!("fs.{action}={path}")),
        2 => (prop::sample::select(vec!["https", "HTTP"]), host, port)
            .prop_map(|(scheme, host, port)| format!("net.connect={scheme}://{host}{port}")),
        1 => prop::sample::select(vec![
            "clock=1ms", "clock.read=1s", "random=true", "random.read=seeded", "env.read=A*", "env.read=AB", "env.read=*",
            "kv.read=u/*", "kv.write=u/1", "module.import=app:/a/**", "module.import=app:/a/b.wasm",
        ])
        .prop_map(str::to_owned),
    ]
}

/// GRAPH-87: canonical lines keep the meaning of the grants, wherever the project is, and are canonical
/// themselves.
#[test]
fn canonical_lines_keep_the_meaning_of_grants() {
    let families = Families::builtin();
    let bases = ["/", "/srv", "/srv/app", "/a/b/c/d"].map(|base| Base::new(base).unwrap());
    let config = ProptestConfig {
        cases: cases(5_000),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(
            &(vec(grant_line(), 0..6), any::<prop::sample::Index>()),
            |(grants, turn)| {
                let lines = families.canonical_grants(&grants).unwrap();
                prop_assert!(lines.is_sorted_by(|one, other| one < other));
                prop_assert_eq!(&families.canonical_grants(&lines).unwrap(), &lines);
                for base in &bases {
                    let (written, canonical) = (
                        families.parse_grants(&grants, base).unwrap(),
                        families.parse_grants(&lines, base).unwrap(),
                    );
                    prop_assert_eq!(written, canonical, "{:?} in {:?}", &grants, base);
                }
                let mut other = grants.clone();
                if !other.is_empty() {
                    other.rotate_left(turn.index(grants.len()));
                }
                prop_assert_eq!(families.canonical_grants(&other).unwrap(), lines);
                Ok(())
            },
        )
        .unwrap();
}
