//! Writes `spec/vectors/tokens.json` from fixed keys, and checks that the file matches byte for byte.
//!
//! `UPDATE_VECTORS=1 cargo test -p secure-runtime-capabilities vectors` rewrites the file. The test suite of
//! this crate reads the file through the public interface.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use biscuit_auth::{Biscuit, BiscuitBuilder, BlockBuilder, datalog::SymbolTable};
use serde_json::{Value, json};

use crate::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/vectors/tokens.json");
const BASE: &str = "/srv/app";
const MODULE: Holder = Holder::Module([7; 32]);
const NOON: u64 = 1_800_000_000;

fn key(number: u8) -> KeyPair {
    KeyPair::from_secret(&[number; 32]).unwrap()
}

fn base() -> Base {
    Base::new(BASE).unwrap()
}

fn of(grants: &[&str]) -> Block {
    Block::of(Families::builtin().parse_grants(grants, &base()).unwrap())
}

/// Returns a token that is signed with the fixed root key and fixed keys for the blocks after.
fn token(blocks: &[Block]) -> Token {
    let mut token = Token::mint_with(&key(1), &blocks[0], &key(2)).unwrap();
    for (number, block) in (3..).zip(&blocks[1..]) {
        token = token.attenuate_with(block, &key(number)).unwrap();
    }
    token
}

