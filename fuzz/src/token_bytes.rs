use std::sync::LazyLock;

use biscuit_auth::{
    Algorithm, Biscuit, PrivateKey,
    builder::{BiscuitBuilder, BlockBuilder},
    datalog::SymbolTable,
};
use secure_runtime_capabilities::*;

use crate::Outcome;

/// Maximum length of a source. The library's parser recurses without a limit, and tries all alternatives of
/// nested ones.
const MAX_SOURCE: usize = 1000;
const MAX_NESTING: usize = 6;
/// The only key that sources may name, because the library's parser panics on an invalid key.
const KEY: &str = "ed25519/d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn library_key(secret: u8) -> biscuit_auth::KeyPair {
    biscuit_auth::KeyPair::from(&PrivateKey::from_bytes(&[secret; 32], Algorithm::Ed25519).unwrap())
}

fn signed(authority: BlockBuilder) -> Result<Biscuit, biscuit_auth::error::Token> {
    BiscuitBuilder::new().merge(authority).build_with_key_pair(
        &library_key(1),
        SymbolTable::new(),
        &library_key(2),
    )
}

static ROOT: LazyLock<PublicKey> = LazyLock::new(|| KeyPair::from_secret(&[1; 32]).unwrap().public());

/// A token to append blocks to.
static GENUINE: LazyLock<Biscuit> = LazyLock::new(|| {
    let code = r#"grant("fs", "read", "affix", "/", "")"#;
    signed(BlockBuilder::new().code(code).unwrap()).unwrap()
});

/// Uses the input in three ways. Every accepted token must decide like the oracle:
/// - as a token;
/// - as the content of a block in a validly signed token, because most inputs would fail at the signature;
/// - as Datalog source of an authority block, a later block and a third party's block, so that the encoding
///   is always valid.
pub fn token_bytes(data: &[u8]) -> Outcome {
    let mut outcomes = vec![check(Token::verify(data, &ROOT))];
    let appended = GENUINE
        .container()
        .append_serialized(&library_key(3), data.to_vec(), None)
        .unwrap();
    outcomes.push(check(Token::verify(&appended.to_vec().unwrap(), &ROOT)));
    if let Some(block) = block_of_source(data) {
        let by_third_party = GENUINE.third_party_request().and_then(|request| {
            let signed = request.create_block(&library_key(4).private(), block.clone())?;
            GENUINE.append_third_party(library_key(4).public(), signed)
        });
        let own = GENUINE.append_with_keypair(&library_key(3), block.clone());
        for token in [signed(block), own, by_third_party].into_iter().flatten() {
            outcomes.push(check(Token::verify(&token.to_vec().unwrap(), &ROOT)));
        }
    }
    let sum = |figure: fn(&Outcome) -> u64| outcomes.iter().map(figure).sum();
    let (asked, allowed) = (sum(|outcome| outcome.asked), sum(|outcome| outcome.allowed));
    Outcome {
        class: outcomes
            .iter()
            .fold(0, |all, outcome| all.rotate_left(16) ^ outcome.class),
        asked,
        allowed,
    }
}

fn block_of_source(data: &[u8]) -> Option<BlockBuilder> {
    let opening = |byte: &&u8| matches!(byte, b'(' | b'[' | b'{' | b'!' | b'>');
    let source = std::str::from_utf8(data).ok()?;
    let deepest = source
        .split([';', ','])
        .map(|part| part.bytes().filter(|byte| opening(&byte)).count())
        .max();
    let is_ours = |place: usize| {
        let rest = source.get(place..).and_then(|rest| rest.strip_prefix(KEY));
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_hexdigit()))
    };
    let names_other_keys = ["ed25519/", "secp256r1/"].iter().any(|key| {
        let mut places = source.match_indices(key).map(|(place, _)| place);
        places.any(|place| !is_ours(place))
    });
    if source.len() > MAX_SOURCE || deepest > Some(MAX_NESTING) || names_other_keys {
        return None;
    }
    BlockBuilder::new().code(source).ok()
}

fn check(token: Result<Token, TokenError>) -> Outcome {
    let token = match token {
        Ok(token) => token,
        Err(error) => {
            assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
            return Outcome::of(&error);
        }
    };
    let base = Base::new("/srv").unwrap();
    let holders = [Holder::Module([10; 32]), Holder::Key([10; 32])];
    let mut decisions = Vec::new();
    for (text, now) in [
        ("fs read /srv/a", 0),
        ("fs read /", 1_800_000_000),
        ("fs write /srv/data/public/a.csv", 1_767_225_600),
        ("net connect https://a.b", u64::MAX),
        ("net connect https://api.example.com", 1_800_000_000),
    ] {
        let operation = Families::builtin().parse_operation(text, &base).unwrap();
        let context = Context {
            holders: &holders,
            ..Context::at(now)
        };
        let decision = token.authority().decide(&operation, &context);
        assert_eq!(
            oracle(&token, &operation, &context),
            Ok(decision.is_allowed()),
            "{token:?} {text}"
        );
        decisions.push(decision);
    }
    Outcome {
        asked: decisions.len() as u64,
        allowed: decisions.iter().filter(|decision| decision.is_allowed()).count() as u64,
        ..Outcome::of(&decisions)
    }
}
