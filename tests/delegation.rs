//! Delegation: capabilities that are lent until they are revoked, capabilities that leave the program as tokens, and
//! programs in which every module must be attested.

use secure_runtime::{AuditRecord, Exit};
use secure_runtime_capabilities::{
    Base, Block, Context, Decision, Families, Holder, KeyPair, Reason, Rights, Token,
};
use secure_runtime_loaders::ContentHash;

use crate::support::{Ran, Scene, Server};

const SHARED: &str = "data/shared/a.txt";

/// Returns a token with these grants, signed with this root key.
fn minted(scene: &Scene, root: &KeyPair, grants: &[&str]) -> Token {
    Token::mint(root, &Block::of(scene.rights(grants))).unwrap()
}

// ---- revocable() ---------------------------------------------------------------------------------------------------

/// RUN-15
#[test]
fn revocation_ends_a_capability_and_everything_derived_from_it() {
    let server = Server::start();
    let source = r#"import { fs, net, env, clock, random, kv, seal, CapabilityError } from "cap:self";
        const tell = async (what, call) => {
          try {
            await call();
            console.log(`${what}: allowed`);
          } catch (error) {
            console.log(`${what}: ${error instanceof CapabilityError ? error.code : error}`);
          }
        };
        const files = fs.revocable();
        const narrower = files.capability.attenuate({ read: ["./data/shared/**"], expires: "1h" });
        const again = files.capability.revocable();
        const file = await narrower.open("data/shared/a.txt");
        const hosts = net.revocable();
        const body = (await hosts.capability.fetch("${server}/endless")).body[Symbol.asyncIterator]();
        const names = env.revocable();
        const times = clock.revocable();
        const numbers = random.revocable();
        const entries = kv.revocable();
        const all = async () => {
          await tell("lent", () => files.capability.readTextFile("data/shared/a.txt"));
          await tell("narrower", () => narrower.readTextFile("data/shared/a.txt"));
          await tell("lent on", () => again.capability.readTextFile("data/shared/a.txt"));
          await tell("open file", () => file.read(new Uint8Array(1)));
          await tell("net", () => hosts.capability.fetch("${server}/ok"));
          await tell("body", () => body.next());
          await tell("env", () => names.capability.get("NAME"));
          await tell("clock", () => times.capability.now());
          await tell("kv", () => entries.capability.get("a"));
          await tell("list", () => entries.capability.list().next());
          await tell("random", () => numbers.capability.number());
        };
        await all();
        again.revoke();
        await tell("lent on, revoked", () => again.capability.readTextFile("data/shared/a.txt"));
        await tell("lent, not revoked", () => files.capability.readTextFile("data/shared/a.txt"));
        for (const lent of [files, hosts, names, times, entries, numbers]) {
          if (lent.revoke() !== undefined || lent.revoke() !== undefined) throw new Error("revoke gives something");
        }
        await all();
        await tell("the original", () => fs.readTextFile("data/shared/a.txt"));
        await tell("narrowed later", () => files.capability.attenuate({ expires: "1h" }).readTextFile("data/shared/a.txt"));"#;
    let source = source.replace("${server}", server.origin());
    let grants = [
        "fs.read=./data/**",
        &format!("net.connect={}", server.origin()),
        "env.read=NAME",
        "clock=1s",
        "random=true",
        "kv.read=*",
        "kv.write=*",
    ];
    let scene = Scene::of_main(&grants, &source)
        .file(SHARED, "shared")
        .variable("NAME", "value");
    let ran = scene.run(&[]).completed();
    let named = [
        "lent",
        "narrower",
        "lent on",
        "open file",
        "net",
        "body",
        "env",
        "clock",
        "kv",
        "list",
        "random",
    ];
    let mut expected: Vec<String> = named.iter().map(|what| format!("{what}: allowed")).collect();
    expected.push("lent on, revoked: revoked".to_owned());
    expected.push("lent, not revoked: allowed".to_owned());
    expected.extend(named.iter().map(|what| format!("{what}: revoked")));
    expected.push("the original: allowed".to_owned());
    expected.push("narrowed later: revoked".to_owned());
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
    let refused = |record: &&AuditRecord| record.reason.as_deref() == Some("the capability was revoked");
    assert_eq!(ran.audit.iter().filter(refused).count(), 13);
}

