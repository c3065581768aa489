//! The `net` family: HTTP requests to granted origins.

mod address;
mod fetch;

use std::cell::RefCell;
use std::rc::Rc;

use deno_core::{CancelFuture, CancelHandle, GarbageCollected, JsBuffer, OpState, op2, v8};

use self::fetch::{Body, Request};
use super::delegation::Chain;
use super::error::OpError;
use super::gate::Capability;
use super::object::{Left, left, object};
use super::open::{Open, OpenThings};
use crate::runtime::{Bytes, HeldByAll, Lasting, LimitHit};

pub(crate) use self::fetch::NetLimits;

/// What a guest's `net` object stands for.
pub(crate) struct NetCapability(Rc<Capability>);

// SAFETY: it holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for NetCapability {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"NetCapability"
    }
}

/// A response body that is being received.
pub(crate) struct ResponseBody {
    /// As the guest wrote it.
    url: String,
    capability: Rc<Capability>,
    /// The body, and that it is counted as open.
    body: Open<(tokio::sync::Mutex<Body>, HeldByAll)>,
}

// SAFETY: it holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for ResponseBody {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"ResponseBody"
    }
}

/// Stops one request.
pub(crate) struct Cancel(Rc<CancelHandle>);

// SAFETY: it holds no engine handles, so there is nothing to trace.
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

/// A response without its body, as realm code unpacks it.
#[derive(serde::Serialize)]
pub(crate) struct Head(u16, String, String, bool, Vec<(String, String)>);

/// Fetches for [`op_sr_net_received`].
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
    let request = Request::new(&method, &url, headers, body.map(|body| body.to_vec()), &redirect)?;
    // Decided before anything else happens, and again for every redirect.
    fetch::check(&capability, request.url(), &url)?;
    let over = |hit: LimitHit| capability.over(&hit, ("net", "connect"), &url);
    let _pending = capability.account.begin(Lasting::Pending).map_err(over)?;
    let held = capability.account.begin(Lasting::Handle).map_err(over)?;
    let answer = fetch::follow(&capability, request, &limits);
    let answer = match cancel {
        Some(cancel) => answer
            .or_cancel(cancel)
            .await
            .unwrap_or_else(|_| Err(OpError::system("Error", "ECANCELED", "the request was aborted"))),
        None => answer.await,
    }?;
    let body = (tokio::sync::Mutex::new(answer.body), held);
    let body = state.borrow().borrow::<OpenThings>().keep(body);
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
    Ok(Left::leave(&state, received))
}

#[op2]
pub(crate) fn op_sr_net_received<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    state: &mut OpState,
    #[smi] number: u32,
) -> Result<v8::Local<'s, v8::Object>, OpError> {
    left::<Received>(scope, state, number)
}

/// A response, until realm code takes it apart.
pub(crate) struct Received {
    head: RefCell<Option<Head>>,
    body: RefCell<Option<ResponseBody>>,
}

// SAFETY: it holds no engine handles, so there is nothing to trace.
unsafe impl GarbageCollected for Received {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}

    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Received"
    }
}

fn taken() -> OpError {
    OpError::type_error("the response was taken apart already")
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
#[buffer]
pub(crate) async fn op_sr_net_read(#[cppgc] body: &ResponseBody) -> Result<Vec<u8>, OpError> {
    let (capability, url) = (body.capability.clone(), body.url.clone());
    let over = |hit: LimitHit| capability.over(&hit, ("net", "connect"), &url);
    let body = body.body.to_the_end()?;
    let _pending = capability.account.begin(Lasting::Pending).map_err(over)?;
    let mut body = body.0.lock().await;
    // A capability that expired meanwhile stops working on what it had begun.
    fetch::check_again(&capability, &body)?;
    let bytes = body.next().await?;
    capability
        .account
        .bytes(Bytes::Fetched, bytes.len())
        .map_err(over)?;
    Ok(bytes)
}
