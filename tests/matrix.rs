//! A test of every operation with every kind of grant, based on the table of operations. It fails if an operation has
//! no call here, or is not refused.

use secure_runtime::OperationRow;
use secure_runtime_capabilities::{Base, Block, Families, KeyPair, PublicKey, Token};

use crate::support::{Scene, Server, operations};

/// A call of one operation, and the grants for it.
struct Call {
    /// The name of the operation in the table.
    name: &'static str,
    /// An expression that uses the exports of `cap:self`.
    call: &'static str,
    /// The grants that allow the call.
    right: &'static [&'static str],
    /// Grants for the same family and action on another resource. Empty if the family has only one resource.
    wrong_resource: &'static [&'static str],
    /// The resource of each decision, after its action if this is another one than that of the operation. `${base}` is
    /// the program's folder, and `${server}` is a local server.
    resources: &'static [&'static str],
}

const fn call(
    name: &'static str,
    call: &'static str,
    right: &'static [&'static str],
    wrong_resource: &'static [&'static str],
    resources: &'static [&'static str],
) -> Call {
    Call {
        name,
        call,
        right,
        wrong_resource,
        resources,
    }
}

const READ: &[&str] = &["fs.read=./data/**"];
const READ_OTHER: &[&str] = &["fs.read=./other/**"];
const WRITE: &[&str] = &["fs.write=./data/**"];
const WRITE_OTHER: &[&str] = &["fs.write=./other/**"];
const FILE: &[&str] = &["${base}/data/a.txt"];
const CLOCK: &[&str] = &["clock=1s"];
const RANDOM: &[&str] = &["random=true"];
const KV_READ: &[&str] = &["kv.read=a/*"];
const KV_WRITE: &[&str] = &["kv.write=a/*"];

const SEND: &[&str] = &["secrets.send=API@https://example.com"];
const KEY: &[&str] = &["secrets.key=API@HMAC-SHA-256"];
const HTTP: &[&str] = &["http.listen=127.0.0.1:0"];

const HOLDER: &str = "blake3:0707070707070707070707070707070707070707070707070707070707070707";

