//! Malformed text at every input: a typed error with a hint in one line, and no panic.

use secure_runtime_capabilities::*;

use crate::base;

/// Checks that the message is one line, fits on a terminal, and is not empty.
fn assert_good_message(error: &dyn std::error::Error, input: &str) {
    let message = error.to_string();
    assert!(message.len() > 15, "{input:?}: {message}");
    assert!(!message.chars().any(char::is_control), "{input:?}: {message:?}");
    assert!(!message.contains('\u{202e}'), "{input:?}: {message:?}");
    assert!(message.len() < 1_000, "{input:?} gives {} bytes", message.len());
}

fn long(text: &str) -> String {
    text.repeat(100_000)
}

#[test]
fn malformed_grants() {
    let inputs = [
        String::new(),
        "=".into(),
        ".".into(),
        ".=".into(),
        "fs".into(),
        "fs.read".into(),
        "fs.=x".into(),
        ".read=x".into(),
        "fs.read.x=y".into(),
        " fs.read=x".into(),
        "fs.read =x".into(),
        "FS.read=x".into(),
        "fs.READ=x".into(),
        "fs.execute=x".into(),
        "files.read=x".into(),
        "fs\0.read=x".into(),
        "f\u{1b}[31ms.read=x".into(),
        "f\u{202e}s.read=x".into(),
        "fs.read\n=x".into(),
        format!("{}=x", long("a")),
        format!("fs.{}=x", long("a")),
        long("x"),
        // Files.
        "fs.read=".into(),
        "fs.read=a\0b".into(),
        "fs.read=*".into(),
        "fs.read=*.csv".into(),
        "fs.read=data/*".into(),
        "fs.read=data/**/x".into(),
        "fs.read=data/***".into(),
        "fs.read=data**".into(),
        "fs.read=**/**".into(),
        format!("fs.read={}", "a".repeat(256)),
        format!("fs.read={}", long("a/")),
        format!("fs.read={}/**", long("a/")),
        "fs=x".into(),
        // Network.
        "net.connect=".into(),
        "net.connect=example.com".into(),
        "net.connect=https://".into(),
        "net.connect=https:///".into(),
        "net.connect=https:example.com".into(),
        "net.connect=://example.com".into(),
        "net.connect=ftp://example.com".into(),
        "net.connect=ws://example.com".into(),
        "net.connect=file:///etc/passwd".into(),
        "net.connect=https://example.com/".into(),
        "net.connect=https://example.com/path".into(),
        "net.connect=https://example.com?q".into(),
        "net.connect=https://example.com#f".into(),
        "net.connect=https://user@example.com".into(),
        "net.connect=https://user:password@example.com".into(),
        "net.connect=https://example.com\\@evil.com".into(),
        "net.connect=https://example.com:".into(),
        "net.connect=https://example.com:0".into(),
        "net.connect=https://example.com:00443".into(),
        "net.connect=https://example.com:65536".into(),
        "net.connect=https://example.com:+443".into(),
        "net.connect=https://example.com:-1".into(),
        "net.connect=https://example.com:https".into(),
        "net.connect=https://example.com:443:443".into(),
        "net.connect=tcp://example.com".into(),
        "net.connect=https://*".into(),
        "net.connect=https://*.".into(),
        "net.connect=https://*.*.com".into(),
        "net.connect=https://a*.com".into(),
        "net.connect=https://*.1.2.3.4".into(),
        "net.connect=https://*.[::1]".into(),
        "net.connect=https://*.com:*".into(),
        "net.connect=*://example.com".into(),
        "net.connect=https://a..b".into(),
        "net.connect=https://.a".into(),
        "net.connect=https://.".into(),
        "net.connect=https://a b".into(),
        "net.connect=https://a\tb".into(),
        "net.connect=https://a\u{1b}b".into(),
        "net.connect=https://a%00b".into(),
        "net.connect=https://a%2fb".into(),
        "net.connect=https://a%40b".into(),
        "net.connect=https://a,b".into(),
        "net.connect=https://a'b".into(),
        "net.connect=https://[::1".into(),
        "net.connect=https://::1".into(),
        "net.connect=https://[::1]x".into(),
        "net.connect=https://[::1%25eth0]".into(),
        "net.connect=https://[v1.x]".into(),
        "net.connect=https://256.1.1.1".into(),
        "net.connect=https://1.2.3.4.5".into(),
        "net.connect=https://0x100000000".into(),
        "net.connect=https://xn--".into(),
        "net.connect=https://xn--a.com".into(),
        "net.connect=https://\u{ad}".into(),
        format!("net.connect=https://{}", "a".repeat(64)),
        format!("net.connect=https://{}", "a.".repeat(127) + "aa"),
        format!("net.connect=https://{}", long("a.")),
        // Environment, clock, randomness.
        "env.read=".into(),
        "env.read=A=B".into(),
        "env.read=A\0".into(),
        "env.read=*A".into(),
        "env.read=A*B".into(),
        "env.read=A**".into(),
        "env.read=**".into(),
        "env.read=\0*".into(),
        "env.write=A".into(),
        "clock=".into(),
        "clock=0".into(),
        "clock=1".into(),
        "clock=2ms".into(),
        "clock=1 ms".into(),
        "clock=1MS".into(),
        "clock=1m".into(),
        "clock=1ns".into(),
        "clock=true".into(),
        "clock=*".into(),
        "clock.write=1ms".into(),
        "random=".into(),
        "random=false".into(),
        "random=1".into(),
        "random=TRUE".into(),
        "random.write=true".into(),
    ];
    let families = Families::builtin();
    for input in &inputs {
        match families.parse_grant(input, &base()) {
            Err(error) => assert_good_message(&error, input),
            Ok(rights) => panic!("{input:?} is accepted as {rights:?}"),
        }
    }
    assert!(inputs.len() >= 110);
}

