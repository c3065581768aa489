//! Keys, holders and tokens in the arguments. The message of each error names the option.

use std::path::Path;

use secure_runtime_capabilities::{Holder, KeyError, KeyPair, PublicKey, Token};

use super::failure::{Code, Failure};
use super::{project, secrets};

/// Reads the file of a private key (- is standard input). `option` is the option that names the file, or a description
/// of the argument.
pub(super) fn private_key(path: &Path, option: &str) -> Result<KeyPair, Failure> {
    let text = project::read_text(path, "the private key")?;
    text.parse().map_err(|error: KeyError| {
        let file = secrets::shown_path(path);
        Failure::usage(format!("{option} {file}: {error}"))
            .with_help("`secure-runtime key generate --out FILE` makes a key pair and writes the private key")
    })
}

/// Parses the public key that this option takes.
pub(super) fn public_key(text: &str, option: &str) -> Result<PublicKey, Failure> {
    text.parse().map_err(|error: KeyError| {
        Failure::usage(format!("{option}: {error}")).with_help(
            "write the key itself and not the name of a file: `secure-runtime key public FILE` prints the one of a \
             private key",
        )
    })
}

/// Parses the holder that this option takes: the hash of a module, or a key. A key begins with `ed25519/` like `key`
/// prints it, or with `ed25519:` like tokens name it.
pub(super) fn holder(text: &str, option: &str) -> Result<Holder, Failure> {
    if text.starts_with("ed25519/") {
        return Ok(Holder::Key(*public_key(text, option)?.as_bytes()));
    }
    text.parse().map_err(|error| {
        Failure::usage(format!("{option}: {error}"))
            .with_help("a holder is blake3:HASH of a module, or a public key: ed25519/…")
    })
}

/// Formats a holder for people. A key is written like the options for keys take it.
pub(super) fn shown_holder(holder: &Holder) -> String {
    match holder {
        Holder::Key(key) => match PublicKey::from_bytes(*key) {
            Ok(key) => key.to_string(),
            Err(_) => holder.to_string(),
        },
        Holder::Module(_) => holder.to_string(),
    }
}

/// Reads the file of a token (- is standard input), and verifies the token. `option` is like in [`private_key`].
pub(super) fn token(path: &Path, option: &str, root: &PublicKey) -> Result<Token, Failure> {
    let text = project::read_text(path, "the token")?;
    let name = format!("{option} {}", secrets::shown_path(path));
    let kind = [("ed25519-private/", "private"), ("ed25519/", "public")]
        .into_iter()
        .find(|(prefix, _)| text.starts_with(prefix));
    if let Some((_, kind)) = kind {
        return Err(Failure::usage(format!("{name}: this is a {kind} key, and not a token")).with_help(
            "a token is one line in Base64: `secure-runtime token mint --key FILE --grant GRANT --out FILE` makes one \
             with a private key",
        ));
    }
    Token::parse_text(&text, root).map_err(|error| {
        Failure::new(Code::Integrity, format!("{name}: {error}"))
            .help("get the token again from its issuer, and check that --root-key is the issuer's public key")
    })
}
