//! Tokens at a limit and just beyond it. Random tokens do not reach the limits.
use super::{both, forged};
use crate::evaluator::cases::{self, Link};
use crate::evaluator::profile::Meaning;
use crate::evaluator::rights::{Pattern, Place, Right};

fn right(family: &str, action: &str, pattern: Pattern) -> Right {
    Right {
        family: family.to_owned(),
        action: action.to_owned(),
        pattern,
    }
}

fn affix(prefix: impl Into<String>, suffix: impl Into<String>) -> Right {
    right("fs", "read", Pattern::Affix(prefix.into(), suffix.into()))
}

fn place(scheme: &str, text: &str, first: i64, last: i64) -> Place {
    Place {
        scheme: scheme.to_owned(),
        text: text.to_owned(),
        first,
        last,
    }
}

fn link(meaning: Meaning) -> Link {
    Link {
        meaning,
        third_party: None,
        demands: None,
    }
}

/// Returns a block with these rights, sorted.
fn rights(rights: impl IntoIterator<Item = Right>) -> Link {
    let mut rights: Vec<_> = rights.into_iter().collect();
    rights.sort();
    link(Meaning {
        rights: Some(rights),
        ..Meaning::default()
    })
}

/// Checks that both implementations accept the token of the chain, or that both refuse it.
fn check(name: &str, accepted: bool, chain: &[Link]) {
    let token = forged(chain, &[]).bytes();
    let outcome = both(&token).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(outcome.is_some(), accepted, "{name}");
}

#[test]
fn blocks() {
    for (number, accepted) in [(16, true), (17, false)] {
        let chain = vec![rights([]); number];
        check(&format!("{number} blocks"), accepted, &chain);
    }
}

#[test]
fn bytes() {
    // The token grows by the length of one symbol.
    let size = |length: usize| {
        forged(&[rights([affix("/".repeat(length), "")])], &[])
            .bytes()
            .len()
    };
    let longest = 16_384 - (size(10_000) - 10_000);
    assert_eq!(size(longest), 16_384);
    for (length, accepted) in [(longest, true), (longest + 1, false)] {
        let chain = [rights([affix("/".repeat(length), "")])];
        check(&format!("{} bytes", size(length)), accepted, &chain);
    }
}

#[test]
fn times() {
    for (time, accepted) in [
        (0, true),
        (253_402_300_799, true),
        (253_402_300_800, false),
        (u64::MAX, false),
    ] {
        for (not_before, expires) in [(Some(time), None), (None, Some(time))] {
            let meaning = Meaning {
                rights: Some(Vec::new()),
                not_before,
                expires,
                ..Meaning::default()
            };
            check(&format!("{not_before:?} {expires:?}"), accepted, &[link(meaning)]);
        }
    }
}

#[test]
fn names() {
    for (name, accepted) in [
        ("a", true),
        ("a1_", true),
        ("abcdefghijklmnopqrstuvwx", true),
        ("abcdefghijklmnopqrstuvwxy", false),
        ("", false),
        ("1a", false),
        ("_a", false),
        ("A", false),
        ("a-b", false),
        ("\u{e9}", false),
    ] {
        for (family, action) in [(name, "read"), ("other", name)] {
            let pattern = Pattern::Exact("x".to_owned());
            check(
                &format!("{family:?} {action:?}"),
                accepted,
                &[rights([right(family, action, pattern)])],
            );
        }
    }
}

