//! Random chains of blocks, and questions about them. The space of names is small, so that rights and
//! questions often coincide.
use super::forge::{Change, Edit, Fault};
use super::profile::Meaning;
use super::rights::{Pattern, Place, Right};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A block: its meaning, the third party that signs it, and the key whose attestation it demands. Both
/// parties are numbers.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) meaning: Meaning,
    pub(crate) third_party: Option<u8>,
    pub(crate) demands: Option<u8>,
}

/// A question about a chain, in the syntax of the command line.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) operation: &'static str,
    pub(crate) now: u64,
    pub(crate) holders: Vec<u8>,
}

/// Returns the secret key of a third party, or of a holder of the kind `ed25519`.
pub(crate) fn secret(party: u8) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[party + 50; 32])
}

/// Returns the module with this number.
pub(crate) fn module(number: u8) -> [u8; 32] {
    [number; 32]
}

/// Returns a holder: modules 0 to 2, and the keys of parties 3 to 5.
pub(crate) fn holder(number: u8) -> String {
    match number {
        0..3 => format!("blake3:{}", hex::encode(module(number))),
        _ => format!(
            "ed25519:{}",
            hex::encode(secret(number).verifying_key().as_bytes())
        ),
    }
}

const OPERATIONS: &[&str] = &[
    "fs read /",
    "fs read /a",
    "fs read /a/b",
    "fs read /a/b.csv",
    "fs write /a/b",
    "fs read /b/c.csv",
    "net connect tcp://10.0.0.1:5432",
    "net connect tcp://10.1.2.3:5000",
    "net connect tcp://db.example.com:5432",
    "net connect https://a.example.com:443",
    "net connect https://b.a.example.com:8443",
    "net connect https://example.com:443",
    "net connect http://[fd00::1]:80",
    "net connect https://10.0.0.1:443",
    "env read APP_KEY",
    "env read PATH",
    "kv write user/1",
    "store read blake3:0000000000000000000000000000000000000000000000000000000000000001",
    "store add blake3:0000000000000000000000000000000000000000000000000000000000000000",
    "module import a/b.js#blake3:0000000000000000000000000000000000000000000000000000000000000000",
];

pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    (select(OPERATIONS), 0..6_u64, vec(0..6_u8, 0..5)).prop_map(|(operation, now, holders)| Asked {
        operation,
        now,
        holders,
    })
}

/// Generates blocks. Each, except the authority block, may be signed by a third party. Half of the chains
/// start with most rights, so that later blocks have an effect.
pub(crate) fn chain(odd: bool) -> impl Strategy<Value = Vec<Link>> {
    let first = (link(odd, 4..20, false), any::<bool>()).prop_map(|(mut first, generous)| {
        if generous && first.third_party.is_none() {
            first.meaning.rights = Some(most_rights());
        }
        first
    });
    (first.boxed(), vec(link(odd, 0..28, true), 0..4))
        .prop_map(|(first, rest)| std::iter::once(first).chain(rest).collect())
}

fn most_rights() -> Vec<Right> {
    let everything = || Pattern::Affix(String::new(), String::new());
    let hosts = |scheme: &str, text: &str| Place {
        scheme: scheme.to_owned(),
        text: text.to_owned(),
        first: 1,
        last: 65_535,
    };
    let rights = [
        ("env", "read", everything()),
        ("fs", "read", everything()),
        ("fs", "write", everything()),
        ("kv", "write", everything()),
        ("module", "import", everything()),
        ("net", "connect", Pattern::Below(hosts("https", ".com"))),
        ("net", "connect", Pattern::Below(hosts("tcp", ".com"))),
        ("net", "connect", Pattern::Network(hosts("http", "6:"))),
        ("net", "connect", Pattern::Network(hosts("https", "4:"))),
        ("net", "connect", Pattern::Network(hosts("tcp", "4:"))),
        ("net", "listen", everything()),
        ("net", "resolve", everything()),
        ("store", "add", everything()),
        ("store", "read", everything()),
    ];
    rights
        .map(|(family, action, pattern)| Right {
            family: family.to_owned(),
            action: action.to_owned(),
            pattern,
        })
        .to_vec()
}

