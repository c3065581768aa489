//! Attacks on programs that serve, by their own modules and by clients.

use secure_runtime::http::{Body, StatusCode};
use secure_runtime::{FetchError, Limits, RequestLimits};

use super::{get, post, read, text};
use crate::support::Scene;

/// A program whose entry passes each request and its context to the package `a`, which has no rights.
fn with_package(entry: &str, package: &str) -> Scene {
    Scene::new()
        .file(
            "secure.toml",
            "[package]\nname = \"t\"\nentry = \"main.js\"\n[imports]\na = \"./a/\"\n[grants]\nkv.read = [\"*\"]\n",
        )
        .file("main.js", entry)
        .file("a/package.json", r#"{ "name": "a", "type": "module", "main": "index.js" }"#)
        .file("a/index.js", package)
}

/// A180: a request and its context act on this request only, once, and not after its end.
#[test]
fn a180_a_request_that_a_module_keeps_gives_nothing_later() {
    let scene = with_package(
        "import { keep, attempt } from 'a';
         export default { async fetch(request, context) {
           if (request.url.endsWith('/first')) { keep(request, context); return new Response('kept'); }
           const mine = await request.text();
           return new Response(`${mine} ${await attempt(request, context)}`);
         } };",
        "let kept;
         export const keep = (request, context) => { kept = { request, context }; };
         export const attempt = async (request, context) => {
           const gained = [];
           const fails = async (what, call) => { try { gained.push(`${what}: ${String(await call())}`); } catch {} };
           await fails('the body of an earlier request', () => kept.request.text());
           await fails('waitUntil of an earlier request', () => kept.context.waitUntil(Promise.resolve()));
           await fails('a body that was read', () => request.text());
           await fails('a context of the prototype', () => Object.create(Object.getPrototypeOf(context)).requestId);
           await fails('waitUntil of another object', () => Object.getPrototypeOf(context).waitUntil.call(request, 1));
           await fails('a new property', () => { context.caller = 1; return context.caller; });
           await fails('a changed prototype', () => { Object.getPrototypeOf(context).waitUntil = 1; return 'changed'; });
           await fails('a header', () => { request.headers.set('x', 'y'); return 'changed'; });
           if (context.requestId !== 'second') gained.push(context.requestId);
           return gained.length === 0 ? 'nothing' : gained.join();
         };",
    );
    scene
        .serve(async |instance, _| {
            let first = instance.fetch(post("/first", "secret")).await.unwrap();
            assert_eq!(text(first).await, "kept");
            let mut second = post("/second", "own");
            second.extensions_mut().insert(secure_runtime::RequestContext {
                id: "second".to_owned(),
                params: Vec::new(),
            });
            assert_eq!(text(instance.fetch(second).await.unwrap()).await, "own nothing");
        })
        .unwrap();
}

/// A181: no response adds a line to a head, and a `then` that a package adds gets no request.
#[test]
fn a181_responses_add_no_lines() {
    let scene = with_package(
        "import { answer } from 'a';
         export default { fetch: (request) => answer(request) };",
        r#"export const answer = (request) => {
             const value = decodeURIComponent(new URL(request.url).search.slice(1));
             if (request.url.includes("/then")) return { then: (resolve) => resolve(new Response("then")) };
             return new Response("fine", { headers: { "x-a": value } });
           };"#,
    );
    scene
        .serve(async |instance, _| {
            for bad in ["a%0d%0ax-evil:%201", "a%0ax", "a%0dx", "a%00x", "%c4%80"] {
                let failed = instance.fetch(get(&format!("/?{bad}"))).await.unwrap_err();
                assert_eq!(failed, FetchError::Failed, "{bad}");
            }
            let fine = instance.fetch(get("/?a%20b")).await.unwrap();
            assert_eq!(fine.headers()["x-a"], "a b");
            // A thenable is awaited, like a promise.
            assert_eq!(text(instance.fetch(get("/then")).await.unwrap()).await, "then");
        })
        .unwrap();
}

