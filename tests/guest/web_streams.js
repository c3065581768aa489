// RUN-104, RUN-105: streams, Blobs, compression and ports, where the engine has them (V8).
if (typeof ReadableStream === "function") await streams();

async function streams() {
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
  const all = async (stream) => {
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
  };

  // Streams
  equal(await all(ReadableStream.from([1, 2])), [1, 2], "from");
  const doubled = new TransformStream({ transform: (chunk, controller) => controller.enqueue(chunk * 2) });
  equal(await all(ReadableStream.from([1, 2]).pipeThrough(doubled)), [2, 4], "pipeThrough");
  const [one, other] = ReadableStream.from(["a"]).tee();
  equal([await all(one), await all(other)], [["a"], ["a"]], "tee");
  const bytes = new ReadableStream({
    type: "bytes",
    pull(controller) {
      controller.byobRequest.view[0] = 7;
      controller.byobRequest.respond(1);
    },
  });
  const { value } = await bytes.getReader({ mode: "byob" }).read(new Uint8Array(2));
  equal([...value], [7], "byob");
  const written = [];
  const slow = new WritableStream({ write: (chunk) => void written.push(chunk) }, new CountQueuingStrategy({ highWaterMark: 1 }));
  const writer = slow.getWriter();
  equal(writer.desiredSize, 1, "desiredSize");
  await writer.write("x");
  await writer.close();
  equal(written, ["x"], "write");
  const controller = new AbortController();
  const endless = new ReadableStream({ pull: (c) => c.enqueue(1) });
  const piped = endless.pipeTo(new WritableStream(), { signal: controller.signal });
  controller.abort();
  await throwsName("AbortError", () => piped, "an aborted pipe");
  await throwsName("TypeError", () => ReadableStream.from([1]).getReader().read.call({}), "a reader that is none");
  const locked = ReadableStream.from([1]);
  locked.getReader();
  await throwsName("TypeError", () => locked.getReader(), "a locked stream");
  // A guest may freeze its own stream.
  equal(await all(Object.freeze(ReadableStream.from([1]))), [1], "a frozen stream");
  // `then` of a chunk is not called.
  let calls = 0;
  const thenable = { get then() {
    calls++;
    return undefined;
  } };
  const reader = new ReadableStream({ start: (c) => c.enqueue(thenable) }).getReader();
  equal((await reader.read()).value === thenable, true, "a chunk with then");
  equal(calls, 0, "calls of then");

  // Texts
  const parts = [new Uint8Array([0xe2, 0x82]), new Uint8Array([0xac])];
  equal((await all(ReadableStream.from(parts).pipeThrough(new TextDecoderStream()))).join(""), "€", "TextDecoderStream");
  equal((await all(ReadableStream.from(["\ud83d", "\ude00"]).pipeThrough(new TextEncoderStream()))).flatMap((part) => [...part]), [240, 159, 152, 128], "TextEncoderStream");

  // Blobs
  const source = new Uint8Array([97, 98]);
  const blob = new Blob([source, "c", new Blob(["d"])], { type: "Text/Plain" });
  source[0] = 0;
  equal([blob.size, blob.type, await blob.text()], [4, "text/plain", "abcd"], "Blob");
  const got = await blob.bytes();
  got[0] = 0;
  equal(await blob.slice(0, 2).text(), "ab", "a Blob does not change");
  equal((await all(blob.stream())).flatMap((chunk) => [...chunk]), [97, 98, 99, 100], "stream of a Blob");
  const file = new File(["x"], "n.txt", { lastModified: 5 });
  equal([file.name, file.lastModified, new File([], "m").lastModified], ["n.txt", 5, 0], "File");
  const copy = structuredClone({ file });
  equal([copy.file.name, copy.file.lastModified, await copy.file.text(), copy.file !== file], ["n.txt", 5, "x", true], "clone of a File");
  await throwsName("DataCloneError", () => structuredClone(new URL("https://a.test/")), "clone of a URL");
  await throwsName("DataCloneError", () => structuredClone({ a: new ReadableStream() }), "clone of a stream");
  const twice = new ArrayBuffer(4);
  await throwsName("DataCloneError", () => structuredClone(0, { transfer: [twice, twice] }), "a buffer that is transferred twice");
  equal(twice.byteLength, 4, "a refused transfer moves nothing");

  // Compression
  for (const format of ["gzip", "deflate", "deflate-raw"]) {
    const big = new Blob(["hello ".repeat(100_000)]);
    const packed = await new Response(big.stream().pipeThrough(new CompressionStream(format))).bytes();
    if (packed.length > 10_000) throw new Error(`${format}: ${packed.length}`);
    equal(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream(format))).text(), await big.text(), format);
    const cut = new Blob([packed.slice(0, packed.length - 5)]).stream();
    await throwsName("TypeError", () => all(cut.pipeThrough(new DecompressionStream(format))), `${format}, cut`);
    const longer = new Blob([packed, "x"]).stream();
    await throwsName("TypeError", () => all(longer.pipeThrough(new DecompressionStream(format))), `${format}, with more after its end`);
  }
  // Their memory is found again, by collections, although nobody ends them.
  for (let n = 0; n < 2_000; n++) {
    const writer = new CompressionStream("gzip").writable.getWriter();
    if (n % 2 === 0) writer.write(new Uint8Array(10)).catch(() => {});
    new DecompressionStream("deflate");
    if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
  // A collection that frees them while nothing is left must not need memory itself.
  const kept = [];
  const fill = (size) => {
    try {
      for (;;) kept.push(new TextEncoder().encode("x".repeat(size)));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  };
  fill(1 << 20);
  kept.splice(0, 40);
  for (let n = 0; n < 100; n++) new CompressionStream("gzip");
  await new Promise((resolve) => setTimeout(resolve));
  fill(5_000);
  kept.length = 0;
  await throwsName("TypeError", () => new CompressionStream("brotli"), "a format that is not the standard's");

  // Ports
  const { port1, port2 } = new MessageChannel();
  const first = new Promise((resolve) => port2.onmessage = ({ data, ports }) => resolve([data, ports]));
  const buffer = new ArrayBuffer(8);
  const inner = new MessageChannel();
  port1.postMessage({ a: [1, { b: 2 }], buffer }, [buffer, inner.port2]);
  equal(buffer.byteLength, 0, "a transferred buffer");
  const [data, ports] = await first;
  equal([data.a, data.buffer.byteLength, ports.length], [[1, { b: 2 }], 8, 1], "a message");
  const second = new Promise((resolve) => ports[0].onmessage = (event) => resolve(event.data));
  inner.port1.postMessage("through");
  equal(await second, "through", "a transferred port");
  await throwsName("DataCloneError", () => port1.postMessage(port1, [port1]), "a port through itself");
  await throwsName("DataCloneError", () => port1.postMessage({ port2 }), "a port that is not transferred");
  await throwsName("TypeError", () => new MessagePort(), "a port out of nothing");
  port1.close();
  port2.postMessage("nobody hears this");
}