#[test]
fn an_uncaught_revocation_names_the_block() {
    let source = "import { fs } from 'cap:self';
        const { capability, revoke } = fs.revocable();
        revoke();
        await capability.readTextFile('data/shared/a.txt');";
    let ran = Scene::of_main(&["fs.read=./data/**"], source)
        .file(SHARED, "shared")
        .run(&[]);
    let Ok(Exit::Denied(report, _)) = ran.exit else {
        panic!("{ran:#?}");
    };
    let denial = report.denial.unwrap();
    // The blocks are the program's grants, the binding to the module, and the block that was added for the revocation.
    assert_eq!((denial.block, denial.reason), (2, Reason::Revoked));
}

// ---- seal() --------------------------------------------------------------------------------------------------------

/// Creates a program that prints the token that it seals. `sealing` is an expression that uses the exports of
/// `cap:self`.
fn exporting(sealing: &str, grants: &[&str]) -> Scene {
    let source = format!(
        "import {{ fs, net, env, clock, random, seal, CapabilityError }} from 'cap:self';
        try {{
          const bytes = {sealing};
          if (!(bytes instanceof Uint8Array)) throw new Error('these are no bytes');
          console.log(JSON.stringify(Array.from(bytes)));
        }} catch (error) {{
          console.log(error instanceof CapabilityError ? `${{error.code}}: ${{error.message}}` : String(error));
        }}"
    );
    Scene::of_main(grants, &source)
        .file(SHARED, "shared")
        .file("data/secret.txt", "secret")
}

fn sealed_bytes(ran: &Ran) -> Vec<u8> {
    serde_json::from_str(ran.out.trim()).unwrap_or_else(|_| panic!("{ran:#?}"))
}

/// Creates another program, which tries to read the files of the first one.
fn importing(exporter: &Scene, comment: &str) -> Scene {
    let (shared, secret) = (
        exporter.base().join(SHARED),
        exporter.base().join("data/secret.txt"),
    );
    let source = format!(
        "import {{ fs }} from 'cap:self';
        {comment}
        for (const path of [{shared:?}, {secret:?}]) {{
          try {{
            console.log(await fs.readTextFile(path));
          }} catch (error) {{
            console.log(error.name, error.code);
          }}
        }}"
    );
    Scene::of_main(&["fs.read=/**", "net.connect=https://example.com"], &source)
}

const EXPORT: &str = "seal(fs.attenuate({ read: ['./data/shared/**'] }), { holder: '${holder}' })";

/// Runs the exporter with a token that has more rights than its grants. Returns the scene, the sealed token, and the
/// run.
fn export(root: &KeyPair, holder: Holder) -> (Scene, Vec<u8>, Ran) {
    let sealing = EXPORT.replace("${holder}", &holder.to_string());
    let scene = exporting(
        &sealing,
        &["fs.read=./data/**", "fs.write=./data/**", "random=true"],
    );
    let token = minted(
        &scene,
        root,
        &["fs.read=/**", "fs.write=/**", "random=true", "clock=1us"],
    );
    let scene = scene.token(token.as_bytes(), root.public());
    let ran = scene.run(&[]).completed();
    let bytes = sealed_bytes(&ran);
    (scene, bytes, ran)
}

