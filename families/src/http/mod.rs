//! The `http` family: servers that answer requests with a handler of the guest.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use secure_runtime_capabilities::{ActionName, Authority, Family, FamilyName, ListenAddress, Pattern};
use secure_runtime_engine::extension::{
    Arguments, Extension, Granted, Methods, OperationError, Output, ProgramStart, RequestEvents,
    RequestLimits, Requester, SandboxRule, Script, Value, clipped,
};
use secure_runtime_http::{
    Body, Client, Request, Response, ServerLimits, Service, failed, serve, tls_config,
};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

/// Memory of a server, in bytes: its socket, its task, and its connections while they are idle.
const SERVER: usize = 256 << 10;

/// Maximum number of connections of one server, and of one address.
const CONNECTIONS: usize = 1024;

/// The time for open requests to finish after a server was told to end.
const ENDING: Duration = Duration::from_secs(30);

/// The family.
pub(crate) struct Http;

type Call = Granted<'static, Http>;

/// The limits of one program.
#[derive(Clone, Copy, Default)]
pub(crate) struct HttpLimits {
    requests: RequestLimits,
}

/// A server that is listening. When it is dropped, its connections are closed.
struct Listening {
    events: Mutex<RequestEvents>,
    stop: Arc<Notify>,
    task: JoinHandle<()>,
    _memory: secure_runtime_engine::extension::Reservation,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers the requests of a server by the handler in the isolate.
struct Handler(Requester);

impl Service for Handler {
    async fn answer(&self, request: Request<Body>, _client: Client) -> Response<Body> {
        match self.0.fetch(request).await {
            Ok(response) => response,
            Err(error) => failed(error.status(), &error.to_string()),
        }
    }
}

/// Opens the socket, and starts a server on it.
fn listen(granted: Call, arguments: Arguments) -> Result<Output, OperationError> {
    let limits = **granted.isolate()?.program();
    let failed = |error: std::io::Error| {
        let code = match error.kind() {
            std::io::ErrorKind::AddrInUse => "EADDRINUSE",
            std::io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
            std::io::ErrorKind::PermissionDenied => "EACCES",
            _ => "EIO",
        };
        let shown = clipped(granted.shown()).to_string();
        OperationError::system("Error", code, format!("listen {shown:?}: {error}"))
    };
    let address = ListenAddress::parse(granted.resource());
    let address = address.map_err(|problem| OperationError::type_error(problem.to_string()))?;
    let tls = match (arguments.get(2), arguments.get(3)) {
        (Value::Text(certificates), Value::Text(key)) => {
            let tls = tls_config(certificates.as_bytes(), key.as_bytes());
            Some(tls.map_err(|error| OperationError::type_error(format!("serve: {error}")))?)
        }
        _ => None,
    };
    let permit = granted.permit_open()?;
    let memory = granted.reserve(SERVER, "listen")?;
    // The decided address is the one that is used.
    let socket = TcpListener::bind(address.address()).map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(socket).map_err(failed)?;
    let body = arguments.number(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the script has checked that it is a whole number"
    )]
    let body = body as u64;
    let server = ServerLimits {
        connections: CONNECTIONS,
        connections_per_address: CONNECTIONS,
        body,
        ending: ENDING,
        ..ServerLimits::default()
    };
    let (requester, events) = Requester::new(limits.requests, None);
    let stop = Arc::new(Notify::new());
    let told = stop.clone();
    let task = tokio::spawn(async move {
        let handler = Arc::new(Handler(requester));
        serve(listener, handler.clone(), tls, server, told.notified()).await;
        handler.0.finish().await;
    });
    let listening = Listening {
        events: Mutex::new(events),
        stop,
        task,
        _memory: memory,
    };
    let bound = Value::List(vec![
        bound.ip().to_string().into(),
        u32::from(bound.port()).into(),
    ]);
    Ok(granted.open(&[ActionName::LISTEN], listening, permit, bound))
}

/// Waits for the next event of a server. There is none after its end.
async fn next(granted: Call, server: Rc<Listening>, _arguments: Arguments) -> Result<Output, OperationError> {
    let mut events = server.events.lock().await;
    Ok(Value::from(granted.next_request(&mut events).await?).into())
}

impl Extension for Http {
    type Program = HttpLimits;
    type Isolate = ();
    type Capability = ();
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        Arc::new(secure_runtime_capabilities::Http)
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:http/http.js",
            source: include_str!("http.js"),
        }
    }

    fn types(&self) -> &'static str {
        include_str!("http.d.ts")
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        methods
            .on_argument(ActionName::LISTEN)
            .titled("serve")
            .sync("listen", listen);
        let mut server = methods.resource::<Listening>();
        server
            .on(ActionName::LISTEN)
            .titled("serve")
            .asynchronous("next", next);
        server
            .on(ActionName::LISTEN)
            .titled("shutdown")
            .sync("shutdown", |_, server, _| {
                server.stop.notify_one();
                Ok(())
            });
        // A socket of a request calls it for each message.
        server
            .on(ActionName::LISTEN)
            .titled("serve")
            .sync("goesOn", |_, _, _| Ok(()));
        server.close("close");
    }

    fn sandbox_rules(&self, authority: &Authority) -> Vec<SandboxRule> {
        let rights = authority.effective(FamilyName::HTTP, ActionName::LISTEN);
        let ports = rights.filter_map(|pattern| {
            let text = match pattern {
                Pattern::Exact(address) => address.as_str(),
                Pattern::Affix { suffix, .. } => suffix.as_str(),
                Pattern::Endpoint(_) => return None,
            };
            text.rsplit_once(':')?.1.parse().ok()
        });
        ports.map(SandboxRule::Listen).collect()
    }

    fn start_program(&self, program: &ProgramStart<'_>) -> HttpLimits {
        HttpLimits {
            requests: program.limits.requests,
        }
    }
}
