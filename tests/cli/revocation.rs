//! `token revoke`, and the commands that use its lists. The feed itself is tested in `tests/revocations.rs`.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use secure_runtime_capabilities::{KeyPair, RevocationList};
use serde_json::Value;

use super::delegation::{key, run, with_token, words};
use super::{Done, command, home};
use crate::support::{Scene, Server, manifest};

/// Writes an empty revocation list with this number, signed by the key in the file `key`. It is current for `seconds`,
/// or became stale that long ago if the number is negative.
fn write_list(scene: &Scene, key: &str, file: &str, sequence: u64, seconds: i64) {
    let key: KeyPair = scene.read(key).trim_end().parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let until = now.checked_add_signed(seconds).unwrap();
    let list = RevocationList::new(sequence, until.min(now) - 1, until, []).unwrap();
    std::fs::write(scene.base().join(file), list.sign(&key).unwrap()).unwrap();
}

fn ask(scene: &Scene, token: &str, root: &str, more: &str) -> Done {
    let line = format!("token verify {token} --root-key {root} --operation 'fs read data/x' {more}");
    run(scene, &line)
}

fn ids(scene: &Scene, token: &str, root: &str) -> Vec<String> {
    let shown = run(scene, &format!("token inspect {token} --root-key {root} --json")).success();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let blocks = shown["blocks"].as_array().unwrap().iter();
    blocks
        .map(|block| block["id"].as_str().unwrap().to_owned())
        .collect()
}

/// CLI-20.
#[test]
fn revoking_a_token_does_not_revoke_its_parent() {
    let (scene, root) = with_token();
    for (from, to) in [("a", "b"), ("b", "c"), ("a", "d")] {
        let narrow = format!("token attenuate {from}.token --root-key {root} --expires 1h --out {to}.token");
        run(&scene, &narrow).success();
    }
    let revoke = |more: &str| {
        run(
            &scene,
            &format!("token revoke --key root.key --list r.list {more}"),
        )
    };
    let allows = |token: &str| {
        let done = ask(&scene, &format!("{token}.token"), &root, "--revocations r.list");
        match done.code {
            Some(0) => true,
            _ => {
                let said = done.failure_with_hint(3);
                assert!(said.contains("it was revoked"), "{said}");
                false
            }
        }
    };
    let all = || ["a", "b", "c", "d"].map(allows);

    let first = revoke("");
    assert!(first.err.contains("note: r.list is a first list"), "{first:?}");
    assert!(
        first
            .success()
            .starts_with("r.list: number 1, revokes 0 blocks, current until "),
    );
    assert_eq!(all(), [true, true, true, true]);

    let said = revoke(&format!("b.token --root-key {root}")).success();
    let b = ids(&scene, "b.token", &root);
    for part in [
        "revoked block 1 of b.token, its last block: this token and all tokens derived from it".to_owned(),
        format!("id {}", b[1]),
        "number 2, revokes 1 block,".to_owned(),
    ] {
        assert!(said.contains(&part), "{part}: {said}");
    }
    assert_eq!(all(), [true, false, false, true]);
    let said = ask(&scene, "c.token", &root, "--revocations r.list").failure_with_hint(3);
    assert!(said.contains("refused by block 1: it was revoked"), "{said}");
    // The result is the same without an operation. The list applies only to commands that name it.
    run(
        &scene,
        &format!("token verify c.token --root-key {root} --revocations r.list"),
    )
    .failure_with_hint(3);
    ask(&scene, "c.token", &root, "").success();

    let d = ids(&scene, "d.token", &root);
    revoke(&format!("--id {}", d[1])).success();
    assert_eq!(all(), [true, false, false, false]);
    let again = revoke(&format!("b.token --root-key {root} --id {}", d[1])).success();
    assert_eq!(again.matches("was revoked already").count(), 2, "{again}");
    assert!(again.contains("number 4, revokes 2 blocks"), "{again}");
    revoke(&format!("c.token --root-key {root} --block 0")).success();
    assert_eq!(all(), [false, false, false, false]);

    let shown = |more: &str| run(&scene, &format!("token revocations r.list --key {root} {more}")).success();
    let json: Value = serde_json::from_str(&shown("--json")).unwrap();
    assert_eq!((&json["number"], &json["is_stale"]), (&5.into(), &false.into()));
    let mut expected = vec![b[0].clone(), b[1].clone(), d[1].clone()];
    expected.sort();
    assert_eq!(json["ids"], serde_json::json!(expected));
    let people = shown("");
    for part in [
        "its signature holds",
        "number 5, made 2",
        "current until 2",
        "revokes 3 blocks",
        &d[1],
    ] {
        assert!(people.contains(part), "{part}: {people}");
    }
}

