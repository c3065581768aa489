//! Tokens made by this project: peers verify them, print the text of the specification, and decide the same.

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use proptest::{
    collection::vec,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use secure_runtime_capabilities::*;

use crate::{
    accept, generators, ids,
    peer::{Inspected, Peer},
    questions::{Count, FROM, KEY, MODULE, Question, UNTIL, auditor},
    rights, root, text,
};

fn token(blocks: &[Block]) -> Token {
    blocks[1..].iter().fold(
        Token::mint(&root(), &blocks[0]).unwrap(),
        |token, block| match &block.attestation {
            None => token.attenuate(block).unwrap(),
            Some(attestation) => {
                let request = token.attestation_request().unwrap();
                let signed = request
                    .sign(&auditor(), attestation.modules().iter().copied())
                    .unwrap();
                token.with_attestation(&signed, &auditor().public()).unwrap()
            }
        },
    )
}

fn demand() -> Block {
    Block {
        attested_by: Some(auditor().public()),
        ..Block::default()
    }
}

/// Returns the auditor's block that attests these modules.
fn attested(modules: &[[u8; 32]]) -> Block {
    Block {
        attestation: Some(Attestation::new(auditor().public(), modules.iter().copied()).unwrap()),
        ..Block::default()
    }
}

/// Returns chains with every kind of block.
fn chains() -> Vec<Vec<Block>> {
    let wide = Block::of(rights(&[
        "clock=1us",
        "env.read=*",
        "fs.read=/srv/**",
        "fs.write=/srv/out.txt",
        "kv.read=user/*",
        "module.import=marked/**",
        "net.connect=https://*.example.com",
        "net.connect=tcp://db.example.com:5000-5999",
        "net.connect=tcp://10.0.0.0/8:5432",
        "net.connect=tcp://[fd00::]/8:1-65535",
        "random=true",
        "store.add=blake3:0707070707070707070707070707070707070707070707070707070707070707",
        "store.read=*",
    ]));
    let narrow = Block::of(rights(&[
        "clock=1ms",
        "env.read=APP_*",
        "fs.read=/srv/data/**",
        "fs.write=/**",
        "kv.read=user/1",
        "module.import=blake3:0707070707070707070707070707070707070707070707070707070707070707",
        "net.connect=https://api.example.com:1-65535",
        "net.connect=https://*.com:400-500",
        "net.connect=tcp://0.0.0.0/0:5432",
        "net.connect=tcp://[fd00::1]:5432",
        "store.read=blake3:0707070707070707070707070707070707070707070707070707070707070707",
    ]));
    let from = Block {
        not_before: Some(FROM),
        ..Block::default()
    };
    let until = Block {
        expires: Some(UNTIL),
        ..Block::default()
    };
    let (module, key) = (Block::bound_to(MODULE), Block::bound_to(KEY));
    let demand = demand();
    let attested = attested(&[[7; 32], [9; 32]]);
    let everything = Block {
        not_before: Some(FROM),
        expires: Some(UNTIL),
        holder: Some(KEY),
        attested_by: Some(auditor().public()),
        ..narrow.clone()
    };
    let mut chains = vec![vec![
        Block {
            not_before: Some(FROM),
            expires: Some(UNTIL),
            holder: Some(MODULE),
            attested_by: Some(auditor().public()),
            ..wide.clone()
        },
        attested.clone(),
    ]];
    let laters = [
        vec![],
        vec![Block::default()],
        vec![Block::of(Rights::none())],
        vec![narrow.clone()],
        vec![from.clone()],
        vec![until.clone()],
        vec![module.clone()],
        vec![key],
        vec![demand.clone()],
        vec![attested.clone()],
        vec![demand.clone(), attested.clone()],
        vec![attested.clone(), everything],
        vec![demand.clone(), from, attested, narrow, demand, until, module],
    ];
    chains.extend(
        laters
            .into_iter()
            .map(|later| [vec![wide.clone()], later].concat()),
    );
    chains
}

/// TOK-8 to TOK-14, TOK-24, TOK-25
#[test]
#[ignore = "needs the peers: run `cargo xtask interop`"]
fn peers_verify_print_and_decide_tokens_like_this_crate() {
    let mut peers = Peer::all();
    let mut total = Count::default();
    for blocks in chains() {
        let token = token(&blocks);
        let mut shown: Vec<String> = blocks.iter().map(text::later).collect();
        shown[0] = text::authority(&blocks[0]);
        let expected = Inspected {
            blocks: shown,
            revocation_ids: ids(&token),
        };
        for token in [&token, &token.seal().unwrap()] {
            for peer in &mut peers {
                assert_eq!(
                    peer.inspect(&token.to_text()).as_ref(),
                    Ok(&expected),
                    "{}",
                    peer.name
                );
            }
            total.add(Count::ask(token, &mut peers, &Question::all()));
        }
    }
    total.report("tokens made here");
}

/// TOK-6
#[test]
#[ignore = "needs the peers: run `cargo xtask interop`"]
fn peers_can_add_to_an_open_token_and_not_to_a_sealed_one() {
    let open = token(&chains()[0]);
    let sealed = open.seal().unwrap();
    for mut peer in Peer::all() {
        let longer = peer.attenuate(&open.to_text(), "check if false").unwrap();
        assert_eq!(
            accept(&longer).unwrap().blocks().last(),
            Some(&Block::of(Rights::none()))
        );
        let error = peer.attenuate(&sealed.to_text(), "check if false").unwrap_err();
        assert!(error.to_lowercase().contains("sealed"), "{error}");
    }
}

/// TOK-24: the compiled decision, the authorizer in this crate, and both peers agree.
#[test]
#[ignore = "needs the peers: run `cargo xtask interop`"]
fn random_tokens_are_decided_alike() {
    const TOKENS: u32 = 300;
    const QUESTIONS: u32 = 10;
    let mut peers = Peer::all();
    let mut total = Count::default();
    // The tokens are the same in every run, so that a failure can be reproduced.
    let mut runner = TestRunner::deterministic();
    let strategy = (
        generators::chain(),
        vec(generators::question(), QUESTIONS as usize),
    );
    for number in 0..TOKENS {
        let (mut blocks, questions) = strategy.new_tree(&mut runner).unwrap().current();
        // Some tokens demand an attestation. Most of these have it, for one of the modules that random
        // questions name as holder.
        if number % 4 == 0 {
            blocks.push(demand());
        }
        if number % 3 != 0 {
            blocks.push(attested(&[[1; 32]]));
        }
        let token = accept(&token(&blocks).to_text()).unwrap();
        let questions: Vec<Question> = questions
            .iter()
            .map(|question| {
                let (operation, now, holders) = question.about(token.authority().effective_rights());
                Question {
                    operation,
                    now,
                    holders: holders.to_vec(),
                }
            })
            .collect();
        total.add(Count::ask(&token, &mut peers, &questions));
    }
    assert_eq!(total.asked, TOKENS * QUESTIONS);
    total.report("random tokens");
}

/// TOK-3, TOK-4: every implementation refuses a token with one changed byte.
#[test]
#[ignore = "needs the peers: run `cargo xtask interop`"]
fn a_token_with_one_changed_byte_is_refused_by_all() {
    let genuine = token(&[
        Block::of(rights(&["fs.read=/srv/**", "net.connect=https://*.example.com"])),
        Block {
            expires: Some(UNTIL),
            attested_by: Some(auditor().public()),
            ..Block::default()
        },
        attested(&[[7; 32]]),
    ]);
    let mut peers = Peer::all();
    for position in 0..genuine.as_bytes().len() {
        let mut bytes = genuine.as_bytes().to_vec();
        bytes[position] ^= 1;
        let changed = URL_SAFE.encode(&bytes);
        assert!(accept(&changed).is_err(), "byte {position}");
        for peer in &mut peers {
            assert!(peer.inspect(&changed).is_err(), "{}: byte {position}", peer.name);
        }
    }
    for peer in &mut peers {
        assert!(peer.inspect(&genuine.to_text()).is_ok());
    }
}
