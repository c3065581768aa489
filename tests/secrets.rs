//! The `secrets` family: fetch sends a secret, crypto.subtle uses it, and no module can read it.

use crate::support::{Scene, Server, manifest};

const SECRET: &str = "sk-live-0123456789";

/// The beginning of each program. `say` prints a result, or the name, code and message of an error.
const PRELUDE: &str = "import { secrets, net } from 'cap:self';
const say = async (call) => {
  try {
    console.log(JSON.stringify(await call()));
  } catch (error) {
    console.log([error.name, error.code, error.message].filter(Boolean).join(' | '));
  }
};
";

/// Runs a program whose host holds the secret `API`. In grants and source, `${one}` and `${two}` are the origins of two
/// servers. Checks that its output does not have the secret.
fn run(grants: &[&str], source: &str) -> (Vec<String>, Vec<String>, [Server; 2]) {
    let servers = [Server::start(), Server::start()];
    run_with(grants, source, servers)
}

fn run_with(grants: &[&str], source: &str, servers: [Server; 2]) -> (Vec<String>, Vec<String>, [Server; 2]) {
    let [one, two] = &servers;
    let fill = |text: &str| {
        text.replace("${one}", one.origin())
            .replace("${two}", two.origin())
    };
    let grants: Vec<String> = grants.iter().map(|grant| fill(grant)).collect();
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let ran = Scene::new()
        .file("secure.toml", manifest(&grants, ""))
        .file("main.js", format!("{PRELUDE}{}", fill(source)))
        .secret("API", SECRET)
        .secret("SHORT", "1234567")
        .run(&[])
        .completed();
    for text in [&ran.out, &ran.err] {
        assert!(!text.contains(SECRET), "{text}");
    }
    let decisions = ran.decisions().into_iter().map(|line| {
        line.replace(one.origin(), "${one}")
            .replace(two.origin(), "${two}")
    });
    let decisions = decisions.filter(|line| line.contains("secrets")).collect();
    let lines = ran.out.lines();
    let lines = lines.map(|line| {
        line.replace(one.origin(), "${one}")
            .replace(two.origin(), "${two}")
    });
    (lines.collect(), decisions, servers)
}

const GRANTS: &[&str] = &[
    "net.connect=${one}",
    "net.connect=${two}",
    "secrets.send=API@${one}",
];

/// Answers with the request's header `authorization` in hexadecimal digits, which are not searched for secrets.
fn spelling(server: &Server) {
    server.spell("/spelled", "authorization");
}

/// RUN-150.
#[test]
fn fetch_sends_the_secret_in_the_place_of_its_placeholder() {
    let servers = [Server::start(), Server::start()];
    spelling(&servers[0]);
    let (said, decisions, _) = run_with(
        GRANTS,
        "const placeholder = secrets.placeholder('API', '${one}');
         await say(() => /^secret-placeholder-API-[0-9a-f]{32}$/.test(placeholder));
         await say(() => secrets.placeholder('API', '${one}') === placeholder);
         const sent = async (authorization) => {
           const hex = await (await net.fetch('${one}/spelled', { headers: { authorization } })).text();
           return [hex.length / 2, hex.slice(0, 14), hex === Array.from(authorization, (c) => c.charCodeAt(0).toString(16)).join('')];
         };
         await say(() => sent(`Bearer ${placeholder}`));
         await say(() => sent(`Basic ${btoa(`user:${placeholder}`)}`));
         await say(() => sent('Bearer other'));",
        servers,
    );
    // The length of `Bearer ` with the secret, and of `Basic ` with `user:` and the secret in base64.
    assert_eq!(
        said,
        [
            "true",
            "true",
            "[25,\"42656172657220\",false]",
            "[38,\"42617369632064\",false]",
            "[12,\"42656172657220\",true]"
        ]
    );
    assert_eq!(decisions, ["allowed secrets send API@${one}"; 4]);
}

/// RUN-151: a server that repeats what it got, in a header, in the reason, or in the body.
#[test]
fn a_response_that_repeats_the_secret_has_stars() {
    let servers = [Server::start(), Server::start()];
    servers[0].put_raw(
        "/raw",
        format!("HTTP/1.1 200 {SECRET}\r\nx-echo: a {SECRET} b\r\ncontent-length: 18\r\n\r\n{SECRET}")
            .as_bytes(),
    );
    let (said, ..) = run_with(
        GRANTS,
        "const authorization = `Bearer ${secrets.placeholder('API', '${one}')}`;
         await say(async () => (await (await net.fetch('${one}/echo', { headers: { authorization } })).json()).headers.authorization);
         await say(async () => {
           const response = await net.fetch('${one}/raw', { headers: { authorization } });
           return [response.statusText, response.headers.get('x-echo'), await response.text()];
         });
         // Without the secret in the request, nothing is searched.
         await say(async () => (await (await net.fetch('${one}/raw')).text()).length);",
        servers,
    );
    let stars = "*".repeat(SECRET.len());
    assert_eq!(
        said,
        [
            format!("\"Bearer {stars}\""),
            format!("[\"{stars}\",\"a {stars} b\",\"{stars}\"]"),
            "18".to_owned()
        ]
    );
}