const CALLS: &[Call] = &[
    call(
        "fs.readTextFile",
        "fs.readTextFile('data/a.txt')",
        READ,
        READ_OTHER,
        FILE,
    ),
    call("fs.readFile", "fs.readFile('data/a.txt')", READ, READ_OTHER, FILE),
    call(
        "fs.writeTextFile",
        "fs.writeTextFile('data/a.txt', '')",
        WRITE,
        WRITE_OTHER,
        FILE,
    ),
    call(
        "fs.writeFile",
        "fs.writeFile('data/a.txt', new Uint8Array(1))",
        WRITE,
        WRITE_OTHER,
        FILE,
    ),
    call(
        "fs.readDir",
        "fs.readDir('data').next()",
        READ,
        READ_OTHER,
        &["${base}/data"],
    ),
    call("fs.stat", "fs.stat('data/a.txt')", READ, READ_OTHER, FILE),
    call(
        "fs.mkdir",
        "fs.mkdir('data/new')",
        WRITE,
        WRITE_OTHER,
        &["${base}/data/new"],
    ),
    call("fs.remove", "fs.remove('data/a.txt')", WRITE, WRITE_OTHER, FILE),
    call(
        "fs.rename",
        "fs.rename('data/a.txt', 'data/b.txt')",
        WRITE,
        WRITE_OTHER,
        &["${base}/data/a.txt", "${base}/data/b.txt"],
    ),
    call(
        "fs.open for reading",
        "fs.open('data/a.txt').then(async (file) => { await file.read(new Uint8Array(1)); file.close(); })",
        READ,
        READ_OTHER,
        &["${base}/data/a.txt", "${base}/data/a.txt"],
    ),
    call(
        "fs.open for writing",
        "fs.open('data/a.txt', { write: true }).then(async (file) => { await file.write(new Uint8Array(1)); file.close(); })",
        WRITE,
        WRITE_OTHER,
        &["${base}/data/a.txt", "${base}/data/a.txt"],
    ),
    call("fs.lstat", "fs.lstat('data/a.txt')", READ, READ_OTHER, FILE),
    call(
        "fs.copyFile",
        "fs.copyFile('data/a.txt', 'data/b.txt')",
        &["fs.read=./data/**", "fs.write=./data/**"],
        READ_OTHER,
        &["${base}/data/a.txt", "write ${base}/data/b.txt"],
    ),
    call(
        "fs.symlink",
        "fs.symlink('a.txt', 'data/b.txt')",
        WRITE,
        WRITE_OTHER,
        &["${base}/data/b.txt"],
    ),
    call(
        "fs.readLink",
        "fs.readLink('data/link')",
        READ,
        READ_OTHER,
        &["${base}/data/link"],
    ),
    call(
        "fs.link",
        "fs.link('data/a.txt', 'data/b.txt')",
        &["fs.read=./data/**", "fs.write=./data/**"],
        WRITE_OTHER,
        &[
            "${base}/data/a.txt",
            "read ${base}/data/a.txt",
            "${base}/data/b.txt",
        ],
    ),
    call(
        "fs.watch",
        "fs.watch('data').then(async (watch) => { const next = watch.next(); await watch.return(); await next; })",
        READ,
        READ_OTHER,
        &["${base}/data", "${base}/data"],
    ),
    call(
        "fs.walk",
        "fs.walk('data').next()",
        READ,
        READ_OTHER,
        &["${base}/data", "${base}/data"],
    ),
    call(
        "fs.makeTempFile",
        "fs.makeTempFile({ dir: 'data', prefix: 'chosen-' })",
        WRITE,
        WRITE_OTHER,
        &["${base}/data/chosen-"],
    ),
    call(
        "fs.makeTempDir",
        "fs.makeTempDir({ dir: 'data', prefix: 'chosen-' })",
        WRITE,
        WRITE_OTHER,
        &["${base}/data/chosen-"],
    ),
    call(
        "fs.truncate",
        "fs.truncate('data/a.txt')",
        WRITE,
        WRITE_OTHER,
        FILE,
    ),
    call(
        "fs.chmod",
        "fs.chmod('data/a.txt', 0o600)",
        WRITE,
        WRITE_OTHER,
        FILE,
    ),
    call(
        "fs.utime",
        "fs.utime('data/a.txt', 0, 0)",
        WRITE,
        WRITE_OTHER,
        FILE,
    ),
    call(
        "fs.attenuate",
        "fs.attenuate({ read: ['./data/**'] })",
        &[],
        &[],
        &[],
    ),
    call(
        "net.fetch",
        "net.fetch('${server}/ok')",
        &["net.connect=${server}"],
        &["net.connect=https://example.com"],
        &["${server}"],
    ),
    // The socket is decided when it is made, and when it connects.
    call(
        "net.webSocket",
        "net.webSocket('${server}/ok')",
        &["net.connect=${server}"],
        &["net.connect=https://example.com"],
        &["${server}", "${server}"],
    ),
    call(
        "net.connect",
        "net.connect({ port: ${port} }).then(async (connection) => { await connection.write(new Uint8Array(1)); connection.close(); })",
        &["net.connect=tcp://127.0.0.1:${port}"],
        &[
            "net.connect=tls://127.0.0.1:${port}",
            "net.connect=udp://127.0.0.1:${port}",
            "net.connect=${server}",
            "net.connect=tcp://127.0.0.1:9",
        ],
        // Opening it, and the call of `write`.
        &["tcp://127.0.0.1:${port}", "tcp://127.0.0.1:${port}"],
    ),
    call(
        "net.connectTls",
        // Nobody listens there.
        "net.connectTls({ port: 9 }).catch((error) => { if (error.code !== 'ECONNREFUSED') throw error; })",
        &["net.connect=tls://127.0.0.1:9"],
        &[
            "net.connect=tcp://127.0.0.1:9",
            "net.connect=https://127.0.0.1:9",
            "net.connect=tls://127.0.0.1:10",
        ],
        &["tls://127.0.0.1:9"],
    ),
    call(
        "net.listen",
        "(async () => { net.listen({ port: 0 }).close(); })()",
        &["net.listen=tcp://127.0.0.1:0"],
        &[
            "net.listen=udp://127.0.0.1:0",
            "net.listen=tcp://[::1]:0",
            "net.listen=tcp://127.0.0.1:1",
        ],
        &["tcp://127.0.0.1:0"],
    ),
    call(
        "net.listenDatagram",
        "(async () => { const socket = net.listenDatagram({ port: 0 }); await socket.send(new Uint8Array(1), { port: 9 }); socket.close(); })()",
        &["net.listen=udp://127.0.0.1:0", "net.connect=udp://127.0.0.1:9"],
        &["net.listen=tcp://127.0.0.1:0", "net.listen=udp://*:1"],
        // Opening it, and sending.
        &[
            "udp://127.0.0.1:0",
            "udp://127.0.0.1:0",
            "connect udp://127.0.0.1:9",
        ],
    ),
    call(
        "net.resolve",
        "net.resolve('localhost')",
        &["net.resolve=localhost"],
        &["net.resolve=*.localhost", "net.resolve=example.com"],
        &["localhost"],
    ),
    call(
        "net.attenuate",
        "net.attenuate({ connect: ['https://example.com'] })",
        &[],
        &[],
        &[],
    ),
    call(
        "env.get",
        "env.get('NAME')",
        &["env.read=NAME"],
        &["env.read=OTHER"],
        &["NAME"],
    ),
    call(
        "env.attenuate",
        "env.attenuate({ read: ['NAME'] })",
        &[],
        &[],
        &[],
    ),
    call("clock.now", "clock.now()", CLOCK, &[], &["1s"]),
    call(
        "clock.attenuate",
        "clock.attenuate({ expires: '1h' })",
        &[],
        &[],
        &[],
    ),
    call("random.bytes", "random.bytes(1)", RANDOM, &[], &["os"]),
    call("random.number", "random.number()", RANDOM, &[], &["os"]),
    call(
        "random.attenuate",
        "random.attenuate({ expires: '1h' })",
        &[],
        &[],
        &[],
    ),
    call("fs.revocable", "fs.revocable().revoke()", &[], &[], &[]),
    call(
        "seal(fs)",
        "seal(fs, { holder: '${holder}' })",
        READ,
        &[],
        &["${holder}"],
    ),
    call("net.revocable", "net.revocable().revoke()", &[], &[], &[]),
    call(
        "seal(net)",
        "seal(net, { holder: '${holder}' })",
        &["net.connect=https://example.com"],
        &[],
        &["${holder}"],
    ),
    call("env.revocable", "env.revocable().revoke()", &[], &[], &[]),
    call(
        "seal(env)",
        "seal(env, { holder: '${holder}' })",
        &["env.read=NAME"],
        &[],
        &["${holder}"],
    ),
    call("clock.revocable", "clock.revocable().revoke()", &[], &[], &[]),
    call(
        "seal(clock)",
        "seal(clock, { holder: '${holder}' })",
        CLOCK,
        &[],
        &["${holder}"],
    ),
    call("kv.get", "kv.get('a/1')", KV_READ, &["kv.read=b/*"], &["a/1"]),
    call(
        "kv.getEntry",
        "kv.getEntry('a/1')",
        KV_READ,
        &["kv.read=b/*"],
        &["a/1"],
    ),
    call(
        "kv.set",
        "kv.set('a/1', 'x')",
        KV_WRITE,
        &["kv.write=b/*"],
        &["a/1"],
    ),
    call(
        "kv.delete",
        "kv.delete('a/1')",
        KV_WRITE,
        &["kv.write=b/*"],
        &["a/1"],
    ),
    call(
        "kv.list",
        "kv.list({ prefix: 'a/' }).next()",
        KV_READ,
        &["kv.read=b/*"],
        &["a/*"],
    ),
    call(
        "kv.entries",
        "kv.entries({ prefix: 'a/' }).next()",
        KV_READ,
        &["kv.read=b/*"],
        &["a/*"],
    ),
    call(
        "kv.atomic to change",
        "kv.atomic().set('a/1', 'x').delete('a/2').commit()",
        KV_WRITE,
        &["kv.write=b/*"],
        &["a/1", "a/2"],
    ),
    call(
        "kv.atomic to check",
        "kv.atomic().check({ key: 'a/1', versionstamp: null }, { key: 'a/2', versionstamp: null }).commit()",
        KV_READ,
        &["kv.read=b/*"],
        &["a/1", "a/2"],
    ),
    call(
        "kv.watch",
        "kv.watch(['a/1', 'a/2']).next()",
        KV_READ,
        &["kv.read=b/*"],
        // Opening it, and the call of `next`.
        &["a/1", "a/2", "a/1", "a/2"],
    ),
    call("kv.attenuate", "kv.attenuate({ read: ['a/*'] })", &[], &[], &[]),
    call("kv.revocable", "kv.revocable().revoke()", &[], &[], &[]),
    call(
        "seal(kv)",
        "seal(kv, { holder: '${holder}' })",
        KV_READ,
        &[],
        &["${holder}"],
    ),
    call(
        "http.serve",
        "http.serve({ port: 0 }, () => {}).shutdown()",
        HTTP,
        &["http.listen=127.0.0.1:1", "http.listen=[::1]:0"],
        // The server, the wait for the first request, and the shutdown.
        &["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"],
    ),
    call(
        "http.shutdown",
        "http.serve({ port: 0 }, () => {}).shutdown()",
        HTTP,
        &["http.listen=*:1"],
        &["127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"],
    ),
    call(
        "http.attenuate",
        "http.attenuate({ listen: ['*:80'] })",
        &[],
        &[],
        &[],
    ),
    call("http.revocable", "http.revocable().revoke()", &[], &[], &[]),
    call(
        "seal(http)",
        "seal(http, { holder: '${holder}' })",
        HTTP,
        &[],
        &["${holder}"],
    ),
    call(
        "log.info",
        "log.info('message', { a: 1 })",
        &["log=true"],
        &[],
        &["true"],
    ),
    call(
        "log.attenuate",
        "log.attenuate({ write: ['true'] })",
        &[],
        &[],
        &[],
    ),
    call("log.revocable", "log.revocable().revoke()", &[], &[], &[]),
    call(
        "seal(log)",
        "seal(log, { holder: '${holder}' })",
        &["log=true"],
        &[],
        &["${holder}"],
    ),
    call(
        "secrets.placeholder",
        "secrets.placeholder('API', 'https://example.com')",
        SEND,
        &[
            "secrets.send=API@https://example.com:8443",
            "secrets.send=OTHER@https://example.com",
        ],
        &["API@https://example.com:443"],
    ),
    call(
        "secrets.key",
        // QuickJS has no keys, so it decides before it refuses.
        "secrets.key('API', 'HMAC-SHA-256').catch((error) => { if (error.name !== 'NotSupportedError') throw error; })",
        KEY,
        &["secrets.key=API@HMAC-SHA-1", "secrets.key=OTHER@HMAC-SHA-256"],
        &["API@HMAC-SHA-256"],
    ),
    call(
        "secrets.attenuate",
        "secrets.attenuate({ send: ['API@https://example.com'] })",
        &[],
        &[],
        &[],
    ),
    call("secrets.revocable", "secrets.revocable().revoke()", &[], &[], &[]),
    call(
        "seal(secrets)",
        "seal(secrets, { holder: '${holder}' })",
        SEND,
        &[],
        &["${holder}"],
    ),
    call("random.revocable", "random.revocable().revoke()", &[], &[], &[]),
    call(
        "seal(random)",
        "seal(random, { holder: '${holder}' })",
        RANDOM,
        &[],
        &["${holder}"],
    ),
];