/// RUN-16
#[test]
fn a_token_sealed_for_a_key_works_only_for_its_owner() {
    let (root, owner, thief) = (
        KeyPair::generate().unwrap(),
        KeyPair::generate().unwrap(),
        KeyPair::generate().unwrap(),
    );
    let (exporter, bytes, ran) = export(&root, owner.holder());
    let present = |key: Option<KeyPair>| {
        let mut scene = importing(&exporter, "").token(&bytes, root.public());
        if let Some(key) = key {
            scene = scene.holder_key(key);
        }
        scene.run(&[]).completed().out
    };
    assert_eq!(present(Some(owner)), "shared\nCapabilityError denied\n");
    let nothing = "CapabilityError denied\nCapabilityError denied\n";
    assert_eq!(present(Some(thief)), nothing);
    assert_eq!(present(None), nothing);

    // The record names the module, the holder and the grants, and the id for a revocation.
    let token = Token::verify(&bytes, &root.public()).unwrap();
    let [record] = ran.audit.as_slice() else {
        panic!("{ran:#?}");
    };
    let holder = token.blocks().last().unwrap().holder.unwrap();
    assert_eq!(
        (
            record.module.as_str(),
            record.family.as_str(),
            record.action.as_str()
        ),
        ("app:/main.js", "fs", "seal")
    );
    assert_eq!(record.resource, holder.to_string());
    let sealed = record.sealed.as_ref().unwrap();
    assert_eq!(sealed.token, token.id().to_string());
    assert_eq!(sealed.grants, ["fs.read = [\"./data/shared/**\"]"]);
    assert_eq!(sealed.expires, None);
}

/// RUN-16
#[test]
fn a_token_sealed_for_a_module_works_only_for_that_module() {
    let root = KeyPair::generate().unwrap();
    // The path of the exporter's folder is part of the importing module, and so of its hash.
    let (exporter, _, _) = export(&root, Holder::Module([0; 32]));
    let importer = importing(&exporter, "");
    let hash = ContentHash::of(importer.read("main.js").as_bytes());
    let sealing = EXPORT.replace("${holder}", &hash.to_string());
    let scene = exporting(&sealing, &["fs.read=./data/**"]);
    let token = minted(&exporter, &root, &["fs.read=./data/**"]);
    // The same program, in the folder of the first exporter.
    let exporter = exporter.file("main.js", scene.read("main.js"));
    let exporter = exporter.token(token.as_bytes(), root.public());
    let bytes = sealed_bytes(&exporter.run(&[]).completed());

    let ran = importer.token(&bytes, root.public()).run(&[]).completed();
    assert_eq!(ran.out, "shared\nCapabilityError denied\n");
    let other = importing(&exporter, "// another module").token(&bytes, root.public());
    let ran = other.run(&[]).completed();
    assert_eq!(ran.out, "CapabilityError denied\nCapabilityError denied\n");
}

/// RUN-16
#[test]
fn a_sealed_token_allows_no_more_than_the_capability() {
    let (root, owner) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let holder = owner.holder().to_string();
    let sealing = format!("seal(fs.attenuate({{ expires: '10m' }}), {{ holder: '{holder}' }})");
    let scene = exporting(&sealing, &["fs.read=./data/**", "random=true"]);
    let token = minted(
        &scene,
        &root,
        &["fs.read=./data/shared/**", "fs.write=/**", "random=true"],
    );
    let until = 4_000_000_000;
    let token = token
        .attenuate(&Block {
            expires: Some(until),
            ..Block::default()
        })
        .unwrap();
    let scene = scene.token(token.as_bytes(), root.public());
    let sealed = Token::verify(&sealed_bytes(&scene.run(&[]).completed()), &root.public()).unwrap();

    // The rights are the intersection of the program's grants and the token, for this family only. The earlier expiry
    // applies.
    let authority = sealed.authority();
    assert_eq!(
        authority.effective_rights(),
        &scene.rights(&["fs.read=./data/shared/**"])
    );
    assert!(authority.expires().is_some_and(|at| at < until));
    assert_eq!(sealed.blocks().len(), 3);
    assert!(sealed.is_sealed());
    // The token is not bound to the module that sealed it.
    let holders: Vec<Holder> = sealed.blocks().iter().filter_map(|block| block.holder).collect();
    assert_eq!(holders, [owner.holder()]);
    let base = Base::new(scene.base().to_str().unwrap()).unwrap();
    let operation = Families::builtin()
        .parse_operation("fs read data/shared/a.txt", &base)
        .unwrap();
    let context = Context {
        holders: &[owner.holder()],
        ..Context::at(authority.expires().unwrap() - 1)
    };
    assert_eq!(authority.decide(&operation, &context), Decision::Allowed);
}

