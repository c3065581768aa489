//! `--secret`: secrets that the process holds for a program.

use std::path::Path;

use super::{Done, command, secure_runtime};
use crate::support::{Scene, Server, manifest};

const SECRET: &str = "sk-live-0123456789";

/// Creates a program that sends the secret `API` to a server, which answers with the header in hexadecimal digits. It
/// also tries to read the variable `API_KEY`.
fn sending(server: &Server, more: &[&str]) -> Scene {
    server.spell("/spelled", "authorization");
    let origin = server.origin();
    let [connect, send] = [
        format!("net.connect={origin}"),
        format!("secrets.send=API@{origin}"),
    ];
    let mut grants = vec![connect.as_str(), send.as_str(), "env.read=*"];
    grants.extend(more);
    let source = format!(
        "import {{ secrets, env }} from 'cap:self';
         const authorization = secrets.placeholder('API', '{origin}');
         console.log(await (await fetch('{origin}/spelled', {{ headers: {{ authorization }} }})).text(), env.get('API_KEY'), env.get('OTHER'));"
    );
    Scene::new()
        .file("secure.toml", manifest(&grants, ""))
        .file("main.js", source)
        .file("folder/key", format!("{SECRET}\r\n"))
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn run(scene: &Scene, secret: &str) -> Done {
    command(scene, &["run", ".", "--secret", secret])
        .env("API_KEY", SECRET)
        .env("OTHER", "seen")
        .output()
        .unwrap()
        .into()
}

/// CLI-63.
#[test]
fn a_secret_comes_from_a_variable_or_a_file_and_cannot_be_read() {
    let server = Server::start();
    let scene = sending(&server, &[]);
    let sent = hex(SECRET);
    // The variable of a secret is hidden. Others are not.
    assert_eq!(
        run(&scene, "API=env:API_KEY").success(),
        format!("{sent} undefined seen\n")
    );
    assert_eq!(
        run(&scene, "API=file:folder/key").success(),
        format!("{sent} {SECRET} seen\n")
    );
}

/// CLI-63.
#[test]
fn a_file_that_the_program_may_read_holds_no_secret() {
    let server = Server::start();
    let scene = sending(&server, &["fs.read=./folder/**"]);
    let said = run(&scene, "API=file:folder/key").failure_with_hint(2);
    assert!(
        said.contains("the program may read") && said.contains("folder/key"),
        "{said}"
    );
    let elsewhere = scene.base().join("key");
    std::fs::rename(scene.base().join("folder/key"), &elsewhere).unwrap();
    run(&scene, &format!("API=file:{}", elsewhere.display())).success();
    // A link in the folder leads to the file.
    std::os::unix::fs::symlink(Path::new("../key"), scene.base().join("folder/link")).unwrap();
    run(&scene, "API=file:folder/link").failure_with_hint(2);
    assert_eq!(server.requests().len(), 1);
}

/// CLI-63.
#[test]
fn wrong_secrets_end_the_command_and_are_not_repeated() {
    let server = Server::start();
    let scene = sending(&server, &[])
        .file("short", "1234567\n")
        .file("large", "x".repeat(8193));
    for (secret, said) in [
        ("API=env:MISSING", "the variable MISSING is not set"),
        ("API=file:missing", "there is no such file"),
        ("API=file:short", "does not have 8 to 8192 bytes"),
        ("API=file:large", "does not have 8 to 8192 bytes"),
        ("API=file:.", "not a regular file"),
        ("API=hunter2-hunter2", "write NAME=env:VARIABLE or NAME=file:PATH"),
        ("API", "write NAME=env:VARIABLE or NAME=file:PATH"),
        ("A/B=env:API_KEY", "a secret's name has"),
    ] {
        let error = run(&scene, secret).failure_with_hint(2);
        assert!(error.contains(said), "{secret}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let twice = [
        "run",
        ".",
        "--secret",
        "API=file:folder/key",
        "--secret",
        "API=file:folder/key",
    ];
    assert!(
        secure_runtime(&scene, &twice)
            .failure_with_hint(2)
            .contains("given twice")
    );
    // Without the option, the program learns what is missing.
    let said = secure_runtime(&scene, &["run", "."]).failure(1);
    assert!(said.contains("the host has no such secret"), "{said}");
    assert!(server.requests().is_empty());
}
