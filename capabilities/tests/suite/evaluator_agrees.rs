//! Compares the second evaluator with the crate, on the published vectors and on random tokens.
//!
//! `PROPERTY_CASES` sets the number of random questions. The default is 10,000.
use crate::evaluator::Reason as Expected;
mod limits;
mod published;

use crate::evaluator::cases::{self, Asked, Link};
use crate::evaluator::forge::{Fault, Forge, key_of};
use crate::evaluator::keys::Key;
use crate::evaluator::rights;
use crate::evaluator::{Accepted, Question, Verdict};
use base64::prelude::{BASE64_URL_SAFE, Engine};
use ed25519_dalek::{SigningKey, VerifyingKey};
use proptest::collection;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use secure_runtime_capabilities::*;
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The number of questions for each random token.
const QUESTIONS: u32 = 10;

fn root() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

/// Runs a property on random tokens, so that all of them have `PROPERTY_CASES` questions, or this part of
/// them.
fn on_random<S: Strategy>(part: u32, strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let questions: u32 = match std::env::var("PROPERTY_CASES") {
        Ok(number) => number.parse().unwrap(),
        Err(_) => 10_000,
    };
    let config = Config {
        cases: questions.div_ceil(QUESTIONS * part),
        failure_persistence: None,
        ..Config::default()
    };
    if let Err(error) = TestRunner::new(config).run(&strategy, property) {
        panic!("{error}");
    }
}

/// Decodes the bytes with both implementations, which must agree on whether they are a token.
fn both(bytes: &[u8]) -> Result<Option<(Accepted, Token)>, TestCaseError> {
    let public = root().verifying_key().to_bytes();
    let expected = Accepted::new(bytes, &public);
    let actual = Token::verify(bytes, &PublicKey::from_bytes(public).unwrap());
    match (expected, actual) {
        (Ok(expected), Ok(actual)) => Ok(Some((expected, actual))),
        (Err(expected), Err(actual)) => {
            if let (Some(expected_block), Some(actual_block)) = (expected.block, block_of(&actual)) {
                prop_assert_eq!(expected_block, actual_block, "{:?} / {:?}", expected, actual);
            }
            Ok(None)
        }
        (expected, actual) => Err(TestCaseError::fail(format!(
            "evaluator: {:?}; crate: {:?}; token {}",
            expected.map(|token| token.blocks),
            actual.map(|_| "accepted"),
            BASE64_URL_SAFE.encode(bytes),
        ))),
    }
}

/// Returns the block that the crate's error names.
fn block_of(error: &TokenError) -> Option<usize> {
    match error {
        TokenError::Profile { block, .. } => Some(*block),
        _ => None,
    }
}

fn holder(number: u8) -> Holder {
    match number {
        0..3 => Holder::Module(cases::module(number)),
        _ => Holder::Key(cases::secret(number).verifying_key().to_bytes()),
    }
}

/// Asks both implementations, and returns true if they allow the operation.
fn ask(expected: &Accepted, actual: &Token, asked: &Asked) -> Result<bool, TestCaseError> {
    let operation = crate::operation(asked.operation);
    let names: Vec<_> = asked
        .holders
        .iter()
        .map(|number| cases::holder(*number))
        .collect();
    let verdict = expected.answer(&Question {
        family: operation.family().as_str(),
        action: operation.action().as_str(),
        resource: operation.resource(),
        now: asked.now,
        holders: &names,
    });
    let holders: Vec<_> = asked.holders.iter().map(|number| holder(*number)).collect();
    let context = Context {
        now: asked.now,
        holders: &holders,
        revocations: None,
    };
    let decision = match actual.authority().decide(&operation, &context) {
        Decision::Allowed => Verdict::Allowed,
        Decision::Denied(denial) => Verdict::Denied {
            block: denial.block,
            reason: match denial.reason {
                Reason::NotYetValid { from } => Expected::NotYetValid(from),
                Reason::Expired { at } => Expected::Expired(at),
                Reason::WrongHolder => Expected::WrongHolder,
                Reason::NotAttested { by } => Expected::NotAttested(*by.as_bytes()),
                Reason::NoGrant => Expected::NoGrant,
                other => return Err(TestCaseError::fail(format!("{other:?}"))),
            },
        },
    };
    prop_assert_eq!(verdict, decision, "{:?} of {:?}", asked, expected.blocks);
    Ok(verdict == Verdict::Allowed)
}

