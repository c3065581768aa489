//! The peers: each is a process that runs a small script. The script executes commands, lines of JSON, with
//! its own Biscuit library.

use std::{
    env,
    io::{BufRead, BufReader, Lines, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::root;

/// The environment variable with the folder into which `cargo xtask interop` installed the peers' packages.
const FOLDER: &str = "SECURE_RUNTIME_PEERS";

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    process: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// The content of a token, as printed by a peer.
#[derive(Debug, PartialEq)]
pub(crate) struct Inspected {
    pub(crate) blocks: Vec<String>,
    pub(crate) revocation_ids: Vec<String>,
}

impl Peer {
    /// Starts both peers.
    pub(crate) fn all() -> [Peer; 2] {
        let folder = PathBuf::from(
            env::var_os(FOLDER).unwrap_or_else(|| panic!("{FOLDER} is not set: run `cargo xtask interop`")),
        );
        let script = |name: &str| {
            [env!("CARGO_MANIFEST_DIR"), "tests", "interop", "peers", name]
                .iter()
                .collect::<PathBuf>()
        };
        let mut python = Command::new(folder.join("venv/bin/python"));
        python.arg(script("peer.py"));
        let mut node = Command::new("node");
        node.args(["--no-warnings", "--experimental-wasm-modules"])
            .arg(script("peer.mjs"))
            .arg(folder);
        [
            Peer::start("biscuit-python", python),
            Peer::start("biscuit-wasm", node),
        ]
    }

    fn start(name: &'static str, mut command: Command) -> Peer {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}. Run `cargo xtask interop`"));
        Peer {
            name,
            requests: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()).lines(),
            process,
        }
    }

    /// Makes a token with this Datalog, signed by [`root`].
    pub(crate) fn mint(&mut self, code: &str) -> String {
        self.mint_with(&root().to_secret_text(), code)
    }

    pub(crate) fn mint_with(&mut self, private_key: &str, code: &str) -> String {
        let token = self.ask(json!({ "verb": "mint", "private_key": private_key, "code": code }));
        token.unwrap().as_str().unwrap().to_owned()
    }

    /// Adds a block to the token.
    pub(crate) fn attenuate(&mut self, token: &str, code: &str) -> Result<String, String> {
        let longer = self.ask(
            json!({ "verb": "attenuate", "token": token, "root": root().public().to_string(), "code": code }),
        )?;
        Ok(longer.as_str().unwrap().to_owned())
    }

    /// Adds a block to the token, signed by this key as a third party.
    pub(crate) fn attest(&mut self, token: &str, private_key: &str, code: &str) -> String {
        let longer = self.ask(json!({
            "verb": "attest", "token": token, "root": root().public().to_string(), "private_key": private_key, "code": code
        }));
        longer.unwrap().as_str().unwrap().to_owned()
    }

    /// Returns the request that a third party signs for this token. Of the peers, only biscuit-wasm can
    /// serialise it.
    pub(crate) fn request(&mut self, token: &str) -> String {
        let request =
            self.ask(json!({ "verb": "request", "token": token, "root": root().public().to_string() }));
        request.unwrap().as_str().unwrap().to_owned()
    }

    /// Signs a request with this key, as a third party.
    pub(crate) fn sign(&mut self, request: &str, private_key: &str, code: &str) -> String {
        let signed =
            self.ask(json!({ "verb": "sign", "request": request, "private_key": private_key, "code": code }));
        signed.unwrap().as_str().unwrap().to_owned()
    }

    /// Returns, for each of these authorizers, true if it allows the token.
    pub(crate) fn authorize(&mut self, token: &str, questions: &[String]) -> Vec<bool> {
        let answers = self.ask(json!({
            "verb": "authorize", "token": token, "root": root().public().to_string(), "questions": questions
        }));
        answers
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .map(|answer| answer.as_bool().unwrap())
            .collect()
    }

    /// Returns the content of the token, or the reason why the peer refuses it.
    pub(crate) fn inspect(&mut self, token: &str) -> Result<Inspected, String> {
        let content =
            self.ask(json!({ "verb": "inspect", "token": token, "root": root().public().to_string() }))?;
        let list = |name: &str| {
            content[name]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item.as_str().unwrap().to_owned())
                .collect()
        };
        Ok(Inspected {
            blocks: list("blocks"),
            revocation_ids: list("revocation_ids"),
        })
    }

    fn ask(&mut self, request: Value) -> Result<Value, String> {
        writeln!(self.requests, "{request}").unwrap();
        let Some(line) = self.answers.next() else {
            panic!(
                "{} ended without an answer to {request}; its own words are above",
                self.name
            );
        };
        let mut answer: Value = serde_json::from_str(&line.unwrap()).unwrap();
        match answer["error"].take() {
            Value::Null => Ok(answer["ok"].take()),
            error => Err(format!("{}: {error}", self.name)),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The process may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