fn link(odd: bool, rights_number: std::ops::Range<usize>, later: bool) -> impl Strategy<Value = Link> {
    let narrows = if later { 0.3 } else { 0.99 };
    let parties = (
        weighted(if later { 0.3 } else { 0.02 }, 3..5_u8)
            .prop_map(move |party| party.filter(|_| later || odd)),
        weighted(0.08, 3..5_u8),
    );
    (
        weighted(narrows, rights(odd, rights_number)),
        (weighted(0.1, 0..4_u64), weighted(0.1, 2..8_u64)),
        weighted(0.07, 0..6_u8),
        parties,
        vec(0..3_u8, 1..4),
    )
        .prop_map(
            move |(rights, (not_before, expires), bound, (third_party, demands), modules)| {
                if third_party.is_some() {
                    let mut attested: Vec<_> = modules.into_iter().map(holder).collect();
                    attested.sort();
                    attested.dedup();
                    return Link {
                        meaning: Meaning {
                            attested,
                            ..Meaning::default()
                        },
                        third_party,
                        demands: None,
                    };
                }
                Link {
                    meaning: Meaning {
                        rights,
                        not_before,
                        expires,
                        holder: bound.map(holder),
                        demands: None,
                        attested: Vec::new(),
                    },
                    third_party: None,
                    demands,
                }
            },
        )
}

/// Generates sets of rights. Most are sorted and without covered rights; some are not.
fn rights(odd: bool, number: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Right>> {
    let just_so = if odd { 0.05 } else { 0.0 };
    (vec(right(odd), number), prop::bool::weighted(just_so)).prop_map(|(mut rights, just_so)| {
        if !just_so {
            rights.sort();
            rights.dedup();
            let all = rights.clone();
            rights.retain(|right| !all.iter().any(|other| other != right && other.covers(right)));
        }
        rights
    })
}

fn right(odd: bool) -> impl Strategy<Value = Right> {
    let usual = prop_oneof![
        5 => (select(&["fs"][..]), select(&["read", "read", "write"][..]), path_pattern()),
        5 => (Just("net"), Just("connect"), place_pattern(false)),
        5 => (
            select(
                &[
                    ("env", "read"),
                    ("kv", "write"),
                    ("module", "import"),
                    ("net", "listen"),
                    ("net", "resolve"),
                    ("store", "add"),
                    ("store", "read"),
                ][..],
            ),
            select(&["", "", "", "APP_", "PATH", "user/", "a/", "blake3:"][..]),
            select(&["", "", "", "", "Y", "1", "0"][..]),
        )
            .prop_map(|((family, action), prefix, suffix)| {
                (family, action, Pattern::Affix(prefix.into(), suffix.into()))
            }),
    ];
    let unusual = (
        select(
            &[
                "fs",
                "net",
                "kv",
                "x_1",
                "FS",
                "",
                "1a",
                "a-b",
                "abcdefghijklmnopqrstuvwx",
                "abcdefghijklmnopqrstuvwxy",
            ][..],
        ),
        select(&["read", "connect", "a", "Read", "é"][..]),
        prop_oneof![path_pattern(), place_pattern(true)],
    );
    prop_oneof![
        120 => usual,
        u32::from(odd) => unusual,
        u32::from(odd) => (Just("net"), Just("connect"), place_pattern(true)),
    ]
    .prop_map(|(family, action, pattern)| Right {
        family: family.to_owned(),
        action: action.to_owned(),
        pattern,
    })
}

fn path_pattern() -> impl Strategy<Value = Pattern> {
    let exact = select(&["/", "/a", "/a/b", "/a/b.csv", "/b/c.csv"][..]);
    let prefix = select(&["", "/", "/", "/", "/a", "/a/", "/b/"][..]);
    let suffix = select(&["", "", "", "", "b", ".csv", "v"][..]);
    prop_oneof![
        1 => exact.prop_map(|path| Pattern::Exact(path.into())),
        4 => (prefix, suffix).prop_map(|(prefix, suffix)| Pattern::Affix(prefix.into(), suffix.into())),
    ]
}

fn place_pattern(odd: bool) -> impl Strategy<Value = Pattern> {
    let texts = |usual: &'static [&'static str], unusual: &'static [&'static str]| {
        prop_oneof![
            4 => select(usual),
            4 * u32::from(odd) => select(unusual),
        ]
    };
    let scheme = texts(&["tcp", "tcp", "https", "https", "http"], &["ftp", "", "HTTP"]);
    let ports = prop_oneof![
        8 => select(&[(1, 65_535), (1, 65_535), (1, 65_535), (443, 443), (80, 443), (5_000, 5_999), (5_432, 5_432), (443, 8_443)][..]),
        3 * u32::from(odd) => select(&[(0, 9), (9, 2), (1, 65_536), (-1, 3), (0, 0)][..]),
    ];
    let exact = texts(
        &[
            "tcp://10.0.0.1:5432",
            "tcp://db.example.com:5432",
            "https://a.example.com:443",
            "http://[fd00::1]:80",
        ],
        &[
            "",
            "/a",
            "tcp://10.0.0.1",
            "tcp://A:1",
            "https://a.example.com",
            "http://fd00::1:80",
        ],
    );
    let host = texts(
        &[
            "10.0.0.1",
            "db.example.com",
            "a.example.com",
            "example.com",
            "fd00::1",
        ],
        &[
            "",
            "A.com",
            "a.",
            "1",
            "10.0.0.01",
            "[fd00::1]",
            "fd00:0::1",
            "::ffff:1.2.3.4",
            "a b",
            "xn--a",
            "a..b",
            ".a",
            "-",
            "1e1",
        ],
    );
    let suffix = texts(
        &[".example.com", ".example.com", ".a.example.com", ".com"],
        &["", ".", "example.com", ".0.1", ".1", ".a.", "..a", ".COM", ".0x1"],
    );
    let bits = texts(
        &[
            "4:",
            "4:00001010",
            "4:0000101000000000",
            "6:",
            "6:1111",
            "6:1111110100000000",
        ],
        &[
            "",
            "4",
            "4:2",
            "5:0",
            "4:00001010000000000000000000000001",
            "4:000010100000000000000000000000011",
            "6",
        ],
    );
    let place = |text: BoxedStrategy<&'static str>| {
        (scheme.clone(), text, ports.clone()).prop_map(|(scheme, text, (first, last))| Place {
            scheme: scheme.into(),
            text: text.into(),
            first,
            last,
        })
    };
    // Rights to one host and one port have the exact kind, except in some odd cases.
    let shortest = move |place: Place| match place {
        place if place.first < place.last || odd => Pattern::Host(place),
        place => Pattern::Host(Place {
            last: place.first + 1,
            ..place
        }),
    };
    prop_oneof![
        1 => exact.prop_map(|text| Pattern::Exact(text.into())),
        2 => place(host.boxed()).prop_map(shortest),
        3 => place(suffix.boxed()).prop_map(Pattern::Below),
        3 => place(bits.boxed()).prop_map(Pattern::Network),
    ]
}