#[test]
fn endpoints() {
    type Kind = fn(Place) -> Pattern;
    // The limits of DNS: 63 characters a label, 253 in all.
    let label = |length: usize| "a".repeat(length);
    let host = |length: usize| "a.".repeat(length / 2) + &label(length % 2);
    let (longest_label, longest_host) = (label(63), host(253));
    let (too_long_label, too_long_host) = (label(64), host(255));
    let (longest_suffix, too_long_suffix) = (format!(".{}", host(251)), format!(".{}", host(253)));
    let rows: &[(Kind, &str, &str, i64, i64, bool)] = &[
        (Pattern::Host, "tcp", "example.com", 1, 65_535, true),
        (Pattern::Host, "tcp", "example.com", 0, 2, false),
        (Pattern::Host, "tcp", "example.com", 1, 65_536, false),
        (Pattern::Host, "tcp", "example.com", 2, 1, false),
        (Pattern::Host, "tcp", "example.com", 443, 443, false),
        (Pattern::Host, "ftp", "example.com", 1, 2, false),
        (Pattern::Host, "tcp", "", 1, 2, false),
        (Pattern::Host, "tcp", "Example.com", 1, 2, false),
        (Pattern::Host, "tcp", "example.com.", 1, 2, false),
        (Pattern::Host, "tcp", "a_b-c.example", 1, 2, true),
        (Pattern::Host, "tcp", "a+b", 1, 2, false),
        (Pattern::Host, "tcp", "a..b", 1, 2, false),
        (Pattern::Host, "tcp", ".a", 1, 2, false),
        (Pattern::Host, "tcp", "xn--a", 1, 2, false),
        (Pattern::Host, "tcp", "xn--bcher-kva.example", 1, 2, true),
        (Pattern::Host, "tcp", &longest_label, 1, 2, true),
        (Pattern::Host, "tcp", &too_long_label, 1, 2, false),
        (Pattern::Host, "tcp", &longest_host, 1, 2, true),
        (Pattern::Host, "tcp", &too_long_host, 1, 2, false),
        (Pattern::Below, "tcp", &longest_suffix, 1, 2, true),
        (Pattern::Below, "tcp", &too_long_suffix, 1, 2, false),
        (Pattern::Host, "tcp", "10.0.0.1", 1, 2, true),
        (Pattern::Host, "tcp", "10.0.0.01", 1, 2, false),
        (Pattern::Host, "tcp", "10.1", 1, 2, false),
        (Pattern::Host, "tcp", "fd00::1", 1, 2, true),
        (Pattern::Host, "tcp", "[fd00::1]", 1, 2, false),
        (Pattern::Host, "tcp", "fd00:0::1", 1, 2, false),
        (Pattern::Host, "tcp", "::ffff:102:304", 1, 2, true),
        (Pattern::Host, "tcp", "::ffff:1.2.3.4", 1, 2, false),
        (Pattern::Below, "https", ".example.com", 443, 443, true),
        (Pattern::Below, "https", "example.com", 443, 443, false),
        (Pattern::Below, "https", ".", 443, 443, false),
        (Pattern::Below, "https", "", 443, 443, false),
        (Pattern::Below, "https", ".example.1", 443, 443, false),
        (Pattern::Below, "https", ".example.0x1", 443, 443, false),
        (Pattern::Below, "https", ".1.example", 443, 443, true),
        (Pattern::Below, "https", ".10.0.0.1", 443, 443, false),
        (Pattern::Below, "https", ".::1", 443, 443, false),
        (Pattern::Network, "tcp", "4:", 1, 1, true),
        (Pattern::Network, "tcp", "6:", 1, 1, true),
        (Pattern::Network, "tcp", "", 1, 1, false),
        (Pattern::Network, "tcp", "5:", 1, 1, false),
        (Pattern::Network, "tcp", "4:2", 1, 1, false),
        (
            Pattern::Network,
            "tcp",
            "4:0000101000000000000000000000000",
            1,
            2,
            true,
        ),
        (
            Pattern::Network,
            "tcp",
            "4:00001010000000000000000000000001",
            1,
            2,
            false,
        ),
        (
            Pattern::Network,
            "tcp",
            "4:000010100000000000000000000000011",
            1,
            2,
            false,
        ),
    ];
    for (kind, scheme, text, first, last, accepted) in rows {
        let pattern = kind(place(scheme, text, *first, *last));
        let name = format!("{pattern:?}");
        let granted = rights([right("net", "connect", pattern)]);
        check(&name, *accepted, std::slice::from_ref(&granted));
        check(&format!("later, {name}"), *accepted, &[rights([]), granted]);
    }
}

