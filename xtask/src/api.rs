//! Drives the service of examples/api over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::demo::runtime;
use crate::steps::root;

/// The secret of the service in this test, and the password that follows from it.
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PASSWORD: &str = "e5f02094c7abcce9";

/// The running service. It is killed when this is dropped.
struct Service {
    process: Child,
    address: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Service {
    fn start() -> Result<Service> {
        let secret = ["--secret", "API=env:API_SECRET"];
        let mut process = runtime(&["serve", "examples/api", "--locked", "--listen", "127.0.0.1:0"])?
            .args(secret)
            .current_dir(root())
            .env("API_SECRET", SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .context("the service does not start")?;
        let output = process.stdout.take().context("the service has no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line
            .trim()
            .split_once("http://")
            .map(|(_, address)| address.trim_end_matches('/').to_owned());
        let address = address.with_context(|| format!("the service printed {line:?}"))?;
        Ok(Service { process, address })
    }

    /// Sends a request, and returns the status and the body.
    fn request(&self, method: &str, path: &str, token: &str, body: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        let (head, body) = response
            .split_once("\r\n\r\n")
            .context("the response has no end of its head")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.context("the response has no status")?, body.to_owned()))
    }

    fn sign_in(&self, user: &str, password: &str) -> Result<(u16, String)> {
        let body = format!("{{\"user\":{user:?},\"password\":{password:?}}}");
        self.request("POST", "/sessions", "none", &body)
    }
}

/// Starts the service, and uses it like its README says.
pub(crate) fn drive() -> Result<()> {
    let store = root().join("examples/api/notes.db");
    let forget = || match std::fs::remove_file(&store) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    forget()?;
    let service = Service::start()?;
    let expect = |what: &str, (status, body): (u16, String), wanted: u16, text: &str| -> Result<String> {
        ensure!(
            status == wanted && body.contains(text),
            "{what}: status {status}, {body:?} instead of {wanted}, {text:?}"
        );
        Ok(body)
    };
    expect(
        "the start page",
        service.request("GET", "/", "", "")?,
        200,
        "notes:",
    )?;
    expect(
        "without a token",
        service.request("GET", "/notes", "", "")?,
        401,
        "sign in first",
    )?;
    expect(
        "a wrong password",
        service.sign_in("ada", "wrong")?,
        401,
        "wrong user or password",
    )?;
    let signed_in = expect("signing in", service.sign_in("ada", PASSWORD)?, 200, "token")?;
    let Some(token) = signed_in.split('"').nth(3) else {
        bail!("there is no token in {signed_in:?}");
    };
    expect(
        "a new note",
        service.request("PUT", "/notes/1", token, "buy milk")?,
        204,
        "",
    )?;
    expect(
        "the list",
        service.request("GET", "/notes", token, "")?,
        200,
        "[\"1\"]",
    )?;
    expect(
        "the note",
        service.request("GET", "/notes/1", token, "")?,
        200,
        "buy milk",
    )?;
    let forged = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    expect(
        "a forged token",
        service.request("GET", "/notes/1", &format!("{forged}.AAAA"), "")?,
        401,
        "sign in first",
    )?;
    drop(service);
    // The notes outlive the process.
    let service = Service::start()?;
    expect(
        "the note after a restart",
        service.request("GET", "/notes/1", token, "")?,
        200,
        "buy milk",
    )?;
    expect(
        "removing it",
        service.request("DELETE", "/notes/1", token, "")?,
        204,
        "",
    )?;
    expect(
        "the removed note",
        service.request("GET", "/notes/1", token, "")?,
        404,
        "no such note",
    )?;
    drop(service);
    Ok(forget()?)
}
