//! The command `serve`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::support::Scene;

/// A process that serves a program. It is killed when this is dropped.
struct Served {
    process: Child,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Served {
    /// Starts the command, and waits until it serves.
    fn start(scene: &Scene, options: &[&str]) -> Served {
        let mut process = Command::new(env!("CARGO_BIN_EXE_secure-runtime"))
            .args(["serve", ".", "--listen", "127.0.0.1:0"])
            .args(options)
            .current_dir(scene.base())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("serving . at http://");
        let address = address
            .unwrap_or_else(|| panic!("{line:?}"))
            .trim_end_matches('/');
        Served {
            address: address.to_owned(),
            process,
        }
    }

    /// Sends bytes, and returns everything that the server sends until it closes the connection.
    fn exchange(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        // The server may close the connection before it has read everything.
        let _ = stream.read_to_string(&mut response);
        response
    }

    fn get(&self, path: &str) -> String {
        self.exchange(&format!(
            "GET {path} HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n"
        ))
    }

    /// Sends a signal, and returns the exit code and the error output.
    fn end(mut self, signal: i32) -> (Option<i32>, String) {
        // SAFETY: the process is a child that was not waited for.
        assert_eq!(unsafe { libc::kill(self.process.id().cast_signed(), signal) }, 0);
        let mut errors = String::new();
        self.process
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        (self.process.wait().unwrap().code(), errors)
    }
}

/// CLI-61. `serve` answers requests, prints errors, and finishes open requests at a signal.
#[test]
fn the_command_serves_until_a_signal() {
    let scene = Scene::of_main(
        &["fs.read=./data/**"],
        "import { fs } from 'cap:self';
         export default { async fetch(request) {
           const { pathname } = new URL(request.url);
           if (pathname === '/throws') throw new Error('mine');
           if (pathname === '/denied') return new Response(await fs.readTextFile('/etc/hostname'));
           if (pathname === '/late') { console.log('late'); await new Promise((resolve) => setTimeout(resolve, 300)); }
           return new Response(`${request.url} ${await fs.readTextFile('data/a')} ${await request.text()}`);
         } };",
    )
    .file("data/a", "content");
    let served = Served::start(&scene, &["--max-body", "1KiB"]);
    let ok = served.get("/a?b");
    assert!(ok.starts_with("HTTP/1.1 200 OK\r\n"), "{ok}");
    assert!(ok.ends_with("http://test.example/a?b content "), "{ok}");
    for (path, expected) in [("/throws", "500"), ("/denied", "500")] {
        let failed = served.get(path);
        assert!(failed.starts_with(&format!("HTTP/1.1 {expected} ")), "{failed}");
        assert!(
            failed.contains("application/problem+json") && !failed.contains("mine"),
            "{failed}"
        );
    }
    let large = "x".repeat(1025);
    let refused = served.exchange(&format!(
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1025\r\n\r\n{large}"
    ));
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    assert!(
        refused.contains("a request body has at most 1024 bytes"),
        "{refused}"
    );
    let address = served.address.clone();
    let late = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(b"GET /late HTTP/1.1\r\nHost: h\r\n\r\n")
            .unwrap();
        let mut response = String::new();
        let _ = stream.read_to_string(&mut response);
        response
    });
    std::thread::sleep(std::time::Duration::from_millis(100));
    let (code, errors) = served.end(libc::SIGTERM);
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("uncaught Error: mine"), "{errors}");
    assert!(errors.contains("CapabilityError"), "{errors}");
    // The request may have arrived after the signal.
    let late = late.join().unwrap();
    assert!(late.is_empty() || late.contains("content"), "{late}");
}

/// CLI-62. A program without a handler is refused with advice, and one that hit a limit is started again.
#[test]
fn an_instance_that_ended_is_started_again() {
    let scene = Scene::of_main(&[], "console.log('no handler');");
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-runtime"));
    let refused = command
        .args(["serve", ".", "--listen", "127.0.0.1:0"])
        .current_dir(scene.base())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let errors = String::from_utf8(refused.stderr).unwrap();
    assert!(errors.contains("export default { fetch(request)"), "{errors}");

    let scene = Scene::new()
        .file("secure.toml", "[package]\nname = \"t\"\nentry = \"main.js\"\n[limits]\nheap = \"32MiB\"\n")
        .file(
            "main.js",
            "let count = 0;
             export default { fetch(request) {
               if (request.url.endsWith('/fill')) for (const all = [];;) all.push(new Array(1000).fill(all.length));
               return new Response(String(++count));
             } };",
        );
    let served = Served::start(&scene, &[]);
    assert!(served.get("/").ends_with("\r\n\r\n1"));
    assert!(served.get("/").ends_with("\r\n\r\n2"));
    let ended = served.get("/fill");
    assert!(
        ended.starts_with("HTTP/1.1 503 ") && ended.contains("retry-after: 1"),
        "{ended}"
    );
    assert!(ended.contains("its heap limit of 32.0 MiB"), "{ended}");
    assert!(served.get("/").ends_with("\r\n\r\n1"));
    let (code, errors) = served.end(libc::SIGINT);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        errors.contains("the program hit its heap limit of 32.0 MiB"),
        "{errors}"
    );
}
