//! External tokens. A token limits the rights of a program, and only a signed token counts.

use secure_runtime::Exit;
use secure_runtime_capabilities::{Block, Holder, KeyPair, Token};

use crate::support::{Ran, Scene};

const MAIN: &str = "import { fs } from 'cap:self';
for (const path of ['data/public/a.txt', 'data/secret.txt']) {
  try {
    console.log((await fs.readTextFile(path)).trim());
  } catch (error) {
    console.log(error.name, error.code);
  }
}";

fn scene() -> Scene {
    Scene::of_main(&["fs.read=./data/**"], MAIN)
        .file("data/public/a.txt", "public")
        .file("data/secret.txt", "secret")
}

fn run(scene: Scene, token: &[u8], key: &KeyPair) -> Ran {
    scene.token(token, key.public()).run(&[])
}

/// Returns a token with these grants, and the key that signed it.
fn minted(scene: &Scene, grants: &[&str]) -> (Token, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let token = Token::mint(&key, &Block::of(scene.rights(grants))).unwrap();
    (token, key)
}

#[test]
fn a79_a_token_with_a_wrong_signature_starts_no_program() {
    let scene = scene();
    let (token, key) = minted(&scene, &["fs.read=./data/**"]);
    let bytes = token.as_bytes();
    let other = KeyPair::generate().unwrap();
    let ran = run(self::scene(), bytes, &other);
    assert!(ran.exit.is_err() && ran.out.is_empty(), "another key: {ran:#?}");
    for end in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        let ran = run(self::scene(), &bytes[..end], &key);
        assert!(ran.exit.is_err() && ran.out.is_empty(), "{end} bytes: {ran:#?}");
    }
    for at in 0..bytes.len() {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1;
        assert!(
            Token::verify(&flipped, &key.public()).is_err(),
            "byte {at} flipped"
        );
    }
    // The control uses the scene that the token was made for.
    assert_eq!(run(scene, bytes, &key).completed().out, "public\nsecret\n");
}

#[test]
fn a80_the_token_is_the_ceiling_whatever_the_manifest_says() {
    let scene = scene();
    let (token, key) = minted(&scene, &["fs.read=./data/public/**"]);
    let ran = run(scene, token.as_bytes(), &key).completed();
    assert_eq!(ran.out, "public\nCapabilityError denied\n");

    let scene = self::scene();
    let (token, key) = minted(&scene, &["fs.read=/**", "fs.write=/**", "random=true"]);
    let narrower = token
        .attenuate(&Block::of(scene.rights(&["fs.read=./data/secret.txt"])))
        .unwrap();
    let ran = run(scene, narrower.as_bytes(), &key).completed();
    assert_eq!(ran.out, "CapabilityError denied\nsecret\n");

    // The manifest's grants limit the rights as well.
    let scene = Scene::of_main(&["fs.read=./data/public/**"], MAIN)
        .file("data/public/a.txt", "public")
        .file("data/secret.txt", "secret");
    let (token, key) = minted(&scene, &["fs.read=/**"]);
    let ran = run(scene, token.as_bytes(), &key).completed();
    assert_eq!(ran.out, "public\nCapabilityError denied\n");
}

#[test]
fn a82_a_token_that_is_bound_to_another_holder_allows_nothing() {
    let scene = scene();
    let (token, key) = minted(&scene, &["fs.read=./data/**"]);
    let stolen = token
        .attenuate(&Block {
            holder: Some(Holder::Module([7; 32])),
            ..Block::default()
        })
        .unwrap();
    let ran = run(scene, stolen.as_bytes(), &key);
    match &ran.exit {
        Ok(Exit::Completed) => assert_eq!(ran.out, "CapabilityError denied\nCapabilityError denied\n"),
        exit => assert!(exit.is_err() && ran.out.is_empty(), "{ran:#?}"),
    }
}

#[test]
fn a83_a_token_that_has_expired_allows_nothing() {
    let scene = scene();
    let (token, key) = minted(&scene, &["fs.read=./data/**"]);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let until = |expires| {
        token
            .attenuate(&Block {
                expires: Some(expires),
                ..Block::default()
            })
            .unwrap()
    };
    let ran = run(scene, until(now - 10).as_bytes(), &key);
    match &ran.exit {
        Ok(Exit::Completed) => assert_eq!(ran.out, "CapabilityError expired\nCapabilityError expired\n"),
        exit => assert!(exit.is_err() && ran.out.is_empty(), "{ran:#?}"),
    }
}
