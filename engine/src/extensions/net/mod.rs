//! The `net` family: HTTP requests to granted origins.

mod address;
mod fetch;

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::{CancelFuture, CancelHandle, GarbageCollected, JsBuffer, OpState, op2, v8};

use self::fetch::{Body, Request};
use super::delegation::Chain;
use super::error::OpError;
use super::host_objects::{HandOffs, left, object};
use super::monitor::Capability;
use super::resource_table::{Resource, ResourceTable};
use super::results::{HeldBytes, UNDER_WAY, no_room};
use crate::limits::LimitHit;
use crate::memory::Reservation;
use crate::quota::{Bytes, InFlight, Permit};

/// Memory of a connection until its response is closed, in bytes: its client, its buffers, the response's headers, and
/// one chunk of the body.
const CONNECTION: usize = 128 << 10;

pub(crate) use self::fetch::NetLimits;

/// The Rust object behind a guest's `net` object.
pub(crate) struct NetCapability(Rc<Capability>);

// SAFETY: the object holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for NetCapability {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"NetCapability"
    }
}

/// A response body that is being received.
pub(crate) struct ResponseBody {
    /// The URL in the guest's own words.
    url: String,
    capability: Rc<Capability>,
    /// The body, its count as an open response, and the memory of its connection.
    body: Resource<(tokio::sync::Mutex<Body>, Permit, Reservation)>,
}

// SAFETY: the object holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for ResponseBody {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"ResponseBody"
    }
}

/// The object that cancels one request.
pub(crate) struct Cancel(Rc<CancelHandle>);

// SAFETY: the object holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for Cancel {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Cancel"
    }
}

#[op2]
pub(crate) fn op_sr_net<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] chain: &Chain,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    object(scope, NetCapability(chain.0.clone()))
}

#[op2]
pub(crate) fn op_sr_net_cancel_handle<'s>(
    scope: &mut v8::PinScope<'s, '_>,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    object(scope, Cancel(CancelHandle::new_rc()))
}

#[op2(fast)]
pub(crate) fn op_sr_net_cancel(#[cppgc] cancel: &Cancel) {
    cancel.0.cancel();
}

/// A response without its body, in the form that realm code reads.
#[derive(serde::Serialize)]
pub(crate) struct Head(u16, String, String, bool, Vec<(String, String)>);

/// Sends a request. [`op_sr_net_received`] returns its response.
#[op2]
#[smi]
pub(crate) async fn op_sr_net_fetch(
    state: Rc<RefCell<OpState>>,
    #[cppgc] net: &NetCapability,
    #[serde] parts: (String, String, Vec<(String, String)>, String),
    #[buffer] body: Option<JsBuffer>,
    #[cppgc] cancel: Option<&Cancel>,
) -> Result<u32, OpError> {
    let limits = state.borrow().borrow::<NetLimits>().clone();
    let capability = net.0.clone();
    let cancel = cancel.map(|cancel| cancel.0.clone());
    let (method, url, headers, redirect) = parts;
    let size = url.len()
        + headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>();
    let size = size.min(fetch::MAX_HEAD) + body.as_ref().map_or(0, |body| body.len());
    let no_room = |why| no_room("fetch", &url, why);
    let _request = capability.monitor.memory.hold_now(size).map_err(no_room)?;
    let request = Request::new(&method, &url, headers, body.map(|body| body.to_vec()), &redirect)?;
    // The URL is decided first, before any other work. Every redirect is decided again.
    fetch::check(&capability, request.url(), &url)?;
    let over = |hit: LimitHit| capability.over(&hit, ("net", "connect"), &url);
    let _pending = capability.account.begin(InFlight::Pending).map_err(over)?;
    let held = capability.account.begin(InFlight::Handle).map_err(over)?;
    let connection = capability.monitor.memory.hold_now(CONNECTION).map_err(no_room)?;
    let answer = fetch::follow(&capability, request, &limits);
    let answer = match cancel {
        Some(cancel) => answer
            .or_cancel(cancel)
            .await
            .unwrap_or_else(|_| Err(OpError::system("Error", "ECANCELED", "the request was aborted"))),
        None => answer.await,
    }?;
    let body = (tokio::sync::Mutex::new(answer.body), held, connection);
    let body = state.borrow().borrow::<ResourceTable>().keep(body);
    let received = Received {
        head: RefCell::new(Some(Head(
            answer.status,
            answer.reason,
            answer.url,
            answer.redirected,
            answer.headers,
        ))),
        body: RefCell::new(Some(ResponseBody {
            url,
            capability,
            body,
        })),
    };
    Ok(HandOffs::leave(&state, received))
}

#[op2]
pub(crate) fn op_sr_net_received<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] number: u32,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    left::<Received>(scope, state, number)
}

/// A response that realm code has not read yet.
pub(crate) struct Received {
    head: RefCell<Option<Head>>,
    body: RefCell<Option<ResponseBody>>,
}

// SAFETY: the object holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for Received {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Received"
    }
}

fn taken() -> OpError {
    OpError::type_error("the response was used already")
}

#[op2]
#[serde]
pub(crate) fn op_sr_net_head(#[cppgc] received: &Received) -> Result<Head, OpError> {
    received.head.take().ok_or_else(taken)
}

#[op2]
pub(crate) fn op_sr_net_body<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] received: &Received,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    object(scope, received.body.take().ok_or_else(taken)?)
}

#[op2]
pub(crate) async fn op_sr_net_read(#[cppgc] body: &ResponseBody) -> Result<HeldBytes, OpError> {
    let (capability, url) = (body.capability.clone(), body.url.clone());
    let over = |hit: LimitHit| capability.over(&hit, ("net", "connect"), &url);
    let body = body.body.to_the_end()?;
    let _pending = capability.account.begin(InFlight::Pending).map_err(over)?;
    let under_way = capability.monitor.memory.hold_now(UNDER_WAY);
    let _under_way = under_way.map_err(|why| no_room("fetch", &url, why))?;
    let mut body = body.0.lock().await;
    // An expired capability does not work on responses that it began to receive.
    fetch::check_again(&capability, &body)?;
    let bytes = body.next().await?;
    capability
        .account
        .bytes(Bytes::Fetched, bytes.len())
        .map_err(over)?;
    // One chunk of each response can exist before it is counted. The memory of its connection includes it.
    let held = capability.monitor.memory.room_for(bytes.len()).await;
    let held = held.map_err(|why| no_room("fetch", &url, why))?;
    Ok(HeldBytes::new(bytes, held))
}