/// Generates a fault of a block: one time in five there is one.
pub(crate) fn fault() -> impl Strategy<Value = Fault> {
    let broken = (
        vec(edit(), 0..3),
        weighted(0.2, 0..4_u32),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(edits, version, misplaced)| Fault {
            edits,
            version,
            misplaced,
        });
    prop_oneof![4 => Just(Fault::default()), 1 => broken]
}

pub(crate) fn edit() -> impl Strategy<Value = Edit> {
    let number = select(
        &[
            0,
            1,
            2,
            3,
            4,
            5,
            6,
            7,
            8,
            27,
            28,
            1_023,
            1_024,
            1_025,
            65_536,
            253_402_300_799,
            253_402_300_800,
            u64::MAX,
        ][..],
    );
    let text = select(&["", "fs", "net", "a", "/", "grant", "query", "blake3:"][..]);
    let change = prop_oneof![
        Just(Change::Remove),
        Just(Change::Repeat),
        Just(Change::SwapWithNext),
        number.clone().prop_map(Change::Number),
        select(&[1, 2, u64::MAX][..]).prop_map(Change::Add),
        text.prop_map(|text| Change::Text(text.into())),
        (1..11_u64, number).prop_map(|(field, number)| Change::Insert(field, number)),
    ];
    (any::<Index>(), change).prop_map(|(field, change)| Edit {
        field: field.index(10_000),
        change,
    })
}
