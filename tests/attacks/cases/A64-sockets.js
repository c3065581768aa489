/*---
id = "A64"
title = "no pipe or Unix socket can be reached, and a right to fetch opens no other socket"
boundary = "program"
elsewhere = "sockets and headers are part of the interface there"
grants = ["net.connect=${server}"]
expect = "nothing"
audit = [
  "denied net connect tcp://127.0.0.1:80", "denied net connect tls://127.0.0.1:80", "denied net listen tcp://127.0.0.1:0", "denied net listen udp://127.0.0.1:0",
  "allowed net connect ${server}", "allowed net connect ${server}", "allowed net connect ${server}",
]
---*/
import { net } from "cap:self";

const urls = [
  "unix:/run/docker.sock", "http+unix://%2Frun%2Fdocker.sock/", "unix:///run/docker.sock", "npipe:////./pipe/docker", "ws+unix:///x", "vsock://2:80",
  "abstract:x", "data:text/plain,x", "\0x", "http://%00x/", "ws://127.0.0.1/", "tcp://127.0.0.1:80",
];

export async function attack({ server, refuses }) {
  let gained = "";
  const methods = new Set();
  for (let step = net; step !== Object.prototype; step = Object.getPrototypeOf(step)) for (const key of Reflect.ownKeys(step)) methods.add(String(key));
  const known = ["fetch", "webSocket", "connect", "connectTls", "listen", "listenDatagram", "resolve", "attenuate", "revocable", "Symbol(Symbol.toStringTag)"];
  for (const name of methods) if (!known.includes(name)) gained += `net.${name}; `;
  // Options by which other systems open sockets of the machine mean nothing.
  const machine = { path: "/run/docker.sock", transport: "unix", socketPath: "/run/docker.sock" };
  for (const call of ["connect", "connectTls", "listen", "listenDatagram"]) {
    gained += await refuses(call, "RangeError", async () => await net[call](machine));
    const port = call.startsWith("connect") ? 80 : 0;
    gained += await refuses(call, "CapabilityError", async () => await net[call]({ ...machine, port }));
  }
  for (const name of ["XMLHttpRequest", "WebTransport", "listen", "connect", "Deno"]) if (name in globalThis) gained += `${name}; `;
  for (const url of urls) gained += await refuses(JSON.stringify(url), "TypeError", () => net.fetch(url));
  for (const url of typeof WebSocket === "function" ? urls : []) {
    if (url !== "ws://127.0.0.1/") gained += await refuses(JSON.stringify(url), "SyntaxError", () => new WebSocket(url));
  }
  // Options by which other systems send a request elsewhere mean nothing.
  const elsewhere = { socketPath: "/run/docker.sock", unix: "/run/docker.sock", client: {}, dispatcher: {}, agent: {}, proxy: "http://127.0.0.1:9", host: "127.0.0.1:9" };
  const answer = await net.fetch(`${server}/ok`, elsewhere).then((response) => response.text(), (error) => error.name);
  if (answer !== "hello" && answer !== "TypeError") gained += `the options did something: ${answer}; `;
  return gained;
}

export async function control({ server }) {
  return (await (await net.fetch(`${server}/ok`)).text()) === "hello";
}