/// Returns grants for another action of the family on all resources, which must not allow the call. Empty if there is
/// none.
fn wrong_action(row: &OperationRow) -> &'static [&'static str] {
    match (row.family.as_str(), row.action.as_deref()) {
        ("fs", Some("read")) => &["fs.write=/**"],
        ("fs", Some("write")) => &["fs.read=/**"],
        ("net", Some("connect")) => &[
            "net.listen=tcp://*:0",
            "net.listen=udp://*:0",
            "net.resolve=localhost",
        ],
        ("net", Some("listen")) => &[
            "net.connect=tcp://0.0.0.0/0:1-65535",
            "net.resolve=localhost",
            "http.listen=*:0",
        ],
        ("net", Some("resolve")) => &[
            "net.connect=tcp://localhost:1-65535",
            "net.connect=tcp://0.0.0.0/0:1-65535",
            "net.connect=https://localhost",
        ],
        ("kv", Some("read")) => &["kv.write=*"],
        ("kv", Some("write")) => &["kv.read=*"],
        ("secrets", Some("send")) => KEY,
        ("secrets", Some("key")) => SEND,
        _ => &[],
    }
}

fn another_family(row: &OperationRow) -> &'static [&'static str] {
    if row.family == "fs" {
        &[
            "net.connect=http://127.0.0.1:9",
            "env.read=NAME",
            "clock=1us",
            "random=true",
        ]
    } else {
        &["fs.read=/**", "fs.write=/**"]
    }
}