fn accepted(name: &str, blocks: &[Block], operations: &[&str], contexts: &[Context<'_>]) -> Value {
    decided(name, &token(blocks), operations, contexts)
}

fn decided(name: &str, token: &Token, operations: &[&str], contexts: &[Context<'_>]) -> Value {
    let mut questions = Vec::new();
    for operation in operations {
        let operation = Families::builtin().parse_operation(operation, &base()).unwrap();
        for context in contexts {
            let expected = match token.authority().decide(&operation, context) {
                Decision::Allowed => json!("allowed"),
                Decision::Denied(denial) => {
                    let reason = match denial.reason {
                        Reason::NoGrant => json!("NoGrant"),
                        Reason::Expired { at } => json!({ "Expired": at }),
                        Reason::NotYetValid { from } => json!({ "NotYetValid": from }),
                        Reason::WrongHolder => json!("WrongHolder"),
                        Reason::NotAttested { by } => json!({ "NotAttested": by.to_string() }),
                        // The vectors use no revocation list.
                        Reason::Revoked | Reason::StaleRevocations { .. } => Value::Null,
                    };
                    json!({ "denied_by_block": denial.block, "reason": reason })
                }
            };
            questions.push(json!({
                "family": operation.family().as_str(),
                "action": operation.action().as_str(),
                "resource": operation.resource(),
                "now": context.now,
                "holders": context.holders.iter().map(Holder::to_string).collect::<Vec<_>>(),
                "expected": expected,
            }));
        }
    }
    let blocks: Vec<Value> = token.blocks().iter().map(block).collect();
    json!({
        "name": name,
        "token": token.to_text().as_str(),
        "blocks": blocks,
        "revocation_ids": token.revocation_ids().iter().map(RevocationId::to_string).collect::<Vec<_>>(),
        "questions": questions,
    })
}

fn block(block: &Block) -> Value {
    let rights = block.rights.as_ref().map(|rights| {
        let right = |right: &Right| {
            let (family, action) = (right.family.as_str(), right.action.as_str());
            match &right.pattern {
                Pattern::Exact(text) => json!([family, action, "exact", text]),
                Pattern::Affix { prefix, suffix } => json!([family, action, "affix", prefix, suffix]),
                Pattern::Endpoint(endpoint) => json!([family, action, "endpoint", endpoint.to_string()]),
            }
        };
        rights.iter().map(right).collect::<Vec<_>>()
    });
    json!({
        "rights": rights,
        "not_before": block.not_before,
        "expires": block.expires,
        "holder": block.holder.map(|holder| holder.to_string()),
        "attested_by": block.attested_by.map(|key| key.to_string()),
        "attestation": block.attestation.as_ref().map(|attestation| json!({
            "by": attestation.by().to_string(),
            "modules": attestation.modules().iter().map(hex::encode).collect::<Vec<_>>(),
        })),
    })
}

fn refused(name: &str, bytes: &[u8], root: &PublicKey) -> Value {
    let error = Token::verify(bytes, root).unwrap_err();
    json!({
        "name": name,
        "root_public_key": root.to_string(),
        "token": URL_SAFE.encode(bytes),
        "error": error.name(),
        "message": error.to_string(),
    })
}

/// Returns a token with any Datalog, made by the token library alone.
fn foreign(authority: &str, later: &[&str]) -> Vec<u8> {
    let mut token: Biscuit = BiscuitBuilder::new()
        .code(authority)
        .unwrap()
        .build_with_key_pair(
            &key(1).to_biscuit().unwrap(),
            SymbolTable::new(),
            &key(2).to_biscuit().unwrap(),
        )
        .unwrap();
    for (number, code) in (3..).zip(later) {
        let block = BlockBuilder::new().code(code).unwrap();
        token = token
            .append_with_keypair(&key(number).to_biscuit().unwrap(), block)
            .unwrap();
    }
    token.to_vec().unwrap()
}

fn vectors() -> Value {
    let now = Context::at;
    let held = Context {
        holders: &[MODULE],
        ..Context::at(NOON)
    };
    let other = Holder::Key([7; 32]);
    let by_other = Context {
        holders: &[other],
        ..Context::at(NOON)
    };
    let by_both = Context {
        holders: &[other, MODULE],
        ..Context::at(NOON)
    };
    let demand = Block {
        attested_by: Some(key(8).public()),
        ..of(&["random=true"])
    };
    let attested = |blocks: &[Block], modules: &[[u8; 32]], auditor: &KeyPair| {
        let token = token(blocks);
        let request = token.attestation_request().unwrap();
        let signed = request.sign(auditor, modules.iter().copied()).unwrap();
        token
            .with_attestation_and(&signed, &auditor.public(), &key(7))
            .unwrap()
    };
    let accepted = [
        accepted(
            "a folder",
            &[of(&["fs.read=./data/**"])],
            &[
                "fs read data/a.csv",
                "fs read data",
                "fs read data-secret/a",
                "fs read data/../etc/passwd",
                "fs write data/a.csv",
            ],
            &[now(NOON)],
        ),
        accepted(
            "every family",
            &[of(&[
                "fs.write=/var/out",
                "net.connect=https://*.example.com",
                "net.connect=tcp://127.1:5432",
                "env.read=APP_*",
                "clock=10ms",
                "random=true",
            ])],
            &[
                "fs write /var/out",
                "net connect https://API.example.com.",
                "net connect https://a.b.example.com:443",
                "net connect https://example.com",
                "net connect https://example.com.evil.com",
                "net connect http://api.example.com",
                "net connect tcp://0x7f.1:5432",
                "env read APP_KEY",
                "env read PATH",
                "clock 10ms",
                "clock 1ms",
                "random",
            ],
            &[now(NOON)],
        ),
        accepted(
            "narrowed by a package and a folder",
            &[
                of(&["fs.read=./**", "random=true"]),
                of(&["fs.read=./data/**", "fs.write=/**"]),
                of(&["fs.read=./data/a/**", "fs.read=/etc/**"]),
            ],
            &[
                "fs read data/a/b",
                "fs read data/b",
                "fs read /etc/passwd",
                "fs write data/a/b",
                "random",
            ],
            &[now(NOON)],
        ),
        accepted(
            "times are half-open",
            &[
                Block {
                    not_before: Some(NOON),
                    ..of(&["random=true"])
                },
                Block {
                    expires: Some(NOON + 60),
                    ..Block::default()
                },
            ],
            &["random"],
            &[now(NOON - 1), now(NOON), now(NOON + 59), now(NOON + 60)],
        ),
        accepted(
            "bound to a module",
            &[
                of(&["random=true"]),
                Block {
                    holder: Some(MODULE),
                    ..Block::default()
                },
            ],
            &["random"],
            &[held, by_other, by_both, now(NOON)],
        ),
        accepted(
            "bound to a module and a key",
            &[
                of(&["random=true"]),
                Block::bound_to(MODULE),
                Block::bound_to(other),
            ],
            &["random"],
            &[held, by_other, by_both],
        ),
        accepted(
            "ports and networks",
            &[
                of(&[
                    "net.connect=tcp://db.example.com:5000-5999",
                    "net.connect=https://*.example.com:8000-8999",
                    "net.connect=tcp://10.0.0.0/8:5432",
                    "net.connect=tcp://[fd00::]/8:1-65535",
                ]),
                of(&[
                    "net.connect=tcp://*.example.com:5432-6000",
                    "net.connect=https://*.api.example.com:8080-9090",
                    "net.connect=tcp://10.128.0.0/9:5000-6000",
                    "net.connect=tcp://[fd00::1]:22",
                ]),
            ],
            &[
                "net connect tcp://db.example.com:5432",
                "net connect tcp://db.example.com:5999",
                "net connect tcp://db.example.com:5000",
                "net connect tcp://db.example.com:6000",
                "net connect tcp://x.db.example.com:5432",
                "net connect https://a.api.example.com:8080",
                "net connect https://a.api.example.com:9000",
                "net connect https://api.example.com:8080",
                "net connect http://a.api.example.com:8080",
                "net connect tcp://10.128.0.1:5432",
                "net connect tcp://10.127.255.255:5432",
                "net connect tcp://10.128.0.1:5433",
                "net connect tcp://11.0.0.0:5432",
                "net connect tcp://10.example.com:5432",
                "net connect tcp://[::ffff:10.128.0.1]:5432",
                "net connect tcp://[fd00::1]:22",
                "net connect tcp://[fd00::2]:22",
            ],
            &[now(NOON)],
        ),
        accepted(
            "sockets and lookups",
            &[
                of(&[
                    "net.connect=tls://db.example.com:5432",
                    "net.connect=udp://10.0.0.0/8:53",
                    "net.listen=tcp://*:8080",
                    "net.listen=udp://127.0.0.1:0",
                    "net.resolve=*.example.com",
                ]),
                of(&[
                    "net.connect=tls://db.example.com:5432",
                    "net.connect=udp://10.0.0.1:53",
                    "net.listen=tcp://127.0.0.1:8080",
                    "net.listen=udp://127.0.0.1:0",
                    "net.resolve=db.example.com",
                ]),
            ],
            &[
                "net connect tls://db.example.com:5432",
                "net connect tcp://db.example.com:5432",
                "net connect udp://10.0.0.1:53",
                "net connect udp://10.0.0.2:53",
                "net listen tcp://127.0.0.1:8080",
                "net listen tcp://0.0.0.0:8080",
                "net listen udp://127.0.0.1:8080",
                "net listen udp://localhost:0",
                "net resolve db.example.com",
                "net resolve a.example.com",
                "net resolve example.com",
            ],
            &[now(NOON)],
        ),
        accepted(
            "keys and modules",
            &[
                of(&["kv.read=user/*", "kv.write=user/42/name", "module=marked/**"]),
                of(&[
                    "kv.read=*",
                    "kv.write=user/*",
                    "module=blake3:0707070707070707070707070707070707070707070707070707070707070707",
                ]),
            ],
            &[
                "kv read user/42/name",
                "kv read users",
                "kv write user/42/name",
                "kv write user/42",
                "module marked/a.js#blake3:0707070707070707070707070707070707070707070707070707070707070707",
                "module marked/a.js#blake3:0807070707070707070707070707070707070707070707070707070707070707",
                "module app:/a.js#blake3:0707070707070707070707070707070707070707070707070707070707070707",
            ],
            &[now(NOON)],
        ),
        accepted(
            "blobs of a store",
            &[
                of(&[
                    "store.read=*",
                    "store.add=blake3:0707070707070707070707070707070707070707070707070707070707070707",
                ]),
                of(&[
                    "store.read=blake3:0707070707070707070707070707070707070707070707070707070707070707",
                    "store.add=*",
                ]),
            ],
            &[
                "store read blake3:0707070707070707070707070707070707070707070707070707070707070707",
                "store read blake3:0807070707070707070707070707070707070707070707070707070707070707",
                "store add blake3:0707070707070707070707070707070707070707070707070707070707070707",
                "store add blake3:0807070707070707070707070707070707070707070707070707070707070707",
                "module a.js#blake3:0707070707070707070707070707070707070707070707070707070707070707",
            ],
            &[now(NOON)],
        ),
        accepted(
            "demanded and never attested",
            std::slice::from_ref(&demand),
            &["random"],
            &[held, now(NOON)],
        ),
        decided(
            "attested",
            &attested(
                &[demand.clone(), Block::bound_to(MODULE)],
                &[[6; 32], [7; 32]],
                &key(8),
            ),
            &["random"],
            &[held, by_other, now(NOON)],
        ),
        decided(
            "attested, but not this module",
            &attested(std::slice::from_ref(&demand), &[[6; 32]], &key(8)),
            &["random"],
            &[held],
        ),
        decided(
            "attested by somebody else",
            &attested(std::slice::from_ref(&demand), &[[7; 32]], &key(9)),
            &["random"],
            &[held],
        ),
        decided(
            "sealed for a key",
            &token(&[of(&["random=true"])])
                .attenuate_with(&Block::bound_to(other), &key(3))
                .and_then(|token| token.seal())
                .unwrap(),
            &["random"],
            &[held, by_other],
        ),
        accepted(
            "nothing is left",
            &[of(&["fs.read=/**"]), Block::of(Rights::none())],
            &["fs read /"],
            &[now(NOON)],
        ),
        accepted(
            "nothing was granted",
            &[Block::default()],
            &["random"],
            &[now(NOON)],
        ),
        accepted(
            "texts need no escaping",
            &[of(&["fs.read=./\"é\\\n$x/**"])],
            &["fs read \"é\\\n$x/a"],
            &[now(NOON)],
        ),
    ];

    let root = key(1).public();
    let genuine = token(&[of(&["fs.read=./**"]), of(&["fs.read=./data/**"])]);
    let flipped = |position: usize| {
        let mut bytes = genuine.as_bytes().to_vec();
        bytes[position] ^= 1;
        bytes
    };
    const GRANT: &str = r#"grant("fs", "read", "exact", "/a")"#;
    let refused = [
        refused("another root key", genuine.as_bytes(), &key(9).public()),
        refused("a changed resource", &flipped(40), &root),
        refused("cut off", &genuine.as_bytes()[..100], &root),
        refused(
            "an unknown field",
            &[genuine.as_bytes(), &[0x7a, 1, 0]].concat(),
            &root,
        ),
        refused(
            "a root key number",
            &[&[0x08, 7], genuine.as_bytes()].concat(),
            &root,
        ),
        refused(
            "a time fact in the authority block",
            &foreign("time(2019-01-01T00:00:00Z)", &[]),
            &root,
        ),
        refused(
            "a fact in a later block",
            &foreign(GRANT, &[r#"grant("fs", "read", "exact", "/")"#]),
            &root,
        ),
        refused(
            "a rule",
            &foreign(
                GRANT,
                &[r#"grant("fs", "read", "exact", $r) <- operation("fs", "read", $r)"#],
            ),
            &root,
        ),
        refused(
            "a join",
            &foreign(GRANT, &["check if a($w), a($x), a($y), a($z)"]),
            &root,
        ),
        refused(
            "a regular expression",
            &foreign(
                GRANT,
                &[r#"check if operation("fs", "read", $resource), $resource.matches("((a{50}){50}){50}")"#],
            ),
            &root,
        ),
        refused(
            "another spelling",
            &foreign(GRANT, &["check if time($t), $t < 2033-05-18T03:33:20Z"]),
            &root,
        ),
        refused(
            "too many blocks",
            &foreign(GRANT, &["check if false"; MAX_BLOCKS]),
            &root,
        ),
        refused(
            "an affix in the family net",
            &foreign(
                r#"grant("net", "connect", "affix", "https://", ".example.com:443")"#,
                &[],
            ),
            &root,
        ),
        refused(
            "a suffix that addresses end with",
            &foreign(
                r#"grant("net", "connect", "below", "tcp", ".0.0.1", 80, 80)"#,
                &[],
            ),
            &root,
        ),
        refused(
            "a range of one host and one port",
            &foreign(r#"grant("net", "connect", "host", "tcp", "a", 80, 80)"#, &[]),
            &root,
        ),
        refused(
            "attestations that nobody signed",
            &foreign(
                GRANT,
                &[r#"attested("blake3:0707070707070707070707070707070707070707070707070707070707070707")"#],
            ),
            &root,
        ),
        refused("no token", b"hello", &root),
    ];
    let list = RevocationList::new(
        7,
        NOON,
        NOON + 60,
        [RevocationId::from_bytes([1; 64]), genuine.id()],
    )
    .unwrap();
    let challenge: Challenge = "05".repeat(32).parse().unwrap();
    json!({
        "about": "Tokens of spec/tokens.md: keys and answers are fixed, so an implementation can be held to them.",
        "root_private_key": key(1).to_secret_text().as_str(),
        "root_public_key": root.to_string(),
        "base": BASE,
        "accepted": accepted,
        "refused": refused,
        "revocation_list": {
            "public_key": key(4).public().to_string(),
            "bytes": hex::encode(list.sign(&key(4)).unwrap()),
            "sequence": list.sequence,
            "issued": list.issued,
            "next_update": list.next_update,
            "ids": list.ids().iter().map(RevocationId::to_string).collect::<Vec<_>>(),
        },
        "proof": {
            "token": genuine.to_text().as_str(),
            "challenge": challenge.to_string(),
            "public_key": key(5).public().to_string(),
            "proof": key(5).prove(&genuine, &challenge).to_string(),
        },
    })
}

#[test]
fn vectors_are_current() {
    let mut expected = serde_json::to_string_pretty(&vectors()).unwrap();
    writeln!(expected).unwrap();
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(FILE, &expected).unwrap();
    }
    let found = std::fs::read_to_string(FILE).unwrap();
    assert!(
        found == expected,
        "{FILE} differs: run with UPDATE_VECTORS=1 and look at the difference"
    );
}
