/*---
id = "A161"
title = "a request is sent as it was decided: getters, subclasses, proxies and conversions are read once, and no part adds a line to the head"
boundary = "program"
engine = "v8"
elsewhere = "the adapters of other systems take no requests and no forms"
grants = ["net.connect=${server}"]
expect = "nothing"
audit = [
  "some times denied net connect http://127.0.0.1:1", "some times allowed net connect ${server}",
]
---*/
import { net } from "cap:self";

const elsewhere = "http://127.0.0.1:1/";

export async function attack({ server, denied, refuses }) {
  let gained = "";
  // The URL that is decided is the one that is used.
  class Granted extends Request {
    get url() {
      return `${server}/ok`;
    }
  }
  gained += await denied("a subclass with another URL", () => net.fetch(new Granted(elsewhere)));
  gained += await denied("an own property", () => net.fetch(Object.defineProperty(new Request(elsewhere), "url", { value: `${server}/ok` })));
  let reads = 0;
  const twice = { toString: () => (reads++ === 0 ? elsewhere : `${server}/ok`) };
  gained += await denied("a text that changes", () => net.fetch(twice));
  if (reads !== 1) gained += `the URL was read ${reads} times; `;
  // A proxy of a request is no request. It is a text, like any object.
  gained += await refuses("a proxy", "TypeError", () => net.fetch(new Proxy(new Request(`${server}/ok`), {})));
  gained += await refuses("an object like a request", "TypeError", () => net.fetch(Object.create(new Request(`${server}/ok`))));
  // Each option is read once.
  const counts = {};
  const bag = new Proxy({ method: "POST", headers: { "x-a": "1" }, body: "b" }, { get: (target, key) => {
    counts[key] = (counts[key] ?? 0) + 1;
    return target[key];
  } });
  await net.fetch(`${server}/echo`, bag);
  for (const [key, count] of Object.entries(counts)) if (count > 1) gained += `${key} was read ${count} times; `;
  // Nothing adds a line to the head, or changes its framing.
  for (const bad of ["a\r\nx-evil: 1", "a\nx-evil: 1", "a\rb", "a\0b", "a\u0100"]) {
    gained += await refuses(`the value ${JSON.stringify(bad)}`, "TypeError", () => net.fetch(`${server}/echo`, { headers: { "x-a": bad } }));
    gained += await refuses(`the name ${JSON.stringify(bad)}`, "TypeError", () => net.fetch(`${server}/echo`, { headers: { [bad]: "1" } }));
    gained += await refuses(`the method ${JSON.stringify(bad)}`, "TypeError", () => net.fetch(`${server}/echo`, { method: bad }));
  }
  for (const name of ["transfer-encoding", "content-length", "host", "connection", "te", "trailer", "upgrade"]) {
    try {
      const seen = await (await net.fetch(`${server}/echo`, { method: "POST", body: "b", headers: { [name]: "chunked, evil.test, 5" } })).json();
      if (`${seen.headers[name]}`.includes("evil")) gained += `${name} was sent; `;
    } catch (error) {
      if (!(error instanceof TypeError)) gained += `${name}: ${error}; `;
    }
  }
  // The parts of a form stay parts.
  const form = new FormData();
  form.append('a"\r\nContent-Type: x\r\n\r\nevil', 'x\r\n------secure-runtime-0000000000000000--\r\nevil');
  form.append("b", new Blob(["y"], { type: "text/plain\r\nx-evil: 1" }), 'n"\r\nx-evil: 1');
  const sent = await (await net.fetch(`${server}/echo`, { method: "POST", body: form })).json();
  const got = await new Response(sent.body, { headers: { "content-type": sent.headers["content-type"] } }).formData();
  if ([...got].length !== 2 || /^x-evil/m.test(sent.body)) gained += `a form has other parts: ${JSON.stringify(sent.body)}; `;
  // A file's own properties are not its name or type.
  const file = new File(["z"], "n.txt", { type: "text/plain" });
  Object.defineProperty(file, "type", { value: 'a/b\r\nContent-Disposition: form-data; name="admin"\r\n\r\nyes' });
  Object.defineProperty(file, "name", { value: 'n"\r\nx-evil: 1\r\n\r\n' });
  const upload = new FormData();
  upload.append("upload", file);
  const packed = await new Response(upload).text();
  if (/admin|x-evil/.test(packed) || !packed.includes('filename="n.txt"')) gained += `a file has other headers: ${JSON.stringify(packed)}; `;
  return gained;
}

export async function control({ server }) {
  class Own extends Request {}
  const seen = await (await net.fetch(new Own(`${server}/echo`, { method: "PUT", headers: { "x-a": "1" }, body: "b" }))).json();
  return seen.method === "PUT" && seen.headers["x-a"] === "1" && seen.body === "b";
}