/// RUN-152, A210: other origins, redirects, and placeholders that nobody made.
#[test]
fn a210_a_secret_is_sent_to_its_origin_alone() {
    let (said, decisions, servers) = run(
        GRANTS,
        "const authorization = `Bearer ${secrets.placeholder('API', '${one}')}`;
         const init = { headers: { authorization } };
         await say(() => net.fetch('${two}/echo', init));
         await say(() => net.fetch('${two}/echo', { headers: { accept: authorization } }));
         await say(() => net.fetch('${one}/redirect/307/${two}/echo', { headers: { accept: authorization } }));
         await say(async () => (await (await net.fetch('${one}/redirect/307/${two}/echo', init)).json()).headers.authorization ?? 'none');
         await say(async () => (await (await net.fetch('${one}/redirect/307/${one}/echo', init)).json()).headers.authorization);
         await say(() => net.fetch('${one}/echo', { headers: { authorization: 'Bearer secret-placeholder-API-00000000000000000000000000000000' } }));
         const many = (count) => net.fetch('${one}/echo', { headers: { x: authorization.repeat(count) } }).then((response) => response.status);
         await say(() => many(16));
         await say(() => many(17));
         await say(() => secrets.placeholder('API', '${two}'));
         await say(() => secrets.placeholder('OTHER', '${one}'));",
    );
    let refused = "CapabilityError | denied | secrets send \"API@${two}\" is not allowed in app:/main.js: the placeholder is for ${one} alone";
    assert_eq!(said[..3], [refused; 3]);
    assert_eq!(said[3], "\"none\"");
    assert_eq!(said[4], format!("\"Bearer {}\"", "*".repeat(SECRET.len())));
    assert!(
        said[5].starts_with("TypeError | fetch: header \"authorization\" has a placeholder"),
        "{said:?}"
    );
    assert_eq!(said[6], "200");
    assert!(said[7].contains("at most 16 placeholders"), "{said:?}");
    assert!(
        said[8].starts_with("CapabilityError | denied | secrets send"),
        "{said:?}"
    );
    assert!(
        said[9].starts_with("CapabilityError | denied | secrets send"),
        "{said:?}"
    );
    assert_eq!(
        decisions.iter().filter(|line| line.starts_with("denied")).count(),
        5
    );
    // Nothing was sent to the other origin but the redirect without the header.
    assert_eq!(servers[1].requests(), ["GET /echo"]);
}

/// RUN-151, A211: a redirect to a URL with the secret, which the guest could read.
#[test]
fn a211_a_redirect_does_not_show_the_secret() {
    let servers = [Server::start(), Server::start()];
    let escaped = "sk%2dlive%2D0123456789";
    // A parser of URLs removes tabs.
    let tabbed = "sk-live-\t0123456789";
    for (path, location) in [("/plain", SECRET), ("/escaped", escaped), ("/tabbed", tabbed)] {
        let response =
            format!("HTTP/1.1 302 Found\r\nlocation: /x?key={location}\r\ncontent-length: 0\r\n\r\n");
        servers[0].put_raw(path, response.as_bytes());
    }
    let (said, ..) = run_with(
        GRANTS,
        "const init = { headers: { authorization: `Bearer ${secrets.placeholder('API', '${one}')}` } };
         await say(async () => (await net.fetch('${one}/plain', init)).url);
         await say(async () => (await net.fetch('${one}/escaped', init)).url);
         await say(async () => (await net.fetch('${one}/tabbed', init)).url);
         await say(async () => (await net.fetch('${one}/plain', { ...init, redirect: 'manual' })).headers.get('location'));
         await say(async () => (await net.fetch('${one}/escaped')).status);",
        servers,
    );
    let refused = |path: &str| {
        format!("TypeError | fetch \"${{one}}{path}\": the server redirects to a URL with a secret in it")
    };
    assert_eq!(said[..3], ["/plain", "/escaped", "/tabbed"].map(refused));
    assert!(!said[3].contains("sk-"), "{said:?}");
    assert_eq!(said[4], "200");
}

/// RUN-152, A212: the right of the module that made a placeholder is decided at each use.
#[test]
fn a212_a_placeholder_ends_with_the_right_that_made_it() {
    let (said, _, servers) = run(
        GRANTS,
        "const { capability, revoke } = secrets.revocable();
         const init = { headers: { authorization: `Bearer ${capability.placeholder('API', '${one}')}` } };
         await say(async () => (await net.fetch('${one}/echo', init)).status);
         revoke();
         await say(() => net.fetch('${one}/echo', init));
         const narrow = secrets.attenuate({ send: [] });
         await say(() => narrow.placeholder('API', '${one}'));",
    );
    assert_eq!(said[0], "200");
    assert!(
        said[1].starts_with("CapabilityError | revoked | secrets send"),
        "{said:?}"
    );
    assert!(
        said[2].starts_with("CapabilityError | denied | secrets send"),
        "{said:?}"
    );
    assert_eq!(servers[0].requests().len(), 1);
}