#[test]
fn rights_that_another_covers() {
    let net = |pattern| right("net", "connect", pattern);
    let exact = |resource: &str| net(Pattern::Exact(resource.to_owned()));
    let rows = [
        (affix("/a", ""), affix("/a/", ""), false),
        (affix("/a/", "b"), affix("/a/", ".b"), false),
        (affix("/a/", ".b"), affix("/a/c", "b"), true),
        (
            exact("tcp://10.0.0.1:80"),
            net(Pattern::Network(place("tcp", "4:0000101", 1, 99))),
            false,
        ),
        (
            exact("tcp://10.0.0.1:80"),
            net(Pattern::Network(place("http", "4:0000101", 1, 99))),
            true,
        ),
        (
            exact("tcp://10.0.0.1:80"),
            net(Pattern::Network(place("tcp", "4:0000101", 81, 99))),
            true,
        ),
        (
            exact("tcp://[::ffff:a00:1]:80"),
            net(Pattern::Network(place("tcp", "4:0000101", 1, 99))),
            true,
        ),
        (
            exact("https://a.example.com:443"),
            net(Pattern::Below(place("https", ".example.com", 443, 443))),
            false,
        ),
        (
            exact("https://example.com:443"),
            net(Pattern::Below(place("https", ".example.com", 443, 443))),
            true,
        ),
        (
            net(Pattern::Host(place("tcp", "10.0.0.1", 1, 9))),
            net(Pattern::Network(place("tcp", "4:0", 1, 9))),
            false,
        ),
        // These are not covered, but are not resources of `net` either.
        (
            exact("tcp://10.0.0.1:05432"),
            net(Pattern::Host(place("tcp", "10.0.0.2", 1, 65_535))),
            false,
        ),
        (exact("https://A.b:1"), exact("https://a.b:1"), false),
        (exact("tcp://[0:0::1]:1"), exact("tcp://[::1]:1"), false),
        (exact("tcp://[::1]:1"), exact("tcp://[::2]:1"), true),
        (
            net(Pattern::Host(place("tcp", "10.0.0.1", 1, 9))),
            net(Pattern::Host(place("tcp", "10.0.0.1", 2, 10))),
            true,
        ),
        (
            net(Pattern::Below(place("tcp", ".b", 1, 9))),
            net(Pattern::Below(place("tcp", ".a.b", 1, 9))),
            false,
        ),
    ];
    for (one, other, accepted) in rows {
        check(
            &format!("{one:?} and {other:?}"),
            accepted,
            &[rights([one, other])],
        );
    }
}

/// TOK-15 counts the rights after each block. So if a token is in the profile, it was also in the profile
/// before its last block was added.
#[test]
fn rights_remaining_after_each_block() {
    let prefixes = |number: usize| rights((0..number).map(|index| affix(format!("/{index:03}"), "")));
    let suffixes = |number: usize| rights((0..number).map(|index| affix("", format!("{index:03}"))));
    check("1,024 pairs", true, &[prefixes(32), suffixes(32)]);
    check("1,056 pairs", false, &[prefixes(33), suffixes(32)]);
    let nothing = [prefixes(33), suffixes(32), rights([])];
    check("1,056 pairs, and then nothing", false, &nothing);
}

#[test]
fn third_parties() {
    let attested = |modules: &[String]| Link {
        meaning: Meaning {
            attested: modules.to_vec(),
            ..Meaning::default()
        },
        third_party: Some(3),
        demands: None,
    };
    let [zero, one] = [cases::holder(0), cases::holder(1)];
    let rows = [
        ("two modules", vec![zero.clone(), one.clone()], true),
        ("none", vec![], false),
        ("not sorted", vec![one.clone(), zero.clone()], false),
        ("twice", vec![zero.clone(), zero.clone()], false),
        ("a key", vec![cases::holder(3)], false),
        ("upper case", vec![one.replace('1', "A")], false),
        ("short", vec![one.chars().take(70).collect()], false),
    ];
    for (name, modules, accepted) in rows {
        check(name, accepted, &[rights([]), attested(&modules)]);
        check("as the authority block", false, &[attested(&modules), rights([])]);
    }
}

#[test]
fn holders() {
    for (holder, accepted) in [
        (cases::holder(0), true),
        (cases::holder(3), true),
        (cases::holder(0).replace("blake3", "sha256"), false),
        (cases::holder(3).to_uppercase(), false),
        (String::new(), false),
        (format!("ed25519:{}", "00".repeat(31)), false),
    ] {
        let meaning = Meaning {
            holder: Some(holder.clone()),
            ..Meaning::default()
        };
        check(&holder, accepted, &[rights([]), link(meaning)]);
    }
}