/// CLI-20.
#[test]
fn a_list_is_replaced_only_by_the_next_list_of_its_key() {
    let (scene, root) = with_token();
    key(&scene, "other.key");
    let revoke = |more: &str| run(&scene, &format!("token revoke --list r.list {more}"));
    revoke("--key root.key --valid 2h").success();
    let list = || std::fs::read(scene.base().join("r.list")).unwrap();
    let first = list();
    revoke("--key other.key").failure_with_hint(4);
    revoke(&format!("--key root.key a.token --root-key {root} --block 1")).failure_with_hint(2);
    revoke(&format!("--key root.key no.token --root-key {root}")).failure_with_hint(2);
    revoke("--key root.key a.token").failure(2);
    revoke("--key root.key --block 0").failure(2);
    revoke("--key root.key --id 00").failure_with_hint(2);
    for wrong in ["0s", "1", "-1d", "forever", "9999999999999999999999d"] {
        revoke(&format!("--key root.key --valid={wrong}")).failure_with_hint(2);
    }
    assert_eq!(list(), first, "nothing of this changed the list");
    run(&scene, "token revoke --key root.key --list no/such/folder").failure_with_hint(2);

    // A renewed list keeps the validity of two hours.
    revoke("--key root.key").success();
    let shown = run(&scene, &format!("token revocations r.list --key {root} --json")).success();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let time = |name: &str| humantime::parse_rfc3339(shown[name].as_str().unwrap()).unwrap();
    let validity = time("next_update").duration_since(time("issued")).unwrap();
    assert_eq!((validity.as_secs(), &shown["number"]), (7_200, &2.into()));
    // A list whose time of issue is in the future is not extended.
    write_list(&scene, "root.key", "r.list", 3, 600);
    let future: KeyPair = scene.read("root.key").trim_end().parse().unwrap();
    let made_tomorrow = RevocationList::new(4, 32_503_680_000, 32_503_680_001, []).unwrap();
    std::fs::write(scene.base().join("r.list"), made_tomorrow.sign(&future).unwrap()).unwrap();
    let said = revoke("--key root.key").failure_with_hint(2);
    assert!(said.contains("clock"), "{said}");

    let mut damaged = first;
    damaged.truncate(damaged.len() - 1);
    std::fs::write(scene.base().join("r.list"), damaged).unwrap();
    revoke("--key root.key").failure_with_hint(4);
    run(&scene, &format!("token revocations r.list --key {root}")).failure_with_hint(4);
    run(&scene, &format!("token revocations none --key {root}")).failure_with_hint(2);
}

/// CLI-20.
#[test]
fn concurrent_revocations_are_all_kept() {
    let (scene, root) = with_token();
    let ids: Vec<String> = (10..18).map(|number| number.to_string().repeat(64)).collect();
    let start = |id: &String| {
        let line = format!("token revoke --key root.key --list r.list --id {id}");
        let mut command = command(&scene, &words(&line));
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = ids.iter().map(start).collect();
    for child in children {
        Done::from(child.wait_with_output().unwrap()).success();
    }
    let shown = run(&scene, &format!("token revocations r.list --key {root} --json")).success();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["ids"], &shown["number"]),
        (&serde_json::json!(ids), &ids.len().into())
    );
}

