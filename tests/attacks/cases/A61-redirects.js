/*---
id = "A61"
title = "every hop of a redirect is decided"
boundary = "program"
elsewhere = { node = "its flag for the network covers all hosts", ses = "files and network come from the embedder of SES" }
grants = ["net.connect=${server}"]
expect = "nothing"
audit = [
  "allowed net connect ${server}", "denied net connect http://127.0.0.1:9",
  "allowed net connect ${server}", "denied net connect http://169.254.169.254:80",
  "allowed net connect ${server}", "denied net connect https://example.com:443",
  "allowed net connect ${server}", "allowed net connect ${server}", "denied net connect http://127.0.0.1:9",
  "allowed net connect ${server}", "allowed net connect ${server}", "allowed net connect ${server}",
]
---*/
import { net } from "cap:self";

export async function attack({ server, denied, refuses }) {
  let gained = "";
  gained += await denied("port", () => net.fetch(`${server}/redirect/302/http://127.0.0.1:9/`));
  gained += await denied("metadata", () => net.fetch(`${server}/redirect/307/http://169.254.169.254/latest/`));
  gained += await denied("elsewhere", () => net.fetch(`${server}/redirect/301/https://example.com/`));
  gained += await denied("second hop", () => net.fetch(`${server}/redirect/302/${server}/redirect/302/http://127.0.0.1:9/`));
  for (const to of ["file:///etc/passwd", "data:text/plain,secret", "http://user:password@127.0.0.1/"]) {
    gained += await refuses(to, "TypeError", () => net.fetch(`${server}/redirect/302/${to}`));
  }
  return gained;
}

export async function control({ server }) {
  const response = await net.fetch(`${server}/redirect/302/${server}/ok`);
  return response.redirected && response.url === `${server}/ok` && (await response.text()) === "hello";
}
