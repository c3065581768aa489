use biscuit_auth::{
    Algorithm, PrivateKey,
    builder::{BiscuitBuilder, BlockBuilder},
    datalog::SymbolTable,
};
use secure_runtime_capabilities::*;

const ROOT: [u8; 32] = [1; 32];

fn library_key(secret: u8) -> biscuit_auth::KeyPair {
    biscuit_auth::KeyPair::from(&PrivateKey::from_bytes(&[secret; 32], Algorithm::Ed25519).unwrap())
}

/// The bytes as a token, and as the signed content of a block in a token whose signatures hold: most
/// inputs would else never get past the signatures. What is accepted must decide as the oracle says.
pub fn token_bytes(data: &[u8]) {
    let root = KeyPair::from_secret(&ROOT).unwrap().public();
    check(Token::verify(data, &root));

    let genuine = BiscuitBuilder::new()
        .merge(
            BlockBuilder::new()
                .code(r#"grant("fs", "read", "affix", "/", "")"#)
                .unwrap(),
        )
        .build_with_key_pair(&library_key(1), SymbolTable::new(), &library_key(2))
        .unwrap();
    let appended = genuine
        .container()
        .append_serialized(&library_key(3), data.to_vec(), None)
        .unwrap();
    check(Token::verify(&appended.to_vec().unwrap(), &root));
}

fn check(token: Result<Token, TokenError>) {
    let token = match token {
        Ok(token) => token,
        Err(error) => return assert!(!error.to_string().chars().any(char::is_control)),
    };
    let base = Base::new("/srv").unwrap();
    for (text, now) in [
        ("fs read /srv/a", 0),
        ("fs read /", 1_800_000_000),
        ("net connect https://a.b", u64::MAX),
    ] {
        let operation = Families::builtin().parse_operation(text, &base).unwrap();
        let context = Context { now, holder: None };
        let decision = token.authority().decide(&operation, &context).is_allowed();
        assert_eq!(
            oracle(&token, &operation, &context),
            Ok(decision),
            "{token:?} {text}"
        );
    }
}
