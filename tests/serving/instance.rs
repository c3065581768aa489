//! Instances of the library.

use std::time::Duration;

use secure_runtime::http::{Body, Request, StatusCode};
use secure_runtime::{Exit, FetchError, Limit, Limits, RequestContext, RequestLimits};

use super::{get, post, read, text};
use crate::support::Scene;

fn serving(body: &str) -> Scene {
    Scene::of_main(
        &[],
        &format!("export default {{ async fetch(request, context) {{ {body} }} }};"),
    )
}

/// SERVE-1: the handler gets a `Request`, and its `Response` is returned.
#[test]
fn a_handler_answers_requests() {
    let scene = serving(
        "return Response.json([request.method, request.url, request.headers.get('x-a'), request.headers.get('content-type'),
           request.body === null, request.bodyUsed, request.signal.aborted, await request.text(), request.bodyUsed],
           { status: 201, headers: [['x-b', '\\u00e9'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']] });",
    );
    scene
        .serve(async |instance, _| {
            let request = Request::post("https://Test.example:443/a/../b?c=d#e")
                .header("x-a", "1")
                .header("x-a", "2")
                .header("content-type", "text/plain")
                .body(Body::from("hello"))
                .unwrap();
            let response = instance.fetch(request).await.unwrap();
            let headers = response.headers();
            assert_eq!(headers["x-b"].as_bytes(), b"\xe9");
            assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
            assert_eq!(headers["content-type"], "application/json");
            let (status, body) = read(response).await;
            assert_eq!(status, StatusCode::CREATED);
            assert_eq!(
                body.unwrap(),
                r#"["POST","https://test.example/b?c=d","1, 2","text/plain",false,false,false,"hello",true]"#
            );
            let (_, body) = read(instance.fetch(get("/")).await.unwrap()).await;
            assert_eq!(
                body.unwrap(),
                r#"["GET","http://test.example/",null,null,true,false,false,"",false]"#
            );
            let request = Request::get("/relative").body(Body::empty()).unwrap();
            assert!(matches!(
                instance.fetch(request).await,
                Err(FetchError::Target(_))
            ));
        })
        .unwrap();
}

/// SERVE-2: a program without a handler, and one that fails, starts no instance.
#[test]
fn a_program_without_a_handler_is_not_started() {
    for (source, expected) in [
        ("", "no handler of requests"),
        ("export default 1;", "no handler of requests"),
        ("export default {};", "no handler of requests"),
        ("export default { fetch: 1 };", "no handler of requests"),
        (
            "export default { get fetch() { throw new Error('mine'); } };",
            "Error: mine",
        ),
        ("throw new Error('early');", "Error: early"),
        (
            "export default { fetch() {} }; await new Promise(() => {});",
            "ended before",
        ),
    ] {
        let error = Scene::of_main(&[], source).serve(async |_, _| ()).unwrap_err();
        assert!(error.contains(expected), "{source}: {error}");
    }
    // A function with a method is an object as well.
    let scene = Scene::of_main(
        &[],
        "const app = () => {}; app.fetch = function () { return new Response(String(this === app)); }; export default app;",
    );
    let body = scene.serve(async |instance, _| text(instance.fetch(get("/")).await.unwrap()).await);
    assert_eq!(body.unwrap(), "true");
}

/// SERVE-3: requests are in progress at one time, in one isolate.
#[test]
fn many_requests_are_in_progress_at_one_time() {
    let scene = Scene::of_main(
        &[],
        "const waiting = []; let count = 0;
         export default { async fetch(request) {
           const number = ++count;
           if (number === 100) for (const wake of waiting) wake();
           else await new Promise((wake) => waiting.push(wake));
           return new Response(`${number} ${count} ${new URL(request.url).pathname}`);
         } };",
    );
    scene
        .serve(async |instance, _| {
            let all = (0..100).map(|number| {
                let instance = instance.clone();
                async move { text(instance.fetch(get(&format!("/{number}"))).await.unwrap()).await }
            });
            let all = futures_util::future::join_all(all).await;
            for (number, body) in all.iter().enumerate() {
                assert!(body.ends_with(&format!(" 100 /{number}")), "{body}");
            }
            // A request ends a moment after its response.
            while instance.requests() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .unwrap();
}

/// SERVE-4: bodies are streamed in both directions, and a slow reader stops the writer.
#[test]
fn bodies_are_streamed() {
    if !cfg!(feature = "v8") {
        return;
    }
    let scene = Scene::of_main(
        &[],
        "let made = 0;
         export default { async fetch(request) {
           switch (new URL(request.url).pathname) {
             case '/echo': return new Response(request.body);
             case '/upper': return new Response(request.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({ transform: (text, to) => to.enqueue(text.toUpperCase()) })).pipeThrough(new TextEncoderStream()));
             case '/made': return new Response(String(made));
             case '/endless': return new Response(new ReadableStream({ pull(to) { made++; to.enqueue(new Uint8Array(1024)); }, cancel() { made = -1; } }));
           }
         } };",
    );
    scene
        .serve(async |instance, _| {
            let (sender, receiver) = tokio::sync::mpsc::channel::<Result<&str, std::io::Error>>(1);
            let stream = futures_util::stream::unfold(receiver, async |mut receiver| {
                receiver.recv().await.map(|piece| (piece, receiver))
            });
            let response = instance
                .fetch(post("/echo", Body::from_stream(stream)))
                .await
                .unwrap();
            let mut body = response.into_body().into_data_stream();
            // The response begins before the request has ended.
            for piece in ["one", "two", "three"] {
                sender.send(Ok(piece)).await.unwrap();
                let echoed = futures_util::StreamExt::next(&mut body).await.unwrap().unwrap();
                assert_eq!(echoed, piece);
            }
            drop(sender);
            assert!(futures_util::StreamExt::next(&mut body).await.is_none());

            assert_eq!(
                text(instance.fetch(post("/upper", "some text")).await.unwrap()).await,
                "SOME TEXT"
            );

            let endless = instance.fetch(get("/endless")).await.unwrap();
            let made = |instance: secure_runtime::Instance| async move {
                text(instance.fetch(get("/made")).await.unwrap())
                    .await
                    .parse::<i64>()
                    .unwrap()
            };
            let mut before = -2;
            loop {
                let now = made(instance.clone()).await;
                if now == before {
                    break;
                }
                before = now;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!((1..100).contains(&before), "{before}");
            drop(endless);
            while made(instance.clone()).await != -1 {}
        })
        .unwrap();
}

/// SERVE-5: a handler that fails answers nothing, and its error is printed. Other requests continue.
#[test]
fn failures_of_handlers_are_printed_and_not_sent() {
    let scene = Scene::of_main(
        &["fs.read=./data/**"],
        "import { fs } from 'cap:self';
         export default { async fetch(request) {
           switch (new URL(request.url).pathname) {
             case '/throws': throw new Error('secret-1');
             case '/value': return 'secret-2';
             case '/denied': return new Response(await fs.readTextFile('/etc/secret-3'));
             case '/header': return new Response('', { headers: { a: 'x'.repeat(70000) } });
             case '/used': { const response = new Response('a'); await response.text(); return response; }
             case '/unhandled': Promise.reject(new Error('secret-4')); return new Response('fine');
           }
           return new Response('fine');
         } };",
    );
    scene
        .serve(async |instance, captured| {
            for (path, printed) in [
                ("/throws", "Error: secret-1"),
                ("/value", "TypeError: the handler must return a Response"),
                ("/denied", "CapabilityError"),
                (
                    "/header",
                    "the headers of the response have more than 65536 bytes",
                ),
                ("/used", "was read already"),
            ] {
                let failed = instance.fetch(get(path)).await.unwrap_err();
                assert_eq!(failed, FetchError::Failed, "{path}");
                captured.wait_for_error(printed).await;
                assert_eq!(text(instance.fetch(get("/")).await.unwrap()).await, "fine");
            }
            assert_eq!(
                text(instance.fetch(get("/unhandled")).await.unwrap()).await,
                "fine"
            );
            captured.wait_for_error("uncaught Error: secret-4").await;
            assert_eq!(text(instance.fetch(get("/")).await.unwrap()).await, "fine");
            assert_eq!(captured.decisions(), ["denied fs read /etc/secret-3"]);
        })
        .unwrap();
}

/// SERVE-6: a body that its handler does not finish is broken for the client, also if the instance ends.
#[test]
fn unfinished_bodies_are_broken() {
    if !cfg!(feature = "v8") {
        return;
    }
    let scene = serving(
        "const isBroken = request.url.endsWith('/broken'); let count = 0;
         return new Response(new ReadableStream({ async pull(to) {
           if (count++ < 2) return to.enqueue(new TextEncoder().encode('piece'));
           if (isBroken) throw new Error('mid');
           await new Promise(() => {});
         } }));",
    );
    scene
        .serve(async |instance, captured| {
            let (status, body) = read(instance.fetch(get("/broken")).await.unwrap()).await;
            assert_eq!(status, StatusCode::OK);
            assert!(body.unwrap_err().contains("failed while it sent the body"));
            captured.wait_for_error("Error: mid").await;
            let pending = instance.fetch(get("/pending")).await.unwrap();
            instance.stop();
            assert!(
                read(pending)
                    .await
                    .1
                    .unwrap_err()
                    .contains("failed while it sent the body")
            );
            assert!(matches!(instance.ended().await.unwrap().exit, Exit::Stopped));
            let refused = instance.fetch(get("/")).await.unwrap_err();
            assert_eq!(refused.to_string(), "the function has ended: it was stopped");
        })
        .unwrap();
}

/// SERVE-7: the signal of a request is aborted when its client goes away.
#[test]
fn the_signal_is_aborted_when_the_client_goes_away() {
    let scene = serving(
        "const { signal } = request;
         await new Promise((resolve) => { signal.addEventListener('abort', resolve); console.log('waiting'); });
         console.log('aborted', signal.aborted, context.signal === signal);
         signal.throwIfAborted();",
    );
    scene
        .serve(async |instance, captured| {
            let fetch = instance.fetch(get("/"));
            tokio::select! {
                _ = fetch => panic!("there is no response"),
                () = captured.wait_for("waiting") => {}
            }
            captured.wait_for("aborted true true").await;
            while instance.requests() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .unwrap();
}

/// SERVE-8: the context has the host's data, and `waitUntil` keeps the request in progress.
#[test]
fn the_context_has_the_data_of_the_host() {
    let scene = serving(
        "if (request.url.endsWith('/wait')) {
           let wake; const promise = new Promise((resolve) => { wake = resolve; });
           setTimeout(() => { console.log('done'); wake(); }, 50);
           context.waitUntil(promise); context.waitUntil(Promise.reject(new Error('waited')));
           return new Response('early');
         }
         const { requestId, params } = context;
         return Response.json([requestId, params.id, Object.isFrozen(params), Object.keys(params), Object.keys(context)]);",
    );
    scene
        .serve(async |instance, captured| {
            let mut request = get("/a");
            request.extensions_mut().insert(RequestContext {
                id: "r-1".to_owned(),
                params: vec![
                    ("id".to_owned(), "7".to_owned()),
                    ("__proto__".to_owned(), "8".to_owned()),
                ],
            });
            let body = text(instance.fetch(request).await.unwrap()).await;
            assert_eq!(body, r#"["r-1","7",true,["id","__proto__"],[]]"#);
            assert_eq!(text(instance.fetch(get("/wait")).await.unwrap()).await, "early");
            assert_eq!(instance.requests(), 1);
            instance.drain(Duration::from_secs(600)).await;
            captured.wait_for("done").await;
            captured.wait_for_error("Error: waited").await;
            assert!(matches!(instance.ended().await.unwrap().exit, Exit::Completed));
        })
        .unwrap();
}

/// SERVE-9: a handler that is busy longer than `cpu` ends the instance, and all requests learn of the limit.
#[test]
fn a_busy_handler_ends_the_instance() {
    let scene = serving("if (request.url.endsWith('/busy')) for (;;) {} if (request.url.endsWith('/waits')) await new Promise(() => {}); return new Response('fine');")
        .limits(Limits {
            cpu: Some(Duration::from_millis(200)),
            ..Limits::default()
        });
    scene
        .serve(async |instance, _| {
            // Many short turns together take longer than the limit, and end nothing.
            for _ in 0..2000 {
                instance.fetch(get("/")).await.unwrap();
            }
            let waits = instance.fetch(get("/waits"));
            let busy = instance.fetch(get("/busy"));
            let (waits, busy) = futures_util::future::join(waits, busy).await;
            for failed in [waits, busy] {
                let failed = failed.unwrap_err().to_string();
                assert!(
                    failed.contains("the program hit its processor time limit of 200ms"),
                    "{failed}"
                );
            }
            let outcome = instance.ended().await.unwrap();
            let Exit::Limit(hit) = outcome.exit else {
                panic!("{outcome:?}")
            };
            assert!(matches!(hit.limit, Limit::Cpu(_)));
            assert!(instance.has_ended());
        })
        .unwrap();
}

/// SERVE-10: a request that is not answered in the time `wall` fails alone.
#[test]
fn a_slow_request_fails_alone() {
    let scene = serving(
        "if (request.url.endsWith('/slow')) await new Promise(() => {}); return new Response('fine');",
    )
    .limits(Limits {
        wall: Some(Duration::from_millis(500)),
        ..Limits::default()
    });
    scene
        .serve(async |instance, _| {
            let failed = instance.fetch(get("/slow")).await.unwrap_err();
            assert_eq!(failed, FetchError::Wall(Duration::from_millis(500)));
            assert_eq!(
                failed.to_string(),
                "the function did not respond within 500ms, its limit `wall`"
            );
            // The instance lives longer than the limit. On a slow machine, a request may be too slow as well.
            loop {
                match instance.fetch(get("/")).await {
                    Ok(response) => break assert_eq!(text(response).await, "fine"),
                    Err(error) => assert!(matches!(error, FetchError::Wall(_)), "{error}"),
                }
            }
        })
        .unwrap();
}

/// SERVE-11: requests beyond the limits fail at once, and a place is free again when a request ends.
#[test]
fn requests_beyond_the_limit_fail_at_once() {
    let requests = RequestLimits {
        concurrent: 2,
        queued: 1,
    };
    let scene = Scene::of_main(
        &[],
        "const waiting = [];
         export default { async fetch(request) {
           if (request.url.endsWith('/wake')) { for (const wake of waiting) wake(); }
           else await new Promise((wake) => { waiting.push(wake); console.log('waiting', waiting.length); });
           return new Response('fine');
         } };",
    );
    let scene = scene.limits(Limits {
        requests,
        ..Limits::default()
    });
    scene
        .serve(async |instance, captured| {
            let spawn = |path: &str| {
                let (instance, request) = (instance.clone(), get(path));
                tokio::spawn(async move { instance.fetch(request).await })
            };
            let first = spawn("/a");
            captured.wait_for("waiting 1").await;
            assert_eq!(instance.requests(), 1);
            let second = spawn("/b");
            captured.wait_for("waiting 2").await;
            let queued = spawn("/wake");
            tokio::task::yield_now().await;
            let refused = instance.fetch(get("/c")).await.unwrap_err();
            assert_eq!(
                refused,
                FetchError::Busy {
                    concurrent: 2,
                    queued: 1
                }
            );
            assert!(
                refused
                    .to_string()
                    .starts_with("2 requests are in progress and 1 wait"),
                "{refused}"
            );
            // A client that goes away gives its place to the next.
            first.abort();
            assert!(first.await.is_err());
            second.abort();
            drop(second.await);
            queued.abort();
            drop(queued.await);
        })
        .unwrap();
}

/// SERVE-12: an instance that is dropped ends, and so does one that the runtime stops.
#[test]
fn an_instance_ends_with_its_last_handle() {
    let scene = serving("return new Response('fine');");
    scene
        .serve(async |instance, _| {
            let other = instance.clone();
            drop(instance);
            assert_eq!(text(other.fetch(get("/")).await.unwrap()).await, "fine");
            other.drain(Duration::ZERO).await;
            assert!(other.has_ended());
            assert!(matches!(
                other.fetch(get("/")).await,
                Err(FetchError::Ended { .. })
            ));
        })
        .unwrap();
}

/// SERVE-13: the heap limit ends the instance, and names itself to the requests in progress.
#[test]
fn the_heap_limit_ends_the_instance() {
    let scene = serving("const all = []; for (;;) all.push(new Array(1000).fill(request.url + all.length));")
        .limits(Limits {
            heap: 32 << 20,
            ..Limits::default()
        });
    scene
        .serve(async |instance, _| {
            let failed = instance.fetch(get("/")).await.unwrap_err().to_string();
            assert!(
                failed.contains("the program hit its heap limit of 32.0 MiB"),
                "{failed}"
            );
            assert!(matches!(instance.ended().await.unwrap().exit, Exit::Limit(_)));
        })
        .unwrap();
}
