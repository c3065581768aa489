//! The `net` family: HTTP requests to granted origins, connections and datagrams, listeners, and lookups of names.

mod address;
mod connections;
mod decode;
mod destination;
mod fetch;
mod listen;
mod request;
mod resolve;
mod sandbox_rules;
mod tcp;
mod tls;
mod udp;
mod upload;
mod websocket;

use std::rc::Rc;
use std::sync::Arc;

use secure_runtime_capabilities::{ActionName, Authority, Family, Operation};
use secure_runtime_engine::extension::{
    self, Arguments, CapabilityView, CountedBytes, Decision, Extension, Global, Granted, Kept, Methods,
    OpenPermit, OperationError, Output, ProgramStart, Reservation, SandboxRule, Script,
};

use self::connections::Connections;
use self::fetch::{Body, NetLimits};
use self::request::Request;

/// Memory of a connection until its response is closed, in bytes: its client, its buffers, the response's headers, and
/// one chunk of the body.
const CONNECTION: usize = 128 << 10;

/// The connections of a capability. They are closed when its isolate ends.
#[derive(Default)]
pub(crate) struct OwnConnections(Option<Kept<Connections>>);

impl OwnConnections {
    fn get(&self) -> Result<Rc<Connections>, OperationError> {
        let kept = self.0.as_ref();
        kept.ok_or_else(|| OperationError::type_error("the isolate has ended"))?
            .get()
    }
}

/// The family.
pub(crate) struct Net(pub(crate) Option<Arc<rustls::ClientConfig>>);

/// A call of a method.
pub(crate) type Call = Granted<'static, Net>;

/// A response body that is being received, and the memory of its connection.
struct ResponseBody(
    tokio::sync::Mutex<Body>,
    #[expect(dead_code, reason = "released with the body")] Reservation,
);

/// Sends a request, and opens the body of its response.
async fn fetch(granted: Call, mut arguments: Arguments) -> Result<Output, OperationError> {
    let request = Request::of(arguments.all())?.reserved(&granted)?;
    let request = request.with_body(arguments.take(4));
    let permit = granted.permit_open()?;
    let connection = granted.reserve(CONNECTION, "fetch")?;
    requested(granted, request, permit, connection).await
}

/// Sends a request whose memory is reserved.
async fn requested(
    granted: Call,
    request: Request,
    permit: OpenPermit,
    connection: Reservation,
) -> Result<Output, OperationError> {
    let limits = **granted.isolate()?.program();
    let received = fetch::follow(&granted, request, limits).await?;
    // An expired capability does not work on responses that it began to receive. Each piece is decided again, for the
    // origin that sent it.
    let operation = Operation::net_connect(&received.origin).into_owned();
    let body = ResponseBody(tokio::sync::Mutex::new(received.body), connection);
    Ok(granted.open_as(operation, &[ActionName::CONNECT], body, permit, received.head))
}

/// Returns the next piece of a body, which is empty at the end.
async fn read(
    granted: Call,
    body: Rc<ResponseBody>,
    _arguments: Arguments,
) -> Result<Output, OperationError> {
    let mut body = body.0.lock().await;
    let bytes = body.next().await?;
    granted.count(CountedBytes::Fetched, bytes.len())?;
    // One piece of each response can exist before it is counted. The memory of its connection includes it.
    let held = granted.reserve_result(bytes.len(), "fetch").await?;
    Ok(Output::bytes(bytes, held))
}

/// Begins a method whose arguments are a request.
fn requests(methods: &mut Methods<Net>) -> Decision<'_, Net> {
    methods.on(ActionName::CONNECT, |asked| {
        let url = asked.text(0)?;
        let origin = Request::of(asked.arguments())?.origin(url)?;
        Ok((Operation::net_connect(&origin).into_owned(), url.into()))
    })
}

impl Extension for Net {
    type Program = NetLimits;
    type Isolate = ();
    type Capability = OwnConnections;
    type Sent = ();

    fn family(&self) -> Arc<dyn Family> {
        Arc::new(secure_runtime_capabilities::Net)
    }

    fn script(&self) -> Script {
        Script {
            name: "ext:net/net.js",
            // `net.js` gets what `sockets.js` returns.
            source: concat!(
                "(api) => (",
                include_str!("net.js"),
                ")(api, (",
                include_str!("sockets.js"),
                ")(api))"
            ),
        }
    }

    fn types(&self) -> &'static str {
        include_str!("net.d.ts")
    }

    fn capability(
        &self,
        capability: CapabilityView<'_, Self>,
        _origin: extension::Origin<'_, Self>,
    ) -> Result<OwnConnections, OperationError> {
        Ok(OwnConnections(Some(capability.keep(Connections::default()))))
    }

    fn globals(&self) -> &'static [Global] {
        const NAMES: &[Global] = &[
            Global {
                name: "fetch",
                needs: "",
            },
            Global {
                name: "WebSocket",
                needs: "",
            },
            Global {
                name: "EventSource",
                needs: "",
            },
        ];
        NAMES
    }

    fn methods(&self, methods: &mut Methods<Self>) {
        // The request is checked first, so that a wrong call decides nothing. The URL is decided before any other work.
        requests(methods).asynchronous("fetch", fetch);
        let mut body = methods.resource::<ResponseBody>();
        body.on(ActionName::CONNECT)
            .titled("fetch")
            .asynchronous("read", read);
        body.close("cancel");
        tcp::declare(methods);
        listen::declare(methods);
        udp::declare(methods);
        resolve::declare(methods);
        upload::methods(methods);
        websocket::methods(methods);
    }

    fn sandbox_rules(&self, authority: &Authority) -> Vec<SandboxRule> {
        sandbox_rules::of(authority)
    }

    fn start_program(&self, program: &ProgramStart<'_>) -> NetLimits {
        NetLimits {
            body: program.limits.response,
            idle: program.limits.idle,
        }
    }
}