/// Returns the chain's token, made through the crate's public interface.
fn minted(chain: &[Link]) -> Token {
    let pair = |secret: SigningKey| KeyPair::from_secret(&secret.to_bytes()).unwrap();
    let mut token: Option<Token> = None;
    for link in chain {
        let meaning = &link.meaning;
        let block = Block {
            rights: meaning
                .rights
                .as_ref()
                .map(|rights| Rights::new(rights.iter().map(right)).unwrap()),
            not_before: meaning.not_before,
            expires: meaning.expires,
            holder: meaning.holder.as_ref().map(|holder| holder.parse().unwrap()),
            attested_by: link.demands.map(|party| pair(cases::secret(party)).public()),
            attestation: None,
        };
        token = Some(match (&token, link.third_party) {
            (None, _) => Token::mint(&pair(root()), &block).unwrap(),
            (Some(token), None) => token.attenuate(&block).unwrap(),
            (Some(token), Some(party)) => {
                let party = pair(cases::secret(party));
                let modules = meaning.attested.iter().map(|module| match module.parse() {
                    Ok(Holder::Module(hash)) => hash,
                    other => panic!("{other:?}"),
                });
                let request = token.attestation_request().unwrap();
                token
                    .with_attestation(&request.sign(&party, modules).unwrap(), &party.public())
                    .unwrap()
            }
        });
    }
    token.unwrap()
}

fn right(right: &rights::Right) -> Right {
    let endpoint = |hosts, place: &rights::Place| {
        let [first, last] = [place.first, place.last].map(|port| u16::try_from(port).unwrap());
        Endpoint::pattern(&place.scheme, hosts, first, last).unwrap()
    };
    Right {
        family: right.family.parse().unwrap(),
        action: right.action.parse().unwrap(),
        pattern: match &right.pattern {
            rights::Pattern::Exact(resource) => Pattern::exact(resource),
            rights::Pattern::Affix(prefix, suffix) => Pattern::affix(prefix, suffix),
            rights::Pattern::Host(place) => endpoint(Hosts::One(place.text.clone()), place),
            rights::Pattern::Below(place) => endpoint(Hosts::Below(place.text.clone()), place),
            rights::Pattern::Network(place) => endpoint(Hosts::Network(network(&place.text)), place),
        },
    }
}

/// Returns the network with these bits, in the form of the evaluator.
fn network(text: &str) -> Network {
    let (family, bits) = text.split_once(':').unwrap();
    let number = |length: usize| u128::from_str_radix(&format!("{bits:0<length$}"), 2).unwrap();
    let address = match family {
        "4" => IpAddr::V4(Ipv4Addr::from(u32::try_from(number(32)).unwrap())),
        _ => IpAddr::V6(Ipv6Addr::from(number(128))),
    };
    Network::new(address, u8::try_from(bits.len()).unwrap()).unwrap()
}

/// Returns the chain's token with valid signatures and the given faults.
fn forged(chain: &[Link], faults: &[Fault]) -> Forge {
    let mut forge = Forge::new(&root());
    let sound = Fault::default();
    for (index, link) in chain.iter().enumerate() {
        let mut meaning = link.meaning.clone();
        meaning.demands = link.demands.map(|party| key_of(&cases::secret(party)));
        let third_party = link.third_party.map(cases::secret);
        forge.add(
            &meaning,
            third_party.as_ref(),
            faults.get(index).unwrap_or(&sound),
        );
    }
    forge
}

