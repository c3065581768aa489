//! Stores that require tokens: `store serve --root-key`, `--store-token` and `store add --to`. Most tests are attacks.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{SystemTime, UNIX_EPOCH};

use secure_runtime_capabilities::{Base, Block, Families, KeyPair, RevocationList, Token};
use secure_runtime_loaders::ContentHash;

use super::stores::blob;
use super::{Done, command, greeting, secure_runtime, store};
use crate::support::Scene;

/// A `store serve` process that is killed when the value is dropped.
struct Served {
    server: Child,
    address: String,
}

impl Served {
    /// Serves the scene's store with these additional options.
    fn start(scene: &Scene, options: &[&str]) -> Served {
        let arguments = [&["store", "serve", "--listen", "127.0.0.1:0"], options].concat();
        let mut server = command(scene, &arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(server.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let address = line.trim_end().rsplit(' ').next().unwrap().to_owned();
        assert!(address.starts_with("http://127.0.0.1:"), "{line}");
        Served { server, address }
    }

    /// Sends a request, and returns the response without its date.
    fn raw(&self, request: &str) -> String {
        let mut connection = TcpStream::connect(self.address.trim_start_matches("http://")).unwrap();
        let request = format!("{request}\r\nHost: store\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let lines = answer.lines().filter(|line| !line.starts_with("date:"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = (self.server.kill(), self.server.wait());
    }
}

/// Starts a server that answers 404 to all requests, and sends the head of each request to the channel.
fn listener() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, heads) = channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut head = String::new();
            let mut lines = BufReader::new(connection.try_clone().unwrap());
            while lines.read_line(&mut head).unwrap() > 2 {}
            if sender.send(head).is_err() {
                return;
            }
            let _ =
                connection.write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (address, heads)
}

fn block(grants: &[String]) -> Block {
    let rights = Families::builtin().parse_grants(grants, &Base::new("/").unwrap());
    Block::of(rights.unwrap())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A store with the blob `hello`, and another machine with token files for the store.
struct World {
    origin: Scene,
    here: Scene,
    root: KeyPair,
    hello: ContentHash,
    /// The hash of `new.bin`, which the store does not have yet.
    new: ContentHash,
}

impl World {
    fn new() -> World {
        let (origin, here) = (Scene::new(), Scene::new().file("new.bin", "new"));
        fs::write(origin.base().join("hello.bin"), "hello").unwrap();
        secure_runtime(&origin, &["store", "add", "hello.bin"]).success();
        let world = World {
            origin,
            here,
            root: KeyPair::generate().unwrap(),
            hello: ContentHash::of(b"hello"),
            new: ContentHash::of(b"new"),
        };
        let mint = |grants: &[&str]| {
            let grants: Vec<String> = grants.iter().map(|grant| (*grant).to_owned()).collect();
            Token::mint(&world.root, &block(&grants)).unwrap()
        };
        let both = mint(&["store.read=*", "store.add=*"]);
        let narrowed = |block: &Block| both.attenuate(block).unwrap();
        let other = KeyPair::generate().unwrap();
        let other_hash = format!("blake3:{}", "cd".repeat(32));
        let only = |hash: &str| {
            narrowed(&block(&[
                format!("store.read={hash}"),
                format!("store.add={hash}"),
            ]))
        };
        for (name, token) in [
            ("both", both.clone()),
            ("read", mint(&["store.read=*"])),
            ("add", mint(&["store.add=*"])),
            ("files", mint(&["fs.read=/**", "fs.write=/**", "kv.read=*"])),
            ("modules", mint(&[&format!("module.import={}", world.hello)])),
            ("hello", only(&world.hello.to_string())),
            ("new", only(&world.new.to_string())),
            ("other-hash", only(&other_hash)),
            (
                "other-root",
                Token::mint(&other, &block(&["store.read=*".into(), "store.add=*".into()])).unwrap(),
            ),
            (
                "expired",
                narrowed(&Block {
                    expires: Some(now() - 1),
                    ..Block::default()
                }),
            ),
            (
                "early",
                narrowed(&Block {
                    not_before: Some(now() + 3600),
                    ..Block::default()
                }),
            ),
            ("bound", both.seal_for(other.holder()).unwrap()),
            (
                "unattested",
                narrowed(&Block {
                    attested_by: Some(other.public()),
                    ..Block::default()
                }),
            ),
            ("revoked", narrowed(&Block::default())),
        ] {
            world.write(name, &token.to_text());
            if name == "revoked" {
                let list = RevocationList::new(1, now() - 1, now() + 3600, [token.id()]).unwrap();
                fs::write(world.origin.base().join("list"), list.sign(&world.root).unwrap()).unwrap();
            }
        }
        world.write("garbage", "garbage");
        world.write("empty-token", "====");
        world
    }

    fn write(&self, name: &str, token: &str) {
        fs::write(
            self.here.base().join(format!("{name}.token")),
            format!("{token}\n"),
        )
        .unwrap();
    }

    fn serve(&self, options: &[&str]) -> Served {
        let key = self.root.public().to_string();
        let options = [&["--root-key", &key, "--revocations", "list"], options].concat();
        Served::start(&self.origin, &options)
    }

    /// Runs `store get` on the other machine, with or without a token, with an empty local store.
    fn get(&self, served: &Served, hash: &ContentHash, token: Option<&str>) -> Done {
        let _ = fs::remove_dir_all(store(&self.here));
        let _ = fs::remove_file(self.here.base().join("got"));
        let (hash, token) = (hash.to_string(), token.map(|name| format!("{name}.token")));
        let mut arguments = vec!["store", "get", &hash, "--out", "got", "--store", &served.address];
        arguments.extend(token.iter().flat_map(|token| ["--store-token", token]));
        secure_runtime(&self.here, &arguments)
    }

    /// Runs `store add --to` on the other machine.
    fn add(&self, served: &Served, file: &str, token: Option<&str>) -> Done {
        let token = token.map(|name| format!("{name}.token"));
        let mut arguments = vec!["store", "add", file, "--to", &served.address];
        arguments.extend(token.iter().flat_map(|token| ["--store-token", token]));
        secure_runtime(&self.here, &arguments)
    }
}

/// Tokens that allow no operation, and the reason for the refusal.
const REFUSED: [(Option<&str>, &str); 11] = [
    (None, "this store requires a token"),
    (Some("other-root"), "a signature does not hold"),
    (Some("expired"), "block 1: it expired at 2"),
    (Some("early"), "block 1: it is valid only from 2"),
    (Some("other-hash"), "block 1: it has store."),
    (Some("files"), "block 0: it has no grant of store."),
    (Some("modules"), "block 0: it has no grant of store."),
    (
        Some("bound"),
        "sending it does not prove possession of the holder's key",
    ),
    (Some("unattested"), "it is only for modules that ed25519/"),
    (Some("revoked"), "block 1: it was revoked"),
    (Some("garbage"), "not URL-safe Base64"),
];

/// CLI-29, STORE-19. A refusal names the reason, and reveals nothing about the content of the store.
#[test]
fn reading_needs_a_token() {
    let world = World::new();
    let served = world.serve(&[]);
    let cases = REFUSED.into_iter().chain([
        (Some("add"), "block 0: it has no grant of store.read"),
        (Some("new"), "block 1: it has store.read of `blake3:"),
    ]);
    let absent = ContentHash::of(b"absent");
    for (token, why) in cases {
        let said = world.get(&served, &world.hello, token).failure_with_hint(2);
        assert!(
            said.contains("refuses") && said.contains(why),
            "{token:?}: {said}"
        );
        assert!(!world.here.base().join("got").exists());
        let of_absent = world.get(&served, &absent, token).failure_with_hint(2);
        let (present, absent) = (world.hello.to_hex(), absent.to_hex());
        let replaced = said
            .replace(
                &format!("{}/{present}", &present[..2]),
                &format!("{}/{absent}", &absent[..2]),
            )
            .replace(&present, &absent);
        assert_eq!(replaced, of_absent, "{token:?}");
        if let Some(token) = token {
            let text = world.here.read(&format!("{token}.token"));
            assert!(token == "garbage" || !said.contains(text.trim_end()), "{said}");
        }
    }
    for token in ["read", "both", "hello"] {
        world.get(&served, &world.hello, Some(token)).success();
        assert_eq!(world.here.read("got"), "hello");
    }
    let said = world.get(&served, &absent, Some("read")).failure_with_hint(2);
    assert!(said.contains("has no blake3:"), "{said}");
}

/// STORE-19. A refusal is the same, byte for byte, for existing and missing blobs, outboards and signatures.
#[test]
fn a_refusal_is_the_same_for_existing_and_missing_content() {
    let world = World::new();
    let served = world.serve(&[]);
    let paths = |hash: &ContentHash| {
        let digits = hash.to_hex();
        let place = format!("{}/{digits}", &digits[..2]);
        [
            format!("/blobs/{place}"),
            format!("/outboards/{place}"),
            format!("/signatures/{place}/{}", "ab".repeat(32)),
        ]
    };
    let (present, absent) = (paths(&world.hello), paths(&ContentHash::of(b"absent")));
    for token in [None, Some("expired"), Some("add"), Some("garbage"), Some("new")] {
        let header = token.map_or(String::new(), |token| {
            format!(
                "\r\nAuthorization: Bearer {}",
                world.here.read(&format!("{token}.token")).trim_end()
            )
        });
        for (present, absent) in present.iter().zip(&absent) {
            for method in ["GET", "HEAD", "PUT"] {
                if method == "PUT" && token == Some("add") {
                    continue; // The token allows it.
                }
                let ask = |path: &str| served.raw(&format!("{method} {path} HTTP/1.1{header}"));
                assert_eq!(ask(present), ask(absent), "{method} {present} {token:?}");
            }
            let got = served.raw(&format!("GET {present} HTTP/1.1{header}"));
            let status = if token.is_some() { "403" } else { "401" };
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{got}");
        }
    }
    // A token that allows reading gets different responses.
    let header = format!(
        "Authorization: Bearer {}",
        world.here.read("read.token").trim_end()
    );
    let ask = |path: &str| served.raw(&format!("GET {path} HTTP/1.1\r\n{header}"));
    assert!(ask(&present[0]).starts_with("HTTP/1.1 200 ") && ask(&absent[0]).starts_with("HTTP/1.1 404 "));
}

/// CLI-31, STORE-19, STORE-21. Adding a blob needs the right `store.add` for that blob. Reading it needs a separate
/// right.
#[test]
fn adding_needs_a_token() {
    let world = World::new();
    let served = world.serve(&[]);
    let cases = REFUSED.into_iter().chain([
        (Some("read"), "block 0: it has no grant of store.add"),
        (Some("hello"), "block 1: it has store.add of `blake3:"),
    ]);
    for (token, why) in cases {
        let said = world.add(&served, "new.bin", token).failure_with_hint(2);
        assert!(
            said.contains("refuses") && said.contains(why),
            "{token:?}: {said}"
        );
        assert!(!blob(&world.origin, &world.new).exists(), "{token:?}");
    }
    for token in ["new", "add", "both"] {
        let added = world.add(&served, "new.bin", Some(token)).success();
        assert!(added.starts_with(&world.new.to_string()), "{added}");
        assert_eq!(fs::read(blob(&world.origin, &world.new)).unwrap(), b"new");
        fs::remove_file(blob(&world.origin, &world.new)).unwrap();
    }
    world.add(&served, "new.bin", Some("add")).success();
    let said = world.get(&served, &world.new, Some("add")).failure_with_hint(2);
    assert!(said.contains("it has no grant of store.read"), "{said}");
    world.get(&served, &world.new, Some("read")).success();

    // The client reports the reason even if the server closes the connection before everything was sent.
    let large: Vec<u8> = (0..8_000_000_u32).map(|number| (number % 251) as u8).collect();
    fs::write(world.here.base().join("large.bin"), &large).unwrap();
    let said = world.add(&served, "large.bin", Some("read")).failure_with_hint(2);
    assert!(said.contains("it has no grant of store.add"), "{said}");
    world.add(&served, "large.bin", Some("add")).success();
    assert!(fs::read(blob(&world.origin, &ContentHash::of(&large))).unwrap() == large);
    // A store without a root key does not accept blobs.
    let open = Served::start(&world.origin, &[]);
    world.add(&open, "new.bin", Some("both")).failure_with_hint(2);
    world.get(&open, &world.hello, None).success();
}

/// CLI-44. The limits of a server can be configured, and idle clients do not block others.
#[test]
fn the_limits_of_a_server_can_be_set() {
    let world = World::new();
    let served = world.serve(&["--max-blob", "4B", "--max-connections", "8"]);
    let silent: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut connection = TcpStream::connect(served.address.trim_start_matches("http://")).unwrap();
            connection.write_all(b"GET /blobs/").unwrap();
            connection
        })
        .collect();
    world.get(&served, &world.hello, Some("read")).success();
    world.add(&served, "new.bin", Some("add")).success();
    fs::write(world.here.base().join("large.bin"), "larger").unwrap();
    world.add(&served, "large.bin", Some("add")).failure_with_hint(2);
    assert!(!blob(&world.origin, &ContentHash::of(b"larger")).exists());
    drop(silent);
    for wrong in [["--max-blob", "many"], ["--max-connections", "3"]] {
        let arguments = [&["store", "serve", "--listen", "127.0.0.1:0"], &wrong[..]].concat();
        secure_runtime(&world.origin, &arguments).failure(2);
    }
}

