//! Benchmark of programs that serve: requests a second for a handler that parses the URL and returns a short text.
//!
//! `cargo bench --bench serving`. Four variants run in turn, many times, and the medians are printed (`ROUNDS=10` for
//! more precision):
//!
//! - `rust`: the HTTP server with a service in Rust, the most that a handler could reach;
//! - `instance`: the same server, which sends the requests to an instance on another thread, like the command `serve`;
//! - `http.serve`: a guest's own server, on the isolate's thread;
//! - `deno`: `deno serve` with the same handler, if `DENO` is the path of Deno (`npm install deno`).
//!
//! The client is in this process. It has 32 connections on one thread, and each sends a request when it has the last
//! response. So client and server share the processors, also those of Deno.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use secure_runtime::http::{self, Body, Client, Request, Response, ServerLimits, Service};
use secure_runtime::{Instance, OpenOptions, Program, Runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: usize = 32;
const REQUESTS: usize = 500;
const REQUEST: &[u8] = b"GET /hello?name=world HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
const HANDLER: &str = "(request) => new Response(`Hello ${new URL(request.url).searchParams.get(\"name\")}`)";

struct InRust;

impl Service for InRust {
    async fn answer(&self, request: Request<Body>, _client: Client) -> Response<Body> {
        let name = request
            .uri()
            .query()
            .and_then(|query| query.strip_prefix("name="));
        Response::new(Body::from(format!("Hello {}", name.unwrap_or_default())))
    }
}

struct InAnInstance(Instance);

impl Service for InAnInstance {
    async fn answer(&self, request: Request<Body>, _client: Client) -> Response<Body> {
        self.0.fetch(request).await.expect("a response")
    }
}

/// Returns the requests a second of a server at this address.
async fn measured(address: SocketAddr) -> f64 {
    let connection = |requests: usize| async move {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let mut buffer = vec![0; 4096];
        for _ in 0..requests {
            stream.write_all(REQUEST).await.expect("a request is sent");
            let mut length = 0;
            loop {
                let room = buffer.get_mut(length..).expect("the response is short");
                length += stream.read(room).await.expect("a response");
                let received = buffer.get(..length).unwrap_or_default();
                if received.ends_with(b"Hello world") {
                    break;
                }
            }
        }
    };
    let all =
        |requests: usize| futures_util::future::join_all((0..CONNECTIONS).map(|_| connection(requests)));
    all(100).await;
    let begun = Instant::now();
    all(REQUESTS).await;
    (CONNECTIONS * REQUESTS) as f64 / begun.elapsed().as_secs_f64()
}

/// Measures a service on its own thread.
async fn served<S: Service>(service: S) -> f64 {
    let (sender, address) = tokio::sync::oneshot::channel();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        reactor().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let _ = sender.send(listener.local_addr().expect("an address"));
            let ended = async {
                let _ = ended.await;
            };
            let limits = ServerLimits {
                ending: Duration::ZERO,
                ..ServerLimits::default()
            };
            http::serve(listener, Arc::new(service), None, limits, ended).await;
        });
    });
    let rate = measured(address.await.expect("the server listens")).await;
    drop(end);
    thread.join().expect("the server ends");
    rate
}

fn reactor() -> tokio::runtime::Runtime {
    let builder = tokio::runtime::Builder::new_current_thread().enable_all().build();
    builder.expect("an event loop")
}

async fn program(folder: &Path, main: &str) -> Program {
    let manifest =
        "[package]\nname = \"bench\"\nentry = \"main.js\"\n\n[grants]\nhttp.listen = [\"127.0.0.1:0\"]\n";
    std::fs::write(folder.join("secure.toml"), manifest).expect("a manifest");
    std::fs::write(folder.join("main.js"), main).expect("a module");
    let program = Program::open(folder, &OpenOptions::default()).await;
    program.expect("the program opens")
}

async fn instance(folder: &Path) -> f64 {
    let program = program(folder, &format!("export default {{ fetch: {HANDLER} }};")).await;
    let runtime = Runtime::builder()
        .base(program.base())
        .shared_store(program.store())
        .build();
    let instance = runtime
        .expect("a runtime")
        .start(program.graph())
        .await
        .expect("an instance");
    served(InAnInstance(instance)).await
}

async fn guest(folder: &Path) -> f64 {
    let main = format!(
        "import {{ http }} from \"cap:self\"; console.log(http.serve({{ port: 0 }}, {HANDLER}).addr.port);"
    );
    let program = program(folder, &main).await;
    let port = Arc::new(Mutex::new(None));
    let seen = port.clone();
    let runtime = Runtime::builder()
        .base(program.base())
        .shared_store(program.store())
        .console(move |line| *seen.lock().expect("nobody panicked") = line.text.trim().parse::<u16>().ok())
        .build()
        .expect("a runtime");
    let stop = runtime.stop_handle();
    let serves = async {
        let port = loop {
            let port = *port.lock().expect("nobody panicked");
            match port {
                Some(port) => break port,
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        let rate = measured(([127, 0, 0, 1], port).into()).await;
        stop.stop();
        rate
    };
    let (outcome, rate) = futures_util::future::join(runtime.run(program.graph(), &[]), serves).await;
    outcome.expect("the program starts");
    rate
}

async fn deno(folder: &Path, deno: &str) -> f64 {
    let main = folder.join("deno.js");
    let source = format!(
        "Deno.serve({{ port: 0, hostname: \"127.0.0.1\", onListen: ({{ port }}) => console.log(port) }}, {HANDLER});"
    );
    std::fs::write(&main, source).expect("a module");
    let mut process = Command::new(deno)
        .args(["run", "--allow-net"])
        .arg(main)
        .stdout(Stdio::piped())
        .spawn()
        .expect("Deno starts");
    let mut line = String::new();
    let output = process.stdout.take().expect("its output");
    BufReader::new(output).read_line(&mut line).expect("its port");
    let port: u16 = line.trim().parse().expect("its port");
    let rate = measured(([127, 0, 0, 1], port).into()).await;
    process.kill().expect("Deno ends");
    process.wait().expect("Deno ends");
    rate
}

fn main() {
    secure_runtime::initialize();
    let rounds: usize = std::env::var("ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(3);
    let path = std::env::var("DENO").ok();
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["rust", "instance", "http.serve", "deno"];
    let mut rates: [Vec<f64>; 4] = Default::default();
    reactor().block_on(async {
        for _ in 0..rounds {
            let [rust, in_instance, in_guest, in_deno] = &mut rates;
            rust.push(served(InRust).await);
            in_instance.push(instance(folder.path()).await);
            in_guest.push(guest(folder.path()).await);
            if let Some(path) = &path {
                in_deno.push(deno(folder.path(), path).await);
            }
        }
    });
    for (name, rates) in names.iter().zip(&mut rates) {
        rates.sort_by(f64::total_cmp);
        match rates.get(rates.len() / 2) {
            Some(median) => println!("{name:>12}  {median:>8.0} requests a second"),
            None => println!("{name:>12}  not measured: set DENO to the path of Deno"),
        }
    }
}