#[test]
fn malformed_operations() {
    let long_name = format!("fs read {}", "a".repeat(256));
    let long_path = format!("fs read {}", long("/a"));
    for input in [
        "",
        " ",
        "fs",
        "fs ",
        "fs read",
        "fs read ",
        "read /a",
        "FS read /a",
        "fs  read /a",
        "fs run /a",
        "fs read a\0b",
        &long_name,
        &long_path,
        "net connect",
        "net connect example.com",
        "net connect https://*.a.com",
        "net connect https://a/b",
        "net open https://a",
        "env read",
        "env read A=B",
        "clock",
        "clock read",
        "clock 2ms",
        "clock write 1ms",
        "random write",
        "random read urandom",
        "nothing",
        "nothing read x",
        "\u{1b}[2J",
        "rows read x",
    ] {
        match Families::builtin().parse_operation(input, &base()) {
            Err(error) => assert_good_message(&error, input),
            Ok(operation) => panic!("{input:?} is accepted as {operation:?}"),
        }
    }
}

#[test]
fn malformed_keys_and_holders() {
    let digits = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert!(format!("ed25519/{digits}").parse::<PublicKey>().is_ok());
    let keys = [
        String::new(),
        digits.to_owned(),
        format!("ed25519:{digits}"),
        format!("Ed25519/{digits}"),
        format!(" ed25519/{digits}"),
        format!("ed25519/{digits}\n"),
        format!("ed25519/{}", digits.to_uppercase()),
        format!("ed25519/0x{digits}"),
        format!("ed25519/{digits}00"),
        format!("ed25519/{}", digits.replacen("d7", "", 1)),
        format!("ed25519/{}", digits.replacen('d', "g", 1)),
        format!("ed25519/{}", "0".repeat(64)),
        format!("ed25519/{}", "f".repeat(64)),
        format!("ed25519/01{}", "0".repeat(62)),
        format!("ed25519/02{}", "0".repeat(62)),
        format!("secp256r1/{digits}"),
        format!("ed25519/{}", "é".repeat(32)),
        "ed25519/".to_owned(),
        "ed25519-private/".to_owned(),
        format!("ed25519/{}", long("a")),
    ];
    for input in &keys {
        assert_good_message(&input.parse::<PublicKey>().unwrap_err(), input);
        let private = input.replacen("ed25519/", "ed25519-private/", 1);
        if let Err(error) = private.parse::<KeyPair>() {
            assert_good_message(&error, input);
            // A message about a private key does not repeat the key.
            assert!(!error.to_string().contains(digits), "{error}");
        }
    }
    assert_eq!(
        format!("ed25519-private/{digits}").parse::<PublicKey>(),
        Err(KeyError::PrivateGiven)
    );
    assert_eq!(
        format!("ed25519/{digits}").parse::<KeyPair>().unwrap_err(),
        KeyError::PublicGiven
    );
    for input in [
        "",
        "blake3",
        "blake3:",
        "blake3:00",
        "sha256:00",
        "ed25519/00",
        "key",
        "\u{1b}[2J",
        "*",
    ] {
        assert_good_message(&input.parse::<Holder>().unwrap_err(), input);
    }
}

#[test]
fn malformed_tokens() {
    let root = KeyPair::generate().unwrap().public();
    for input in [
        "",
        "=",
        "====",
        "A",
        "AAA",
        "AAAA",
        "AAAAA",
        "a+b/",
        "biscuit:AAAA",
        "AAAA\n",
        " AAAA",
        "AA=A",
        "AA==AAAA",
        "ÄÄÄÄ",
        "\0\0\0\0",
        "EokB",
        "{\"token\":1}",
        "-----BEGIN TOKEN-----",
        "ed25519/00",
        "null",
    ] {
        assert_good_message(&Token::parse_text(input, &root).unwrap_err(), input);
    }
    for bytes in [
        vec![0; 16],
        vec![0xff; 16],
        vec![0x0a; 16],
        vec![0x12; MAX_TOKEN],
        vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![0x0a; MAX_TOKEN + 1],
        // Nested groups, at the maximum depth.
        vec![0x0b; MAX_TOKEN],
    ] {
        assert_good_message(&Token::verify(&bytes, &root).unwrap_err(), "bytes");
    }
}

#[test]
fn malformed_bases() {
    for input in [
        "",
        ".",
        "srv",
        "./srv",
        "~",
        "C:\\",
        "/a\0b",
        &long("/a"),
        &format!("/{}", "a".repeat(256)),
    ] {
        assert_good_message(&Base::new(input).unwrap_err(), input);
    }
}
