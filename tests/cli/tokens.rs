//! `token`: the commands work with each other's output.

use secure_runtime_capabilities::{Base, Block, Families, KeyPair, Token};
use secure_runtime_loaders::ContentHash;
use serde_json::Value;

use super::secure_runtime;
use crate::support::Scene;

/// Creates a scene with a root key. Also returns the public key.
fn with_key() -> (Scene, String) {
    let scene = Scene::new();
    let public = secure_runtime(&scene, &["key", "generate", "--out", "root.key"]).success();
    (scene, public.trim().to_owned())
}

/// CLI-1.
#[test]
fn mint_attenuate_inspect_verify() {
    let (scene, root) = with_key();
    let run = |arguments: &[&str]| secure_runtime(&scene, arguments);
    let mint = [
        "token",
        "mint",
        "--key",
        "root.key",
        "--grant",
        "fs.read=./data/**",
        "--grant",
        "clock=1ms",
        "--expires",
        "1h",
    ];
    run(&[&mint[..], &["--out", "a.token"]].concat()).success();
    let holder = format!("ed25519:{}", "ab".repeat(32));
    let narrow = [
        "token",
        "attenuate",
        "a.token",
        "--root-key",
        &root,
        "--grant",
        "fs.read=./data/b/**",
        "--holder",
        &holder,
    ];
    run(&[&narrow[..], &["--out", "b.token"]].concat()).success();

    let tree = run(&["token", "inspect", "b.token", "--root-key", &root]).success();
    for part in [
        "2 blocks",
        "signatures hold",
        "fs.read = [\"./data/**\"]",
        "fs.read = [\"./data/b/**\"]",
        "bound to ed25519",
        "expires 2",
    ] {
        assert!(tree.contains(part), "{part}: {tree}");
    }
    let json: Value =
        serde_json::from_str(&run(&["token", "inspect", "b.token", "--root-key", &root, "--json"]).success())
            .unwrap();
    assert_eq!(json["blocks"][1]["holder"], holder.as_str());
    assert_eq!(
        json["blocks"][0]["grants"],
        serde_json::json!(["clock = \"1ms\"", "fs.read = [\"./data/**\"]"])
    );

    let verify = |token: &str, more: &[&str]| {
        run(&[&["token", "verify", token, "--root-key", &root][..], more].concat())
    };
    verify("a.token", &[]).success();
    assert!(
        verify("a.token", &["--operation", "fs read data/a"])
            .success()
            .ends_with("data/a is allowed\n")
    );
    let said = verify("a.token", &["--operation", "fs read /etc/passwd"]).failure_with_hint(3);
    assert!(
        said.contains("refused by block 0") && said.contains("fs.read = [\"/etc/passwd\"]"),
        "{said}"
    );
    let said =
        verify("b.token", &["--operation", "fs read data/a", "--holder", &holder]).failure_with_hint(3);
    assert!(said.contains("refused by block 1"), "{said}");
    verify(
        "b.token",
        &["--operation", "fs read data/b/c", "--holder", &holder],
    )
    .success();
    let said = verify("b.token", &["--operation", "fs read data/b/c"]).failure_with_hint(3);
    assert!(said.contains("another holder"), "{said}");
    let said = verify("a.token", &["--at", "2h"]).failure_with_hint(3);
    assert!(said.contains("it expired at "), "{said}");
    verify("a.token", &["--at", "2001-01-01T00:00:00Z"]).success();
}

