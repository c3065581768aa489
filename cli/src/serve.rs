//! `serve`: answers HTTP requests with a program.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use secure_runtime::http::{self, Body, Client, Request, Response, ServerLimits, Service, StatusCode};
use secure_runtime::{
    FetchError, Graph, Instance, RequestLimits, Runtime, StartError, initialize, parse_size,
};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::failure::Failure;
use super::run::{Prepared, ProgramArguments, prepare};
use super::signals;
use super::text;
use super::{console, project};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    program: ProgramArguments,

    /// The address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000")]
    listen: String,

    /// Use TLS with the certificates in this PEM file: the server's first, then the intermediate ones
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,

    /// The private key of --tls-certificate, as a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,

    /// Maximum size of a request's body
    #[arg(long, value_name = "SIZE", default_value = "64 MiB", value_parser = parse_size)]
    max_body: u64,

    /// Maximum number of simultaneous connections; one address may use a quarter of them
    #[arg(long, value_name = "NUMBER", default_value = "4096", value_parser = clap::value_parser!(u32).range(4..))]
    max_connections: u32,

    /// Maximum number of requests that the program answers at one time; as many more may wait
    #[arg(long, value_name = "NUMBER", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..))]
    max_requests: u32,

    /// The time for open requests to finish after SIGINT or SIGTERM; a second signal ends the command at once
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    drain: Duration,
}

impl Arguments {
    fn limits(&self) -> ServerLimits {
        let connections = usize::try_from(self.max_connections).unwrap_or(usize::MAX);
        ServerLimits {
            connections,
            connections_per_address: connections / 4,
            body: self.max_body,
            ending: self.drain,
            ..ServerLimits::default()
        }
    }

    fn requests(&self) -> RequestLimits {
        let concurrent = usize::try_from(self.max_requests).unwrap_or(usize::MAX);
        RequestLimits {
            concurrent,
            queued: concurrent,
        }
    }

    /// Returns the TLS configuration, if there is one.
    fn tls(&self) -> Result<Option<Arc<ServerConfig>>, Failure> {
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else {
            return Ok(None);
        };
        let certificates = project::read_text(certificate, "the certificates")?;
        let key = project::read_text(key, "the private key of the certificate")?;
        let tls = http::tls_config(certificates.as_bytes(), key.as_bytes());
        tls.map(Some).map_err(|error| Failure::usage(error.to_string()))
    }
}

/// Answers requests until a signal arrives. Prints the address before the first request is answered, so that a script
/// can wait for the line.
pub(super) fn serve(arguments: &Arguments) -> Result<String, Failure> {
    initialize();
    project::wait_for(serve_here(arguments))?;
    Ok(String::new())
}

async fn serve_here(arguments: &Arguments) -> Result<(), Failure> {
    let listen = &arguments.listen;
    let fault = |error: io::Error| {
        Failure::usage(format!("cannot listen on {}: {error}", text::one_line(listen)))
            .help("give --listen an address and a free port of this machine, such as 127.0.0.1:0")
    };
    let tls = arguments.tls()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    // The socket is opened before the OS sandbox is entered, which then allows only this port.
    let listener = TcpListener::bind(listen).await.map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    let prepared = prepare(
        &arguments.program,
        |limits| limits.requests = arguments.requests(),
        |sandbox| sandbox.listen(address.port()),
    )
    .await?;
    let graph = prepared.program.graph();
    let instance = match prepared.runtime.start(graph).await {
        Ok(instance) => instance,
        Err(error) => return Err(unstarted(error, &prepared)),
    };
    let folder = arguments.program.program.display().to_string();
    let line = format!("serving {} at {scheme}://{address}/", text::one_line(&folder));
    let _ = writeln!(io::stdout(), "{}", text::message(&line));
    let functions = Arc::new(Functions {
        runtime: prepared.runtime.clone(),
        graph: graph.clone(),
        instance: Mutex::new(instance),
    });
    let (stop, console) = (prepared.runtime.stop_handle(), prepared.console);
    let told = signals::first()?;
    let told = async {
        told.await;
        console::note("finishing the open requests; a second signal ends at once");
        // If there is no thread for it, a second signal has no effect.
        let _ = signals::listen(stop, console);
    };
    http::serve(listener, functions.clone(), tls, arguments.limits(), told).await;
    functions
        .instance
        .lock()
        .await
        .clone()
        .drain(arguments.drain)
        .await;
    prepared.finish()
}

fn unstarted(error: StartError, prepared: &Prepared) -> Failure {
    match error {
        StartError::Run(error) => error.into(),
        StartError::Ended(outcome) => match prepared.ended(outcome.exit) {
            Err(failure) => failure,
            Ok(()) => Failure::bug("the program ended before it could answer a request"),
        },
        error => Failure::bug(error.to_string()),
    }
}

/// The program that answers requests. If its instance ends, for example at a limit, the next request starts another.
struct Functions {
    runtime: Runtime,
    graph: Graph,
    instance: Mutex<Instance>,
}

impl Functions {
    async fn instance(&self) -> Result<Instance, StartError> {
        let mut instance = self.instance.lock().await;
        if instance.has_ended() {
            *instance = self.runtime.start(&self.graph).await?;
        }
        Ok(instance.clone())
    }
}

impl Service for Functions {
    async fn answer(&self, request: Request<Body>, _client: Client) -> Response<Body> {
        let instance = match self.instance().await {
            Ok(instance) => instance,
            Err(error) => {
                console::warn(&error.to_string());
                return http::problem(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the function cannot be started; its log says why",
                );
            }
        };
        match instance.fetch(request).await {
            Ok(response) => response,
            Err(error) => failed(&error),
        }
    }
}

/// Returns the response for a request that the program did not answer.
fn failed(error: &FetchError) -> Response<Body> {
    if !matches!(error, FetchError::Failed | FetchError::Target(_)) {
        console::warn(&error.to_string());
    }
    http::failed(error.status(), &error.to_string())
}