/// CLI-21.
#[test]
fn a_command_needs_a_current_list() {
    let (scene, root) = with_token();
    let scene = scene
        .file("secure.toml", manifest(&["fs.read=./**"], ""))
        .file("main.js", "console.log('ran');");
    let issuer = key(&scene, "issuer.key");
    let verify = |more: &str| ask(&scene, "a.token", &root, &format!("--revocations r.list {more}"));
    let program = |command: &str| {
        run(
            &scene,
            &format!("{command} --token a.token --root-key {root} --revocations r.list"),
        )
    };
    let explain = || program("explain --module app:/main.js 'fs read data/x'");
    let ends = |code: i32, part: &str| {
        for done in [verify(""), program("run"), explain()] {
            assert_eq!(done.out, "", "nothing ran");
            let said = done.failure_with_hint(code);
            assert!(said.contains(part), "{part}: {said}");
        }
    };
    ends(2, "r.list cannot be read: there is no such file");
    std::fs::write(scene.base().join("r.list"), "words").unwrap();
    ends(4, "r.list is refused: this is not a revocation list");
    write_list(&scene, "issuer.key", "r.list", 1, 600);
    ends(
        4,
        "r.list is refused: the revocation list's signature does not hold",
    );
    // The list may be signed by another key than the root key, if the option names it.
    verify(&format!("--revocation-key {issuer}")).success();
    write_list(&scene, "root.key", "r.list", 1, -5);
    ends(2, "r.list, number 1, is stale since 20");
    write_list(&scene, "root.key", "r.list", 2, 600);
    verify("").success();
    assert_eq!(program("run").success(), "ran\n");
    assert!(explain().success().contains("is allowed"));
    // If the list will be stale at the given time, nothing is allowed.
    let said = verify("--at 1h").failure_with_hint(3);
    assert!(said.contains("the revocation list is stale since"), "{said}");
    run(&scene, "run --revocations r.list").failure(2);

    let revoke = format!("token revoke a.token --root-key {root} --key root.key --list r.list");
    run(&scene, &revoke).success();
    let said = explain().success();
    assert!(
        said.contains("refuses: it was revoked") && said.contains("ask the token's issuer"),
        "{said}"
    );
}

/// CLI-22, TOK-42. A rollback to an older list of the same key is detected under any name and at any place.
#[test]
fn an_older_list_is_refused_under_every_name() {
    let (scene, root) = with_token();
    let server = Server::start();
    std::fs::create_dir(scene.base().join("r1")).unwrap();
    run(&scene, "token revoke --key root.key --list r1/list").success();
    let old = scene.base().join("old.list");
    std::fs::copy(scene.base().join("r1/list"), &old).unwrap();
    server.put("/old.list", Some(std::fs::read(&old).unwrap()));
    std::os::unix::fs::symlink("old.list", scene.base().join("link.list")).unwrap();
    std::os::unix::fs::symlink("r1", scene.base().join("r2")).unwrap();
    let verify = |place: &str| ask(&scene, "a.token", &root, &format!("--revocations {place}"));
    let absolute = old.to_str().unwrap().to_owned();
    let address = format!("{}/old.list", server.origin());
    let places = [
        "old.list",
        "./old.list",
        "r1/../old.list",
        "link.list",
        &absolute,
        &address,
    ];
    for place in places {
        verify(place).success();
    }
    let revoke = format!("token revoke a.token --root-key {root} --key root.key --list r1/list");
    run(&scene, &revoke).success();
    verify("r1/list").failure(3);
    for place in places {
        let said = verify(place).failure(3);
        assert!(
            said.contains("warning: ")
                && said.contains("number 1 is older than number 2")
                && said.contains("it was revoked"),
            "{place}: {said}"
        );
    }
    std::fs::copy(&old, scene.base().join("r1/list")).unwrap();
    for place in ["r1/list", "r2/list", "r1/../r1/list"] {
        let said = verify(place).failure(3);
        assert!(
            said.contains("number 1 is older than number 2"),
            "{place}: {said}"
        );
    }
    // The numbers of lists are separate for each key.
    run(&scene, "key generate --out other.key").success();
    let other = run(&scene, "key public other.key").success();
    run(&scene, "token revoke --key other.key --list other.list").success();
    verify(&format!("other.list --revocation-key {}", other.trim_end())).success();
}