/// Returns a token with all rights that the calls may need, and its root key.
fn of_everything() -> (Token, PublicKey) {
    let base = Base::new("/").unwrap();
    let grants = [
        "fs.read=/**",
        "fs.write=/**",
        "net.connect=http://127.0.0.1:1-65535",
        "net.connect=tcp://127.0.0.1:1-65535",
        "net.connect=tls://127.0.0.1:1-65535",
        "net.connect=udp://127.0.0.1:1-65535",
        "net.connect=https://example.com",
        "net.listen=tcp://*:0",
        "net.listen=udp://*:0",
        "net.resolve=localhost",
        "env.read=*",
        "clock=1us",
        "random=true",
        "kv.read=*",
        "kv.write=*",
        "http.listen=*:0",
        "secrets.send=API@https://example.com",
        "secrets.key=API@HMAC-SHA-256",
        "log=true",
    ];
    let rights = Families::builtin().parse_grants(grants, &base).unwrap();
    let key = KeyPair::generate().unwrap();
    let token = Token::mint(&key, &Block::of(rights)).unwrap();
    (token, key.public())
}

/// Runs the call with the grants. Returns its output, the decisions, and the program's folder.
fn run(call: &Call, grants: &[&str], server: &Server) -> (String, Vec<String>, String) {
    let fill = |text: &str| {
        text.replace("${server}", server.origin())
            .replace("${port}", server.port())
            .replace("${holder}", HOLDER)
    };
    let grants: Vec<String> = grants.iter().map(|grant| fill(grant)).collect();
    let source = format!(
        "import {{ CapabilityError, seal, fs, net, env, clock, random, kv, http, secrets, log }} from 'cap:self';
        try {{
          await ({});
          console.log('allowed');
        }} catch (error) {{
          const {{ name, code, family, action, module }} = error;
          console.log(error instanceof CapabilityError ? `${{code}} ${{family}} ${{action}} ${{module}}` : String(error));
        }}",
        fill(call.call)
    );
    let scene = Scene::of_main(&grants.iter().map(String::as_str).collect::<Vec<_>>(), &source)
        .file("data/a.txt", "public")
        .link("data/link", "a.txt")
        .variable("NAME", "value")
        .secret("API", "a secret of the host");
    // `seal` needs a token to derive from.
    let (token, key) = of_everything();
    let scene = scene.token(token.as_bytes(), key);
    let ran = scene.run(&[]).completed();
    // The rest of such a name is chance.
    let named = |decision: String| match decision.split_once("chosen-") {
        Some((before, _)) => format!("{before}chosen-"),
        None => decision,
    };
    (
        ran.out.trim_end().to_owned(),
        ran.decisions().into_iter().map(named).collect(),
        scene.base().display().to_string(),
    )
}