/// CLI-29. Everyone may read, and adding needs a token.
#[test]
fn reading_can_be_public() {
    let world = World::new();
    let served = world.serve(&["--public-read"]);
    for token in [None, Some("read"), Some("expired"), Some("garbage")] {
        world.get(&served, &world.hello, token).success();
        let said = world.add(&served, "new.bin", token).failure_with_hint(2);
        assert!(said.contains("refuses"), "{said}");
    }
    world.add(&served, "new.bin", Some("add")).success();
    world.get(&served, &world.new, None).success();
}

/// CLI-29. A token that is revoked while the store is served is refused from then on. With a stale list, every token is
/// refused.
#[test]
fn tokens_are_revoked_while_a_store_is_served() {
    let world = World::new();
    let served = world.serve(&[]);
    world.get(&served, &world.hello, Some("hello")).success();
    let text = world.here.read("hello.token");
    let hello = Token::parse_text(text.trim_end(), &world.root.public()).unwrap();
    let list = RevocationList::new(2, now() - 1, now() + 3600, [hello.id()]).unwrap();
    let (path, next) = (world.origin.base().join("list"), world.origin.base().join("next"));
    fs::write(&next, list.sign(&world.root).unwrap()).unwrap();
    fs::rename(&next, &path).unwrap();
    // The server looks for a new list every second.
    let said = loop {
        let done = world.get(&served, &world.hello, Some("hello"));
        if done.code != Some(0) {
            break done.failure_with_hint(2);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert!(said.contains("block 1: it was revoked"), "{said}");
    world.get(&served, &world.hello, Some("read")).success();
    drop(served);

    let stale = RevocationList::new(3, now() - 2, now() - 1, []).unwrap();
    fs::write(&path, stale.sign(&world.root).unwrap()).unwrap();
    let key = world.root.public().to_string();
    let serve = |more: &[&str]| {
        let arguments = [&["store", "serve", "--listen", "127.0.0.1:0"], more].concat();
        secure_runtime(&world.origin, &arguments).failure_with_hint(2)
    };
    let said = serve(&["--root-key", &key, "--revocations", "list"]);
    assert!(said.contains("stale"), "{said}");
    serve(&["--root-key", "ed25519/00"]);
    for alone in [&["--public-read"][..], &["--revocations", "list"]] {
        let arguments = [&["store", "serve", "--listen", "127.0.0.1:0"], alone].concat();
        let said = secure_runtime(&world.origin, &arguments).failure(2);
        assert!(said.contains("--root-key"), "{said}");
    }
}

/// CLI-30. A token is sent only to its store, and never to another store, a proxy or another origin.
#[test]
fn a_token_is_sent_only_to_its_store() {
    let world = World::new();
    let secret = world.here.read("both.token");
    let secret = secret.trim_end();
    let hash = world.hello.to_string();
    let get = |more: &[&str]| {
        let arguments = [&["store", "get", &hash, "--out", "got"], more].concat();
        secure_runtime(&world.here, &arguments)
    };
    let (one, heads_of_one) = listener();
    let (other, heads_of_other) = listener();
    let for_other = format!("{other}=both.token");
    get(&["--store", &one, "--store", &other, "--store-token", &for_other]).failure_with_hint(2);
    let said_to = |heads: &Receiver<String>| heads.try_iter().collect::<Vec<_>>();
    let (to_one, to_other) = (said_to(&heads_of_one), said_to(&heads_of_other));
    assert!(
        !to_one.is_empty() && !to_one.concat().contains(secret),
        "{to_one:?}"
    );
    assert!(
        !to_one.concat().to_lowercase().contains("authorization"),
        "{to_one:?}"
    );
    assert!(!to_other.is_empty(), "{to_other:?}");
    assert!(
        to_other
            .iter()
            .all(|head| head.contains(&format!("Bearer {secret}"))),
        "{to_other:?}"
    );

    // With a single address, the option need not name it. A folder does not count as an address.
    let folder = store(&world.origin);
    let folder = folder.to_str().unwrap();
    let empty = Scene::new().folder("store/blobs");
    let empty = empty.base().join("store");
    get(&[
        "--store",
        empty.to_str().unwrap(),
        "--store",
        &one,
        "--store-token",
        "both.token",
    ])
    .failure_with_hint(2);
    let to_one = said_to(&heads_of_one).concat();
    assert!(to_one.contains(&format!("Bearer {secret}")), "{to_one}");

    // No request is sent if the store of the token is unclear, or if others could read the token on its way.
    let port = one.rsplit(':').next().unwrap();
    let in_the_open = format!("http://localhost:{port}");
    let to_strangers = format!("https://example.com={}", "both.token");
    for (more, why) in [
        (
            &["--store", &one, "--store", &other, "--store-token", "both.token"][..],
            "URL=FILE",
        ),
        (
            &["--store", &one, "--store-token", &to_strangers],
            "does not begin with the address of a --store",
        ),
        (
            &["--store", folder, "--store-token", "both.token"],
            "no store is given",
        ),
        (&["--store-token", "both.token"], "no store is given"),
        (
            &["--store", &in_the_open, "--store-token", "both.token"],
            "https://",
        ),
        (
            &[
                "--store",
                &one,
                "--store-token",
                "both.token",
                "--store-token",
                "read.token",
            ],
            "two tokens",
        ),
        (
            &["--store", &one, "--store-token", "absent.token"],
            "the token absent.token",
        ),
        (
            &["--store", &one, "--store-token", "two-lines.token"],
            "a token is one line",
        ),
    ] {
        world.write("two-lines", "one\r\nHost: evil");
        let said = get(more).failure_with_hint(2);
        assert!(said.contains(why), "{more:?}: {said}");
        assert!(!said.contains(secret), "{said}");
    }
    assert_eq!(
        (said_to(&heads_of_one), said_to(&heads_of_other)),
        (vec![], vec![])
    );
    // Without the token, the request is sent to the same address.
    get(&["--store", &in_the_open]).failure_with_hint(2);
    assert!(!said_to(&heads_of_one).is_empty());

    // The token is not sent to the target of a redirect.
    let redirecting = crate::support::Server::start();
    let store = format!("{}/redirect/307/{one}", redirecting.origin());
    get(&["--store", &store, "--store-token", "both.token"]).failure(2);
    assert!(!redirecting.requests().is_empty());
    let to = world.add_to(&store);
    assert!(to.contains("307"), "{to}");
    assert_eq!(said_to(&heads_of_one), Vec::<String>::new());
}

impl World {
    fn add_to(&self, address: &str) -> String {
        let arguments = [
            "store",
            "add",
            "new.bin",
            "--to",
            address,
            "--store-token",
            "both.token",
        ];
        secure_runtime(&self.here, &arguments).failure(2)
    }
}

/// CLI-30. Every command with `--store` accepts a token for it.
#[test]
fn programs_can_come_from_a_store_that_requires_a_token() {
    let world = World::new();
    let origin = greeting();
    secure_runtime(&origin, &["lock"]).success();
    let key = world.root.public().to_string();
    let served = Served::start(&origin, &["--root-key", &key]);
    let there = Scene::new()
        .file("secure.toml", origin.read("secure.toml"))
        .file(
            "secure.lock",
            fs::read(origin.base().join("secure.lock")).unwrap(),
        )
        .file("read.token", world.here.read("read.token"))
        .folder("out");
    let from = ["--store", &served.address];
    let with = ["--store-token", "read.token"];
    let said = secure_runtime(&there, &[&["run", "--locked"][..], &from].concat()).failure_with_hint(2);
    assert!(said.contains("requires a token"), "{said}");
    let ran = secure_runtime(&there, &[&["run", "--locked"][..], &from, &with].concat()).success();
    assert_eq!(ran, "Hello, world!\n");

    for command in [
        &["verify"][..],
        &["lock", "--frozen"],
        &["graph", "diff", ".", "--text"],
    ] {
        let done = secure_runtime(&origin, &[command, &from].concat());
        done.success();
        fs::write(origin.base().join("read.token"), world.here.read("read.token")).unwrap();
        secure_runtime(&origin, &[command, &from, &with].concat()).success();
        secure_runtime(&origin, &[command, &from, &["--store-token", "absent"]].concat())
            .failure_with_hint(2);
    }
}

/// CLI-6. Progress is shown only on a terminal.
#[test]
fn progress_is_shown_only_on_terminals() {
    let origin = greeting();
    secure_runtime(&origin, &["lock"]).success();
    let served = Served::start(&origin, &[]);
    let there = Scene::new()
        .file("secure.toml", origin.read("secure.toml"))
        .file(
            "secure.lock",
            fs::read(origin.base().join("secure.lock")).unwrap(),
        )
        .folder("out");
    let plain = secure_runtime(&there, &["run", "--locked", "--store", &served.address]);
    // A build with QuickJS prints its caution in one line.
    let said = plain.err.lines().filter(|line| !line.contains("QuickJS-ng"));
    assert_eq!(said.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(plain.out, "Hello, world!\n");
    fs::remove_dir_all(store(&there)).unwrap();
    // `script` of util-linux runs a command in a terminal.
    let line = format!(
        "{} run --locked --store {}",
        env!("CARGO_BIN_EXE_secure-runtime"),
        served.address
    );
    let mut terminal = std::process::Command::new("/usr/bin/script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    terminal
        .current_dir(there.base())
        .env_clear()
        .env("TERM", "xterm");
    terminal
        .env("HOME", super::home(&there))
        .env("SECURE_RUNTIME_STORE", store(&there));
    let shown = Done::from(terminal.stdin(Stdio::null()).output().unwrap()).success();
    assert!(shown.contains("Hello, world!"), "{shown:?}");
    // The number of drawn frames depends on the speed.
    assert!(shown.contains("verifying"), "{shown:?}");
}

/// TOK-44. Programs cannot use rights of `store`, and no advice suggests them.
#[test]
fn no_program_is_granted_rights_on_a_store() {
    let scene = greeting();
    let granted = scene
        .read("secure.toml")
        .replace("[grants]\n", "[grants]\nstore.read = [\"*\"]\n");
    let refused = |done: Done| {
        let said = done.failure_with_hint(2);
        assert!(said.contains("no program can use rights of `store`"), "{said}");
        said
    };
    let question = format!("store read blake3:{}", "ab".repeat(32));
    refused(secure_runtime(
        &scene,
        &["explain", &question, "--module", "./main.js"],
    ));
    secure_runtime(&scene, &["run"]).success();
    let scene = scene.file("secure.toml", granted);
    let said = refused(secure_runtime(&scene, &["run"]));
    assert!(
        said.contains("secure.toml") && said.contains("store.read = "),
        "{said}"
    );
    refused(secure_runtime(&scene, &["lock"]));
    let alone = Scene::new().file("a.js", "console.log(1)");
    refused(secure_runtime(
        &alone,
        &["run", "a.js", "--grant", "store.read=*"],
    ));
    secure_runtime(&alone, &["run", "a.js", "--grant", "kv.read=*"]).success();
}