#[test]
fn forged_tokens_are_accepted_or_refused_alike() {
    let accepted = Cell::new(0);
    let refused = Cell::new(0);
    let strategy = (
        cases::chain(true),
        collection::vec(cases::fault(), 4),
        any::<bool>(),
        collection::vec(cases::asked(), QUESTIONS as usize),
    );
    on_random(1, strategy, |(chain, faults, seal, questions)| {
        let mut forge = forged(&chain, &faults);
        if seal {
            forge.seal();
        }
        let Some((expected, actual)) = both(&forge.bytes())? else {
            refused.set(refused.get() + 1);
            return Ok(());
        };
        accepted.set(accepted.get() + 1);
        for asked in questions {
            ask(&expected, &actual, &asked)?;
        }
        Ok(())
    });
    let (accepted, refused) = (accepted.get(), refused.get());
    println!("{accepted} accepted, {refused} refused");
    assert!(
        accepted.min(refused) * 5 >= accepted.max(refused),
        "{accepted} / {refused}"
    );
}

#[test]
fn bytes_that_were_changed_after_signing_are_refused_alike() {
    let number = QUESTIONS as usize / 2;
    let strategy = (
        cases::chain(false),
        any::<bool>(),
        collection::vec((any::<Index>(), any::<u8>()), number),
        collection::vec(cases::edit(), number),
    );
    on_random(4, strategy, |(chain, seal, bytes, edits)| {
        let mut forge = forged(&chain, &[]);
        if seal {
            forge.seal();
        }
        let token = forge.bytes();
        both(&token)?.ok_or_else(|| TestCaseError::fail("an honest token is refused"))?;
        for (place, byte) in bytes {
            let mut changed = token.clone();
            *place.get_mut(&mut changed) = byte;
            both(&changed)?;
        }
        for edit in edits {
            both(&edit.apply(&token))?;
        }
        Ok(())
    });
}

#[test]
fn questions_are_answered_alike() {
    let allowed = Cell::new(0);
    let all = Cell::new(0);
    let questions = collection::vec(cases::asked(), QUESTIONS as usize);
    on_random(
        1,
        (cases::chain(false), any::<bool>(), questions),
        |(chain, mint, questions)| {
            let token = if mint {
                minted(&chain).as_bytes().to_vec()
            } else {
                forged(&chain, &[]).bytes()
            };
            let (expected, actual) =
                both(&token)?.ok_or_else(|| TestCaseError::fail("an honest token is refused"))?;
            for asked in questions {
                all.set(all.get() + 1);
                allowed.set(allowed.get() + u32::from(ask(&expected, &actual, &asked)?));
            }
            Ok(())
        },
    );
    let share = allowed.get() * 100 / all.get();
    println!("{share} % of {} allowed", all.get());
    assert!((20..=80).contains(&share), "{share} % allowed");
}

#[test]
fn both_accept_the_same_public_keys() {
    let point = |bytes: &[u8; 32]| VerifyingKey::from_bytes(bytes).unwrap().to_edwards();
    // A point of order 8. Its multiples are all points of small order.
    let mut order_8 = [0; 32];
    hex::decode_to_slice(
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        &mut order_8,
    )
    .unwrap();
    let order_8 = point(&order_8);
    let small = (1..8).fold(vec![order_8], |mut multiples, _| {
        multiples.push(multiples[multiples.len() - 1] + order_8);
        multiples
    });
    let encoded: Vec<_> = small.iter().map(|point| point.compress().to_bytes()).collect();
    assert_eq!(encoded[7][0], 1, "eight times the point is the neutral element");
    let honest =
        any::<[u8; 32]>().prop_map(|secret| SigningKey::from_bytes(&secret).verifying_key().to_bytes());
    let mixed = (honest.clone(), select(small))
        .prop_map(move |(key, small)| (point(&key) + small).compress().to_bytes());
    // Coordinates from the modulus, 2^255 - 19, upwards, which are not canonical encodings.
    let large = (0xed..=0xff_u8, any::<bool>()).prop_map(|(low, sign)| {
        let mut key = [0xff; 32];
        key[0] = low;
        key[31] = if sign { 0xff } else { 0x7f };
        key
    });
    let strategy = prop_oneof![honest, mixed, select(encoded), large, any::<[u8; 32]>()];
    on_random(1, collection::vec(strategy, QUESTIONS as usize), |keys| {
        for key in keys {
            prop_assert_eq!(
                Key::new(&key).is_ok(),
                PublicKey::from_bytes(key).is_ok(),
                "{:?}",
                key
            );
        }
        Ok(())
    });
}
