// RUN-104: `Headers`, `FormData`, `Request` and `Response`, where the engine has them (V8).
if (typeof Request === "function") await http();

async function http() {
  const equal = (got, expected, what) => {
    if (JSON.stringify(got) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
  };
  const throwsName = async (name, call, what) => {
    try {
      await call();
    } catch (error) {
      if (error.name !== name) throw new Error(`${what}: ${error.name}: ${error.message}`);
      return;
    }
    throw new Error(`${what}: no error`);
  };

  // Headers
  const headers = new Headers([["B", " 1 "], ["a", "2"], ["b", "3"], ["set-cookie", "x"], ["Set-Cookie", "y"]]);
  equal([...headers], [["a", "2"], ["b", "1, 3"], ["set-cookie", "x"], ["set-cookie", "y"]], "headers in order");
  equal(headers.getSetCookie(), ["x", "y"], "getSetCookie");
  headers.set("B", "4");
  headers.delete("A");
  equal([headers.get("b"), headers.has("a"), headers.get("c")], ["4", false, null], "set, delete");
  for (const [name, value] of [["a b", "1"], ["", "1"], ["a", "1\r\nx: y"], ["a", "\0"], ["a\n", "1"], ["a", "€"]]) {
    await throwsName("TypeError", () => headers.append(name, value), `the header ${JSON.stringify([name, value])}`);
    await throwsName("TypeError", () => new Headers([[name, value]]), `headers with ${JSON.stringify([name, value])}`);
    await throwsName("TypeError", () => headers.set(name, value), `set ${JSON.stringify([name, value])}`);
  }
  await throwsName("TypeError", () => new Headers([["a"]]), "a pair of one");
  await throwsName("TypeError", () => new Headers(null), "null");
  // Iteration sees changes.
  const live = new Headers({ a: "1", c: "3" });
  const seen = [];
  for (const [name] of live) {
    seen.push(name);
    if (name === "a") live.append("b", "2");
  }
  equal(seen, ["a", "b", "c"], "iteration");

  // Bodies
  const bodies = [
    ["text", "text/plain;charset=UTF-8", "text"], [new URLSearchParams("a=b"), "application/x-www-form-urlencoded;charset=UTF-8", "a=b"],
    [new Uint8Array([97]), null, "a"], [new Uint8Array([98]).buffer, null, "b"], [new Blob(["c"], { type: "x/y" }), "x/y", "c"],
    [ReadableStream.from([new Uint8Array([100])]), null, "d"], [new DataView(new Uint8Array([120, 121]).buffer, 1), null, "y"],
    [42, "text/plain;charset=UTF-8", "42"],
  ];
  for (const [body, type, text] of bodies) {
    const response = new Response(body);
    equal([response.headers.get("content-type"), response.bodyUsed, await response.text(), response.bodyUsed], [type, false, text, true], `the body ${text}`);
    await throwsName("TypeError", () => response.text(), "a body read twice");
    await throwsName("TypeError", () => response.clone(), "a clone of a read body");
  }
  const mine = new Uint8Array([1, 2]);
  const kept = new Response(mine);
  mine[0] = 9;
  equal([...await kept.bytes()], [1, 2], "a body is a copy");
  const original = new Response("abc");
  const copy = original.clone();
  const read = await original.bytes();
  read[0] = 0;
  equal(await copy.text(), "abc", "a clone has its own bytes");
  equal(await new Response("\ufeffx").text(), "x", "a byte order mark");
  equal(await new Response('{"a":1}').json(), { a: 1 }, "json");
  await throwsName("SyntaxError", () => new Response("{").json(), "json that is none");
  const streamed = new Response("abc");
  const chunks = [];
  for await (const chunk of streamed.body) chunks.push(...chunk);
  equal([chunks, streamed.bodyUsed], [[97, 98, 99], true], "body");
  const used = new Response("abc");
  await used.text();
  equal([used.body.locked, used.bodyUsed], [true, true], "the stream of a read body");
  const locked = new Response("abc");
  locked.body.getReader();
  await throwsName("TypeError", () => locked.text(), "a locked body");
  await throwsName("TypeError", () => new Response(ReadableStream.from(["no bytes"])).text(), "a chunk that is no bytes");

  // Response
  equal([Response.json([1]).headers.get("content-type"), await Response.json([1]).text()], ["application/json", "[1]"], "Response.json");
  const redirect = Response.redirect("https://a.test/b", 301);
  equal([redirect.status, redirect.headers.get("location")], [301, "https://a.test/b"], "Response.redirect");
  await throwsName("TypeError", () => redirect.headers.set("a", "b"), "sealed headers");
  await throwsName("RangeError", () => Response.redirect("https://a.test/", 200), "a redirect that is none");
  equal([Response.error().type, Response.error().status], ["error", 0], "Response.error");
  for (const status of [199, 600, 0]) await throwsName("RangeError", () => new Response(null, { status }), `the status ${status}`);
  await throwsName("TypeError", () => new Response("", { status: 204 }), "a body that the status forbids");
  await throwsName("TypeError", () => new Response(null, { statusText: "a\r\nb" }), "a status line with CR LF");
  equal([new Response(null).body, await new Response(null).text(), new Response("").ok], [null, "", true], "no body");

  // Request
  const request = new Request("https://a.test/b#c", { method: "post", body: "x", headers: { "X-A": "1" } });
  equal([request.url, request.method, request.headers.get("x-a"), request.headers.get("content-type")], ["https://a.test/b#c", "POST", "1", "text/plain;charset=UTF-8"], "Request");
  const next = new Request(request, { headers: { "x-b": "2" } });
  equal([next.headers.get("x-a"), next.headers.get("x-b"), await next.text(), request.bodyUsed], [null, "2", "x", true], "a request from a request");
  await throwsName("TypeError", () => new Request(request), "a request from one whose body was read");
  for (const bad of ["/a", "https://", "https://u:p@a.test/"]) await throwsName("TypeError", () => new Request(bad), bad);
  for (const method of ["a b", "", "CONNECT", "trace", "GET\r\n"]) {
    await throwsName("TypeError", () => new Request("https://a.test/", { method }), `the method ${JSON.stringify(method)}`);
  }
  await throwsName("TypeError", () => new Request("https://a.test/", { body: "x" }), "GET with a body");
  await throwsName("TypeError", () => new Request("https://a.test/", { method: "POST", body: new ReadableStream() }), "a stream without duplex");
  const controller = new AbortController();
  const abortable = new Request("https://a.test/", { signal: controller.signal });
  const cloned = abortable.clone();
  controller.abort("why");
  equal([abortable.signal.aborted, cloned.signal.reason], [true, "why"], "signals follow");

  // FormData
  const form = new FormData();
  form.append("a", "1\n2");
  form.append('q"\r\n', "x");
  form.append("file", new Blob(["data\r\n--b"], { type: "text/x" }), 'n"ame.txt');
  form.append("boundary", "----secure-runtime-0000000000000000");
  const packed = new Response(form);
  const type = packed.headers.get("content-type");
  const unpacked = await packed.formData();
  equal([...unpacked.keys()], ["a", 'q"\r\n', "file", "boundary"], "names of a form");
  const file = unpacked.get("file");
  equal([unpacked.get("a"), file.name, file.type, await file.text()], ["1\r\n2", 'n"ame.txt', "text/x", "data\r\n--b"], "values of a form");
  if (!type.endsWith("----secure-runtime-0000000000000001")) throw new Error(`the boundary ${type} is in a part`);
  equal((await new Response(new URLSearchParams([["a", "1"], ["a", "2"]])).formData()).getAll("a"), ["1", "2"], "a form in a query");
  const parse = (text, boundary = "b") => new Response(text, { headers: { "content-type": `multipart/form-data; boundary=${boundary}` } }).formData();
  equal([...await parse("--b--\r\n")], [], "an empty form");
  equal((await parse('--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--b--')).get("a"), "", "an empty value");
  for (
    const bad of [
      "", "--c--", "--b", "--b\r\n", "--b\r\n\r\n\r\n--b--", '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx',
      '--b\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n--b--', "--b\r\nno header\r\n\r\nx\r\n--b--", '--bContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--',
    ]
  ) await throwsName("TypeError", () => parse(bad), `the form ${JSON.stringify(bad)}`);
  await throwsName("TypeError", () => new Response("x").formData(), "a form without a type");
  await throwsName("TypeError", () => form.append("a", "b", "c"), "a file name of a text");
  form.set("a", new File(["z"], "f"));
  form.delete("file");
  equal([form.get("a").name, form.has("file"), form.getAll("none")], ["f", false, []], "set, delete of a form");
}