/// A182: bytes that clients do not take are counted, and their memory has the limit of the heap.
#[test]
fn a182_responses_that_nobody_reads_are_bounded() {
    if !cfg!(feature = "v8") {
        return;
    }
    let scene = Scene::of_main(
        &[],
        "export default { fetch: () => new Response(new ReadableStream({ pull(to) { to.enqueue(new Uint8Array(1 << 20)); } })) };",
    )
    .limits(Limits {
        heap: 32 << 20,
        ..Limits::default()
    });
    scene
        .serve(async |instance, _| {
            let first = instance.fetch(get("/")).await.unwrap();
            let mut body = first.into_body().into_data_stream();
            let piece = futures_util::StreamExt::next(&mut body).await.unwrap().unwrap();
            assert_eq!(piece.len(), 1 << 20);
            drop(body);
            let mut all = Vec::new();
            for _ in 0..200 {
                // Without room, a response fails, or the instance ends at its limit.
                all.extend(instance.fetch(get("/")).await.ok());
            }
            let mut complete = 0;
            for response in all {
                let mut body = response.into_body().into_data_stream();
                // Each of these responses would have five pieces and more.
                let pieces = (0..5).map(|_| ());
                let mut count = 0;
                for () in pieces {
                    match futures_util::StreamExt::next(&mut body).await {
                        Some(Ok(_)) => count += 1,
                        _ => break,
                    }
                }
                complete += usize::from(count == 5);
            }
            assert!(complete < 200, "{complete}");
            instance.stop();
            let held = instance.ended().await.unwrap().memory.held;
            assert!((8 << 20..=48 << 20).contains(&held), "{held}");
        })
        .unwrap();
}

/// A183: a client that sends a body without end, to a handler that does not read it, fills no memory.
#[test]
fn a183_bodies_that_nobody_reads_are_not_received() {
    let scene = Scene::of_main(
        &[],
        "export default { async fetch(request) { if (request.url.endsWith('/first')) return new Response(String((await request.text()).length)); return new Response('early'); } };",
    );
    scene
        .serve(async |instance, _| {
            let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let counted = sent.clone();
            let endless = futures_util::stream::repeat_with(move || {
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Ok::<_, std::io::Error>(vec![0; 1 << 16])
            });
            let response = instance
                .fetch(post("/", Body::from_stream(endless)))
                .await
                .unwrap();
            assert_eq!(text(response).await, "early");
            assert_eq!(sent.load(std::sync::atomic::Ordering::SeqCst), 0);
            // The same handler reads a body that it wants.
            let body = Body::from(vec![b'a'; 1 << 20]);
            let (status, length) = read(instance.fetch(post("/first", body)).await.unwrap()).await;
            assert_eq!((status, length.unwrap().as_str()), (StatusCode::OK, "1048576"));
        })
        .unwrap();
}

/// A186: clients that leave do not keep the places of requests, whatever the handler does.
#[test]
fn a186_clients_that_leave_free_their_places() {
    let scene = Scene::of_main(
        &[],
        "let count = 0;
         export default { async fetch(request, context) {
           if (request.url.endsWith('/never')) {
             console.log(`waits ${++count};`);
             await new Promise((resolve) => setTimeout(resolve, 20));
             context.waitUntil(Promise.resolve());
             await new Promise(() => {});
           }
           return new Response('fine');
         } };",
    )
    .limits(Limits {
        requests: RequestLimits {
            concurrent: 2,
            queued: 0,
        },
        ..Limits::default()
    });
    scene
        .serve(async |instance, captured| {
            for count in 1..=10 {
                let waits = format!("waits {count};");
                tokio::select! {
                    response = instance.fetch(get("/never")) => panic!("{response:?}"),
                    () = captured.wait_for(&waits) => {}
                }
                while instance.requests() > 0 {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            }
            assert_eq!(text(instance.fetch(get("/")).await.unwrap()).await, "fine");
        })
        .unwrap();
}