/// RUN-10
#[test]
fn every_operation_is_refused_without_its_grant_and_allowed_with_it() {
    let server = Server::start();
    for row in &operations() {
        let Some(action) = &row.action else { continue };
        // There are no sockets on QuickJS.
        if cfg!(feature = "quickjs") && row.name == "net.webSocket" {
            continue;
        }
        let call = CALLS
            .iter()
            .find(|call| call.name == row.name)
            .unwrap_or_else(|| panic!("{}: say in tests/matrix.rs how it is called", row.name));
        let about = |verdict: &str, resource: &str, base: &str| {
            let resource = resource
                .replace("${base}", base)
                .replace("${server}", server.origin())
                .replace("${port}", server.port())
                .replace("${holder}", HOLDER);
            match resource.split_once(' ') {
                Some((action, resource)) => format!("{verdict} {} {action} {resource}", row.family),
                None => format!("{verdict} {} {action} {resource}", row.family),
            }
        };

        let mut wrong = vec![("nothing", &[][..]), ("another family", another_family(row))];
        if !call.wrong_resource.is_empty() {
            wrong.push(("another resource", call.wrong_resource));
        }
        if !wrong_action(row).is_empty() {
            wrong.push(("another action", wrong_action(row)));
        }
        for (held, grants) in wrong {
            let (out, decisions, base) = run(call, grants, &server);
            assert_eq!(
                out,
                format!("denied {} {action} app:/main.js", row.family),
                "{}, holding {held}",
                row.name
            );
            assert_eq!(
                decisions,
                [about("denied", call.resources[0], &base)],
                "{}, holding {held}",
                row.name
            );
        }

        let (out, decisions, base) = run(call, call.right, &server);
        assert_eq!(out, "allowed", "{}: {decisions:?}", row.name);
        let expected: Vec<String> = call
            .resources
            .iter()
            .map(|resource| about("allowed", resource, &base))
            .collect();
        assert_eq!(decisions, expected, "{}", row.name);
    }
}