#[test]
fn a_token_goes_through_standard_input_and_output() {
    let (scene, root) = with_key();
    let token = secure_runtime(
        &scene,
        &["token", "mint", "--key", "root.key", "--grant", "random=true"],
    )
    .success();
    let mut command = super::command(
        &scene,
        &[
            "token",
            "verify",
            "-",
            "--root-key",
            &root,
            "--operation",
            "random",
        ],
    );
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), token.as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// CLI-1.
#[test]
fn another_root_key_is_4() {
    let (scene, root) = with_key();
    let other = secure_runtime(&scene, &["key", "generate", "--out", "other.key"]).success();
    secure_runtime(
        &scene,
        &[
            "token",
            "mint",
            "--key",
            "other.key",
            "--grant",
            "random=true",
            "--out",
            "a.token",
        ],
    )
    .success();
    let said =
        secure_runtime(&scene, &["token", "verify", "a.token", "--root-key", &root]).failure_with_hint(4);
    assert!(said.contains("signature"), "{said}");
    secure_runtime(
        &scene,
        &["token", "verify", "a.token", "--root-key", other.trim()],
    )
    .success();
}

#[test]
fn empty_tokens_and_empty_attenuations_are_refused() {
    let (scene, root) = with_key();
    secure_runtime(&scene, &["token", "mint", "--key", "root.key"]).failure_with_hint(2);
    secure_runtime(
        &scene,
        &[
            "token",
            "mint",
            "--key",
            "root.key",
            "--grant",
            "random=true",
            "--out",
            "a.token",
        ],
    )
    .success();
    secure_runtime(&scene, &["token", "attenuate", "a.token", "--root-key", &root]).failure_with_hint(2);
    secure_runtime(
        &scene,
        &[
            "token",
            "mint",
            "--key",
            "root.key",
            "--grant",
            "random=true",
            "--out",
            "a.token",
        ],
    )
    .failure_with_hint(2);
}

/// CLI-12. A token limits the rights of the program in addition to its own grants.
#[test]
fn a_token_limits_the_program() {
    let (scene, root) = with_key();
    let scene = scene
        .file("secure.toml", crate::support::manifest(&["fs.read=./**"], ""))
        .file("main.js", "import { fs } from 'cap:self';\nexport default async ([path]) => console.log(await fs.readTextFile(path));")
        .file("data/a.txt", "A")
        .file("b.txt", "B");
    secure_runtime(
        &scene,
        &[
            "token",
            "mint",
            "--key",
            "root.key",
            "--grant",
            "fs.read=./data/**",
            "--out",
            "a.token",
        ],
    )
    .success();
    let run = |path: &str| {
        secure_runtime(
            &scene,
            &["run", "--token", "a.token", "--root-key", &root, "--", path],
        )
    };
    assert_eq!(run("data/a.txt").success(), "A\n");
    let said = run("b.txt").failure_with_hint(3);
    assert!(
        said.contains("refused by block 0: block 0 of the given token") && said.contains("ask its issuer"),
        "{said}"
    );
    secure_runtime(&scene, &["run", "--", "b.txt"]).success();
}

/// CLI-1, CLI-14: if a token demands attestations, a program with an unattested module does not start, and `explain`
/// names the reason.
#[test]
fn a_module_that_is_not_attested_ends_run_with_3() {
    let (scene, source) = (super::greeting(), super::greeting());
    let (root, auditor) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let base = Base::new("/").unwrap();
    let everything = Families::builtin().parse_grants(["fs.write=/**"], &base).unwrap();
    let demand = Block {
        attested_by: Some(auditor.public()),
        ..Block::of(everything)
    };
    let token = Token::mint(&root, &demand).unwrap();
    let hash = |path: &str| *ContentHash::of(source.read(path).as_bytes()).as_bytes();
    let modules = [
        "main.js",
        "lib/words.json",
        "vendor/greet/index.js",
        "vendor/greet/hello.js",
    ];
    let with = |modules: &[&str]| {
        let request = token.attestation_request().unwrap();
        let attestation = request
            .sign(&auditor, modules.iter().map(|path| hash(path)))
            .unwrap();
        let token = token.with_attestation(&attestation, &auditor.public()).unwrap();
        token.to_text().to_string()
    };
    let scene = scene
        .file("some.token", with(&modules[..3]))
        .file("all.token", with(&modules));
    let root = root.public().to_string();
    let run = |token: &str| secure_runtime(&scene, &["run", ".", "--token", token, "--root-key", &root]);

    let said = run("some.token").failure_with_hint(3);
    for part in ["greet/hello.js", "blake3:", &auditor.public().to_string()] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!super::has_run(&scene), "{said}");
    let explain = |module: &str, token: &str| {
        let asked = ["explain", "--module", module, "fs write out/marker"];
        secure_runtime(
            &scene,
            &[&asked[..], &["--token", token, "--root-key", &root]].concat(),
        )
        .success()
    };
    let said = explain("greet/hello.js", "some.token");
    assert!(
        said.contains("is denied") && said.contains(&auditor.public().to_string()),
        "{said}"
    );
    assert!(explain("./main.js", "some.token").contains("is allowed"));

    assert_eq!(run("all.token").success(), "Hello, world!\n");
    assert!(super::has_run(&scene));
}