/// RUN-17
#[test]
fn seal_refuses_with_advice() {
    let (root, owner) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let for_owner = format!("{{ holder: '{}' }}", owner.holder());
    let seal = |what: &str| format!("seal({what}, {for_owner})");
    let everything = Block::of(Scene::new().rights(&["fs.read=/**"]));
    let token = Token::mint(&root, &everything).unwrap();
    let bound = token.attenuate(&Block::bound_to(KeyPair::generate().unwrap().holder()));
    let (bound, sealed) = (bound.unwrap(), token.seal().unwrap());
    let open = Some(&token);
    let revoked = "(() => { const { capability, revoke } = fs.revocable(); revoke(); return capability; })()";
    // The sealing expression, the token of the program, and a part of the message.
    let cases = [
        (seal("fs"), None, "denied: fs seal"),
        (seal("fs"), None, "run it with a token and its root key"),
        (seal("fs.revocable().capability"), open, "denied: fs seal"),
        (
            seal("fs.revocable().capability"),
            open,
            "seal a capability that is not revocable",
        ),
        (
            seal("fs.revocable().capability.attenuate({ expires: '1m' })"),
            open,
            "seal a capability that is not revocable",
        ),
        (seal(revoked), open, "revoked: fs seal"),
        (seal("fs.attenuate({ expires: '0s' })"), open, "expired: fs seal"),
        (seal("net"), open, "denied: net seal"),
        (
            seal("fs.attenuate({ read: ['./other/**'] }).attenuate({ read: ['./data/**'] })"),
            open,
            "no grant is left",
        ),
        (seal("fs"), Some(&bound), "bound to another holder"),
        (seal("fs"), Some(&sealed), "the token is sealed"),
        ("seal(fs)".to_owned(), open, "TypeError: seal needs a holder"),
        ("seal(fs, {})".to_owned(), open, "TypeError: seal needs a holder"),
        (
            "seal(fs, Object.create({ holder: 'x' }))".to_owned(),
            open,
            "TypeError: seal needs a holder",
        ),
        (
            "seal(fs, { holder: 'x' })".to_owned(),
            open,
            "write `blake3:` or `ed25519:`",
        ),
        (
            "seal(fs, { holder: { toString() { return 'x'; } } })".to_owned(),
            open,
            "TypeError: holder must be a string",
        ),
        (seal("{}"), open, "TypeError: seal needs a capability"),
        (seal("null"), open, "TypeError: seal needs a capability"),
        (
            seal("fs.readTextFile"),
            open,
            "TypeError: seal needs a capability",
        ),
        (
            seal("new Proxy(fs, {})"),
            open,
            "TypeError: seal needs a capability",
        ),
        (
            seal("Object.create(fs)"),
            open,
            "TypeError: seal needs a capability",
        ),
        (
            seal("Object.create(Object.getPrototypeOf(fs))"),
            open,
            "TypeError: seal needs a capability",
        ),
    ];
    for (sealing, token, said) in cases {
        let scene = exporting(&sealing, &["fs.read=./data/**"]);
        let ran = match token {
            Some(token) => scene.token(token.as_bytes(), root.public()).run(&[]),
            None => scene.run(&[]),
        };
        let ran = ran.completed();
        assert!(ran.out.contains(said), "{sealing}: {said}: {ran:#?}");
        assert!(ran.audit.iter().all(|record| record.sealed.is_none()), "{ran:#?}");
        let refusals: Vec<String> = ran.audit.iter().map(|record| record.action.clone()).collect();
        let is_decided = !said.starts_with("TypeError") && !said.starts_with("write");
        assert_eq!(refusals, vec!["seal"; usize::from(is_decided)], "{sealing}");
    }
}