/// RUN-153.
#[test]
fn secrets_that_are_not_there_or_too_short_are_errors() {
    let (said, ..) = run(
        &["secrets.send=NONE@https://example.com", "secrets.send=SHORT@https://example.com"],
        "for (const name of ['NONE', 'SHORT']) await say(() => secrets.placeholder(name, 'https://example.com'));
         await say(() => secrets.placeholder('NONE', 'http://example.com'));
         await say(() => secrets.placeholder('NONE'));",
    );
    assert!(
        said[0].starts_with("Error | ENOENT | secret \"NONE\": the host has no such secret"),
        "{said:?}"
    );
    assert!(said[1].contains("does not have 8 to 8192 bytes"), "{said:?}");
    assert!(
        said[2].contains("a secret is sent to an https origin only"),
        "{said:?}"
    );
    assert!(said[3].starts_with("TypeError"), "{said:?}");
}

/// RUN-154, A213: a key signs with its algorithm, and nothing else can be done with it.
#[cfg(feature = "v8")]
#[test]
fn a213_a_key_is_for_one_algorithm_and_is_not_exported() {
    let (said, decisions, _) = run(
        &["secrets.key=API@HMAC-SHA-256"],
        "const key = await secrets.key('API', 'HMAC-SHA-256');
         const data = new TextEncoder().encode('data');
         const bytes = new Uint8Array(await crypto.subtle.sign('HMAC', key, data));
         await say(() => bytes.toHex());
         await say(() => [key.extractable, key.type, key.algorithm.name, key.algorithm.hash.name, key.algorithm.length, key.usages]);
         for (const format of ['raw', 'jwk']) await say(() => crypto.subtle.exportKey(format, key));
         const other = await crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['wrapKey']);
         await say(() => crypto.subtle.wrapKey('raw', key, other, { name: 'AES-GCM', iv: new Uint8Array(12) }));
         await say(() => crypto.subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, key, data));
         // Another hash or a part of the key would be another key of the same bytes.
         await say(() => secrets.key('API', 'HMAC-SHA-1'));
         await say(() => secrets.key('API', { name: 'HMAC', hash: 'SHA-256', length: 8 }));",
    );
    // HMAC-SHA-256 of "data" under the secret, by Python's hmac.
    assert_eq!(
        said[0],
        "\"b3d6fcfde5a3e16fc416978e93f299f04eab5c7b0fd8e4781ede355a5252974e\""
    );
    assert_eq!(
        said[1],
        "[false,\"secret\",\"HMAC\",\"SHA-256\",144,[\"sign\",\"verify\"]]"
    );
    for line in &said[2..6] {
        assert!(line.starts_with("InvalidAccessError"), "{said:?}");
    }
    assert!(
        said[6].starts_with("CapabilityError | denied | secrets key"),
        "{said:?}"
    );
    assert!(said[7].starts_with("TypeError"), "{said:?}");
    assert_eq!(
        decisions,
        [
            "allowed secrets key API@HMAC-SHA-256",
            "denied secrets key API@HMAC-SHA-1"
        ]
    );
}

/// RUN-154: each algorithm reads its key from the form that is usual for it.
#[cfg(feature = "v8")]
#[test]
fn keys_of_each_algorithm_are_read() {
    // The key of the first test of RFC 8032, section 7.1.
    let seed = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{seed}\n-----END PRIVATE KEY-----\n");
    let ran = Scene::new()
        .file(
            "secure.toml",
            manifest(
                &["secrets.key=AES@AES-GCM", "secrets.key=ED@Ed25519", "secrets.key=BAD@Ed25519", "secrets.key=BAD@AES-GCM"],
                "",
            ),
        )
        .file(
            "main.js",
            format!(
                "{PRELUDE}
                 await say(async () => (await secrets.key('AES', 'AES-GCM')).algorithm.length);
                 await say(async () => new Uint8Array(await crypto.subtle.sign('Ed25519', await secrets.key('ED', 'Ed25519'), new Uint8Array(0))).toHex().slice(0, 16));
                 await say(() => secrets.key('BAD', 'Ed25519'));
                 await say(() => secrets.key('BAD', 'AES-GCM'));"
            ),
        )
        .secret("AES", "AAECAwQFBgcICQoLDA0ODw==")
        .secret("ED", &pem)
        .secret("BAD", "not a key at all")
        .run(&[])
        .completed();
    let said: Vec<&str> = ran.out.lines().collect();
    assert_eq!(said[..2], ["128", "\"e5564300c360ac72\""]);
    assert!(said[2].contains("needs a private key in PEM"), "{said:?}");
    assert!(
        said[3].contains("the base64 form of 16, 24 or 32 bytes"),
        "{said:?}"
    );
    assert!(!ran.out.contains("not a key at all"));
}

/// RUN-154: QuickJS has no keys.
#[cfg(not(feature = "v8"))]
#[test]
fn there_are_no_keys() {
    let (said, ..) = run(
        &["secrets.key=API@HMAC-SHA-256"],
        "await say(() => secrets.key('API', 'HMAC-SHA-256'));",
    );
    assert!(said[0].starts_with("NotSupportedError"), "{said:?}");
}