/// CLI-12: a program can run with a token that another program sealed for it.
#[test]
fn a_sealed_token_runs_another_program() {
    let (importer, root) = with_key();
    let importer = importer.file(
        "secure.toml",
        "[package]\nname = \"importer\"\nentry = \"main.js\"\n[grants]\nfs.read = [\"/**\"]\n",
    );
    let exporter = Scene::new()
        .file(
            "secure.toml",
            "[package]\nname = \"exporter\"\nentry = \"main.js\"\n[grants]\nfs.read = [\"./data/**\"]\nfs.write = [\"./out/**\"]\n",
        )
        .file(
            "main.js",
            "import { fs, seal } from 'cap:self';
            export default async function main([holder]) {
              const bytes = seal(fs.attenuate({ read: ['./data/shared/**'] }), { holder });
              await fs.writeTextFile('out/sealed.token', bytes.toBase64({ alphabet: 'base64url' }));
            }",
        )
        .file("data/shared/a.txt", "shared")
        .file("data/secret.txt", "secret")
        .folder("out");
    let shared = exporter.base().join("data/shared/a.txt");
    let secret = exporter.base().join("data/secret.txt");
    let importer = importer.file(
        "main.js",
        format!(
            "import {{ fs }} from 'cap:self';
            console.log(await fs.readTextFile({shared:?}));
            await fs.readTextFile({secret:?});"
        ),
    );
    let module = ContentHash::of(importer.read("main.js").as_bytes()).to_string();

    let here = |path: &str| exporter.base().join(path).display().to_string();
    let grants = [
        format!("fs.read={}", here("data/**")),
        format!("fs.write={}", here("out/**")),
    ];
    let mint = ["token", "mint", "--key", "root.key", "--out", "root.token"];
    let grants = grants.iter().flat_map(|grant| ["--grant", grant.as_str()]);
    secure_runtime(&importer, &mint.into_iter().chain(grants).collect::<Vec<_>>()).success();
    let token = importer.base().join("root.token").display().to_string();
    let seal = |holder: &str| {
        let run = ["run", ".", "--token", &token, "--root-key", &root, "--", holder];
        secure_runtime(&exporter, &run)
    };
    seal(&module).success();
    let sealed = here("out/sealed.token");
    let run = || secure_runtime(&importer, &["run", ".", "--token", &sealed, "--root-key", &root]);
    let ran = run();
    assert_eq!(ran.out, "shared\n");
    assert!(ran.failure(3).contains("secret.txt"));

    // A token that is sealed for another module does not help this one.
    seal(&format!("blake3:{}", "07".repeat(32))).success();
    let ran = run();
    assert_eq!(ran.out, "");
    assert!(ran.failure(3).contains("a.txt"));

    // Without a token, `seal` has nothing to derive from.
    let said = secure_runtime(&exporter, &["run", ".", "--", &module]).failure_with_hint(3);
    assert!(
        said.contains("fs seal") && said.contains("run it with a token"),
        "{said}"
    );
}