/// RUN-17: a token that is bound to the host, who proved to be the holder, can be sealed only for that holder.
#[test]
fn a_bound_token_is_sealed_only_for_its_holder() {
    let host = || KeyPair::from_secret(&[9; 32]).unwrap();
    let (root, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let token = Token::mint(&root, &Block::of(Scene::new().rights(&["fs.read=/**"])))
        .and_then(|token| token.attenuate(&Block::bound_to(host().holder())))
        .unwrap();
    let run = |holder: Holder| {
        let scene = exporting(
            &format!("seal(fs, {{ holder: '{holder}' }})"),
            &["fs.read=./data/**"],
        );
        scene
            .token(token.as_bytes(), root.public())
            .holder_key(host())
            .run(&[])
            .completed()
    };
    let sealed = Token::verify(&sealed_bytes(&run(host().holder())), &root.public()).unwrap();
    assert_eq!(sealed.blocks().last().unwrap().holder, Some(host().holder()));
    let refused = run(other.holder());
    assert!(
        refused
            .out
            .contains("no other holder could use a token derived from it"),
        "{refused:#?}"
    );
}

/// A program can run with a token that was sealed for its host. Such a token cannot be extended, and need not be.
#[test]
fn a_sealed_token_runs_a_program_as_its_holder() {
    let (root, owner) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let scene = exporting("new Uint8Array()", &["fs.read=./data/**"]);
    let token = minted(&scene, &root, &["fs.read=./data/shared/**"]);
    let sealed = token.seal_for(owner.holder()).unwrap();
    let ran = importing(&scene, "")
        .token(sealed.as_bytes(), root.public())
        .holder_key(owner)
        .run(&[])
        .completed();
    assert_eq!(ran.out, "shared\nCapabilityError denied\n");
}

// ---- attestations --------------------------------------------------------------------------------------------------

/// Creates a program with two modules. Also returns their hashes.
fn of_two_modules() -> (Scene, [ContentHash; 2]) {
    let main = "import { word } from './word.js'; console.log(word);";
    let word = "export const word = 'ran';";
    let scene = Scene::of_main(&[], main).file("word.js", word);
    (scene, [main, word].map(|text| ContentHash::of(text.as_bytes())))
}

/// Returns a token that allows only attested modules, with an attestation for these modules.
fn attested(root: &KeyPair, auditor: &KeyPair, modules: &[ContentHash]) -> Token {
    let demand = Block {
        attested_by: Some(auditor.public()),
        ..Block::of(Rights::none())
    };
    let token = Token::mint(root, &demand).unwrap();
    if modules.is_empty() {
        return token;
    }
    let request = token.attestation_request().unwrap();
    let hashes = modules.iter().map(|hash| *hash.as_bytes());
    let attestation = request.sign(auditor, hashes).unwrap();
    token.with_attestation(&attestation, &auditor.public()).unwrap()
}

/// RUN-18
#[test]
fn a_program_starts_only_when_every_module_is_attested() {
    let (root, auditor) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let (scene, [main, word]) = of_two_modules();
    let run = |modules: &[ContentHash]| {
        let token = attested(&root, &auditor, modules);
        let scene = Scene::copy(&scene).token(token.as_bytes(), root.public());
        scene.run(&[])
    };
    assert_eq!(run(&[main, word]).completed().out, "ran\n");
    for (attested, lacking, name) in [
        (&[main][..], word, "app:/word.js"),
        (&[word][..], main, "app:/main.js"),
        (&[][..], main, "app:/main.js"),
    ] {
        let ran = run(attested);
        let said = ran.exit.as_ref().unwrap_err();
        for part in [
            name,
            &lacking.to_string(),
            &auditor.public().to_string(),
            "attest its hash",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(ran.out.is_empty() && ran.audit.is_empty(), "{ran:#?}");
    }
    // An attestation by another party has no effect.
    let token = attested(&root, &KeyPair::generate().unwrap(), &[main, word]);
    let demand = Block {
        attested_by: Some(auditor.public()),
        ..Block::default()
    };
    let token = token.attenuate(&demand).unwrap();
    let ran = Scene::copy(&scene)
        .token(token.as_bytes(), root.public())
        .run(&[]);
    assert!(ran.exit.is_err() && ran.out.is_empty(), "{ran:#?}");
}