/// CLI-21, CLI-22. A later process detects a rollback to a list that is older than one that an earlier process saw.
#[test]
fn the_newest_list_is_kept_and_rollbacks_are_detected() {
    let (scene, root) = with_token();
    let server = Server::start();
    let put = |file: &str| {
        let bytes = std::fs::read(scene.base().join(file)).unwrap();
        server.put("/r.list", Some(bytes));
    };
    let place = format!("--revocations {}/r.list", server.origin());
    let verify = || ask(&scene, "a.token", &root, &place);
    run(&scene, "token revoke --key root.key --list old.list").success();
    std::fs::copy(scene.base().join("old.list"), scene.base().join("new.list")).unwrap();
    let revoke = format!("token revoke a.token --root-key {root} --key root.key --list new.list");
    run(&scene, &revoke).success();

    put("old.list");
    verify().success();
    put("new.list");
    let said = verify().failure_with_hint(3);
    assert!(said.contains("it was revoked"), "{said}");
    put("old.list");
    let said = verify().failure(3);
    assert!(
        said.contains("warning: ")
            && said.contains("number 1 is older than number 2")
            && said.contains("it was revoked"),
        "{said}"
    );
    server.put("/r.list", None);
    let said = verify().failure(3);
    assert!(
        said.contains("cannot be read") && said.contains("it was revoked"),
        "{said}"
    );
    assert!(
        home(&scene)
            .join(".local/state/secure-runtime/revocations")
            .is_dir()
    );

    // In another state folder, no list is known. If the list cannot be kept, it is not accepted.
    let line = format!("token verify a.token --root-key {root} {place}");
    let elsewhere = |name: &str, value: &std::path::Path| {
        let mut command = command(&scene, &words(&line));
        Done::from(command.env(name, value).output().unwrap())
    };
    elsewhere("XDG_STATE_HOME", &scene.base().join("state")).failure_with_hint(2);
    put("old.list");
    elsewhere("XDG_STATE_HOME", &scene.base().join("state")).success();
    assert!(scene.base().join("state/secure-runtime/revocations").is_dir());
    elsewhere("XDG_STATE_HOME", "relative".as_ref()).failure(3);
    elsewhere("XDG_STATE_HOME", &scene.base().join("a.token")).failure_with_hint(2);
    let mut homeless = command(&scene, &words(&line));
    Done::from(homeless.env_remove("HOME").output().unwrap()).failure_with_hint(2);
}

/// Prints `reading` after the first read, and continues to read.
const READER: &str = "import { fs } from 'cap:self';
    let said = false;
    export default async function main() {
      for (;;) {
        try {
          await fs.readTextFile('data/x');
        } catch (error) {
          console.log(error.code);
          throw error;
        }
        if (!said) console.log('reading');
        said = true;
        await new Promise((done) => setTimeout(done, 20));
      }
    }";

/// CLI-23. The token is revoked while the program runs.
#[test]
fn revocation_reaches_a_running_program() {
    let (scene, root) = with_token();
    let scene = scene
        .file(
            "secure.toml",
            manifest(&["fs.read=./**"], "[limits]\nwall = \"10m\"\n"),
        )
        .file("main.js", READER)
        .file("data/x", "x");
    run(&scene, "token revoke --key root.key --list r.list").success();
    let line = format!("run --token a.token --root-key {root} --revocations r.list");
    let mut child = command(&scene, &words(&line))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    assert_eq!(first, "reading\n");
    let revoke = format!("token revoke a.token --root-key {root} --key root.key --list r.list");
    run(&scene, &revoke).success();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "revoked\n");
    let said = Done::from(child.wait_with_output().unwrap()).failure_with_hint(3);
    for part in [
        "the capability was revoked",
        "refused by block 0: block 0 of the given token",
        "ask the token's issuer for another one",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// CLI-19.
#[test]
fn a_program_presents_its_token_as_the_holder_of_a_key() {
    let (scene, root) = with_token();
    let scene = scene
        .file("secure.toml", manifest(&["fs.read=./**"], ""))
        .file(
            "main.js",
            "import { fs } from 'cap:self';\nconsole.log(await fs.readTextFile('data/x'));",
        )
        .file("data/x", "x");
    let bob = key(&scene, "bob.key").replacen('/', ":", 1);
    key(&scene, "eve.key");
    let seal = format!("token seal a.token --root-key {root} --holder {bob} --out b.token");
    run(&scene, &seal).success();
    // A sealed token cannot be attenuated for each module, but it still limits the program.
    let narrow = format!("token attenuate a.token --root-key {root} --holder {bob} --out c.token");
    run(&scene, &narrow).success();
    for token in ["b.token", "c.token"] {
        let present = |more: &str| run(&scene, &format!("run --token {token} --root-key {root} {more}"));
        assert_eq!(present("--holder-key bob.key").success(), "x\n");
        for more in ["", "--holder-key eve.key"] {
            let said = present(more).failure_with_hint(3);
            assert!(
                said.contains("bound to another holder") && said.contains("--holder-key"),
                "{said}"
            );
        }
    }
    let explain = |more: &str| {
        let line = format!(
            "explain --module app:/main.js 'fs read data/x' --token c.token --root-key {root} {more}"
        );
        run(&scene, &line).success()
    };
    assert!(explain("--holder-key bob.key").contains("is allowed"));
    assert!(explain("").contains("refuses: it is bound to another holder"));
    run(&scene, "run --holder-key bob.key").failure(2);
}
