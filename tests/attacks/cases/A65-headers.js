/*---
# RUN-32
id = "A65"
title = "headers cannot change a request's target, its framing, or the next request"
boundary = "program"
elsewhere = "sockets and headers are part of the interface there"
grants = ["net.connect=${server}"]
expect = "nothing"
audit = []
---*/
import { net } from "cap:self";

const headers = [
  ["host", "evil.test"], ["Host", "evil.test"], ["connection", "upgrade"], ["transfer-encoding", "chunked"], ["content-length", "0"],
  ["upgrade", "h2c"], ["te", "trailers"], ["expect", "100-continue"], ["proxy-authorization", "x"], ["sec-fetch-site", "none"],
  ["x", "a\r\nhost: evil.test"], ["x", "a\nb: c"], ["x", "a\0b"], ["x\r\nhost", "evil.test"], ["x y", "z"], ["", "z"], [":authority", "evil.test"],
  ["x", "a\rb"], ["trailer", "x"], ["keep-alive", "1"],
];

export async function attack({ server, refuses }) {
  let gained = "";
  for (const [name, value] of headers) {
    gained += await refuses(`${name}: ${value}`, "TypeError", () => net.fetch(`${server}/echo`, { headers: { [name]: value } }));
    gained += await refuses(`[${name}: ${value}]`, "TypeError", () => net.fetch(`${server}/echo`, { headers: [[name, value]] }));
  }
  for (const method of ["CONNECT", "connect", "TRACE", "TRACK", "GET / HTTP/1.1\r\nx:", "G ET", ""]) {
    gained += await refuses(method, "TypeError", () => net.fetch(`${server}/echo`, { method }));
  }
  for (const bag of [{ method: "GET", body: "x" }, { redirect: "anywhere" }, { signal: {} }, { body: {} }]) {
    gained += await refuses(JSON.stringify(bag), "TypeError", () => net.fetch(`${server}/echo`, bag));
  }
  return gained;
}

export async function control({ server }) {
  const response = await net.fetch(`${server}/echo?a=b#fragment`, { method: "POST", headers: { "X-Own": " kept " }, body: "text" });
  const { method, target, headers, body } = await response.json();
  return method === "POST" && target === "/echo?a=b" && headers["x-own"] === "kept" && headers.host === server.slice(7) && body === "text";
}