#[test]
fn operations_without_a_grant_make_no_decision() {
    let server = Server::start();
    for row in operations().iter().filter(|row| row.action.is_none()) {
        let call = CALLS
            .iter()
            .find(|call| call.name == row.name)
            .unwrap_or_else(|| panic!("{}: say in tests/matrix.rs how it is called", row.name));
        let (out, decisions, _) = run(call, &[], &server);
        assert_eq!(
            (out.as_str(), decisions.as_slice()),
            ("allowed", &[][..]),
            "{}",
            row.name
        );
    }
}

/// RUN-10: the table of operations in the documentation comes from the declarations.
#[test]
fn the_documented_operations_are_the_declared_ones() {
    let mut table = String::from(
        "# Operations\n\n\
        The operations that guests can call, and the actions that they are decided as. An operation without an action\n\
        affects nothing outside of the isolate. This file is generated from the declarations of the families: see\n\
        CONTRIBUTING.md.\n\n\
        | operation | decided as |\n| --- | --- |\n",
    );
    for row in operations() {
        let decided = row
            .action
            .map_or_else(String::new, |action| format!("`{} {action}`", row.family));
        table.push_str(&format!("| `{}` | {decided} |\n", row.name));
    }
    let file = crate::support::root().join("docs/operations.md");
    if std::env::var_os("UPDATE_TYPES").is_some() {
        std::fs::write(&file, &table).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        written, table,
        "set UPDATE_TYPES=1 to write docs/operations.md again"
    );
}

#[test]
fn every_call_is_an_operation() {
    let operations = operations();
    for call in CALLS {
        assert!(
            operations.iter().any(|row| row.name == call.name),
            "{}",
            call.name
        );
    }
}
