//! Flips of one byte in any recorded data: the exit code is 4, the module or file is named, and no code runs.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;

use serde_json::Value;

use super::{greeting, has_run, secure_runtime, store};
use crate::support::Scene;

/// Creates a locked program. Also returns the name of each module and its file in the store.
fn locked() -> (Scene, Vec<(String, PathBuf)>) {
    let scene = greeting();
    secure_runtime(&scene, &["lock"]).success();
    let graph: Value =
        serde_json::from_str(&secure_runtime(&scene, &["graph", "show", "--json"]).success()).unwrap();
    let packages = graph["packages"].as_array().unwrap().iter();
    let modules = packages.flat_map(|package| package["modules"].as_array().unwrap());
    let file = |module: &Value| {
        let digits = module["hash"]
            .as_str()
            .unwrap()
            .strip_prefix("blake3:")
            .unwrap()
            .to_owned();
        let name = module["name"].as_str().unwrap().to_owned();
        (
            name,
            store(&scene)
                .join("blobs")
                .join(digits.get(..2).unwrap())
                .join(digits),
        )
    };
    let files: Vec<_> = modules.map(file).collect();
    assert_eq!(files.len(), 4);
    (scene, files)
}

/// Returns copies with the first, the middle or the last byte flipped.
fn flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    [0, bytes.len() / 2, bytes.len() - 1].into_iter().map(|place| {
        let mut flipped = bytes.to_vec();
        flipped[place] ^= 1;
        flipped
    })
}

/// CLI-2, CLI-3.
#[test]
fn of_a_module_in_the_store() {
    let (scene, modules) = locked();
    for (name, file) in modules {
        let bytes = fs::read(&file).unwrap();
        for flipped in flips(&bytes) {
            fs::write(&file, flipped).unwrap();
            for arguments in [&["run"][..], &["verify"]] {
                let said = secure_runtime(&scene, arguments).failure_with_hint(4);
                assert!(
                    said.contains(&name) && said.contains("returned wrong bytes"),
                    "{said}"
                );
            }
            let said = secure_runtime(&scene, &["store", "verify"]).failure_with_hint(4);
            assert!(said.contains(file.to_str().unwrap()), "{said}");
            assert!(!has_run(&scene), "{name}");
        }
        fs::write(&file, bytes).unwrap();
    }
    secure_runtime(&scene, &["run"]).success();
    assert!(has_run(&scene));
}

/// CLI-2, CLI-3.
#[test]
fn of_a_file_of_the_project() {
    let (scene, _) = locked();
    for name in [
        "main.js",
        "lib/words.json",
        "vendor/greet/index.js",
        "vendor/greet/hello.js",
    ] {
        let file = scene.base().join(name);
        let bytes = fs::read(&file).unwrap();
        for flipped in flips(&bytes) {
            fs::write(&file, flipped).unwrap();
            for command in ["run", "verify"] {
                let said = secure_runtime(&scene, &[command]).failure_with_hint(4);
                assert!(
                    said.contains(name) && said.contains("differs from the lock"),
                    "{said}"
                );
            }
            assert!(!has_run(&scene), "{name}");
        }
        fs::write(&file, bytes).unwrap();
    }
    secure_runtime(&scene, &["run"]).success();
    assert!(has_run(&scene));
}

/// CLI-2, CLI-3. `verify` tries every byte of the lock, because it reads the lock like `run` does. `run` tries a
/// sample.
#[test]
fn of_the_lock() {
    let (scene, _) = locked();
    let file = scene.base().join("secure.lock");
    let bytes = fs::read(&file).unwrap();
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        fs::write(&file, &flipped).unwrap();
        let command = if place % 16 == 0 { "run" } else { "verify" };
        let said = secure_runtime(&scene, &[command]).failure_with_hint(4);
        assert!(said.contains("secure.lock"), "byte {place}: {said}");
        assert!(!has_run(&scene), "byte {place}");
    }
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    secure_runtime(&scene, &["run"]).failure_with_hint(4);
    fs::write(&file, [&bytes[..], b"\0"].concat()).unwrap();
    secure_runtime(&scene, &["run"]).failure_with_hint(4);
    assert!(!has_run(&scene));
    fs::write(&file, bytes).unwrap();
    secure_runtime(&scene, &["run"]).success();
    assert!(has_run(&scene));
}

/// Serves the files of a store, and flips one byte of each file whose path contains `wrong`.
fn flipping_server(folder: PathBuf, wrong: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut lines = BufReader::new(connection.try_clone().unwrap())
                .lines()
                .map_while(Result::ok);
            let Some(request) = lines.next() else { continue };
            let path = request
                .split(' ')
                .nth(1)
                .unwrap()
                .trim_start_matches('/')
                .to_owned();
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let mut bytes = fs::read(folder.join(&path)).unwrap();
            if path.contains(&wrong) {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                bytes.len()
            );
            // A client that has received wrong bytes closes the connection.
            let _ = connection
                .write_all(head.as_bytes())
                .and_then(|()| connection.write_all(&bytes));
        }
    });
    address
}

/// CLI-2, CLI-3.
#[test]
fn of_an_http_answer() {
    let (origin, modules) = locked();
    let other = || {
        Scene::new()
            .file("secure.toml", origin.read("secure.toml"))
            .file(
                "secure.lock",
                fs::read(origin.base().join("secure.lock")).unwrap(),
            )
            .folder("out")
    };
    for (name, file) in modules {
        let other = other();
        let digits = file.file_name().unwrap().to_str().unwrap().to_owned();
        let address = flipping_server(store(&origin), digits.clone());
        let said = secure_runtime(&other, &["run", "--store", &address]).failure_with_hint(4);
        assert!(
            said.contains(&name) && said.contains(&digits) && said.contains(&address),
            "{said}"
        );
        assert!(!has_run(&other), "{name}");
        // Wrong bytes are not kept.
        assert!(
            !store(&other)
                .join("blobs")
                .join(digits.get(..2).unwrap())
                .join(&digits)
                .exists()
        );
    }
    let other = other();
    let address = flipping_server(store(&origin), "nothing".to_owned());
    secure_runtime(&other, &["run", "--store", &address]).success();
    assert!(has_run(&other));
}
