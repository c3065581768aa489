/*---
id = "A60"
title = "the decided host is the one that the URL names, in any spelling"
boundary = "program"
elsewhere = { node = "its flag for the network covers all hosts", ses = "files and network come from the embedder of SES" }
grants = ["net.connect=https://api.example.com", "net.connect=https://*.cdn.example.com"]
control_grants = ["net.connect=${server}"]
expect = "nothing"
audit = [
  "denied net connect https://api.example.com.evil.test:443", "denied net connect https://xapi.example.com:443",
  "denied net connect https://evil.test:443", "denied net connect https://evil.test:443", "denied net connect https://evil.test:443",
  "denied net connect http://api.example.com:80", "denied net connect https://api.example.com:444",
  "denied net connect https://xn--pi-6kc.example.com:443", "denied net connect https://example.com:443",
  "denied net connect https://cdn.example.com:443", "denied net connect https://evilcdn.example.com:443",
  "denied net connect https://a.cdn.example.com.evil.test:443",
]
---*/
import { net } from "cap:self";

const others = [
  "https://api.example.com.evil.test/", "https://xapi.example.com/", "https://evil.test\\@api.example.com/",
  "https://evil.test/#@api.example.com", "https://evil.test?@api.example.com", "http://api.example.com/",
  "https://api.example.com:444/", "https://\u0430pi.example.com/", "https://example.com/", "https://cdn.example.com/",
  "https://evilcdn.example.com/", "https://a.cdn.example.com.evil.test/",
];
const wrong = [
  "https://api.example.com@evil.test/", "https://user:password@api.example.com/", "https://api.example.com:65536/",
  "https://api.example.com:0/", "ftp://api.example.com/", "file:///etc/passwd", "blob:null/x",
  "wss://api.example.com/", "javascript:1", "//api.example.com/", "api.example.com", "", "https://", "https://exa mple.com/",
  "http+unix://x/", "https://api.example.com%00.evil.test/", "https://[::1/",
];

export async function attack({ denied, refuses }) {
  let gained = "";
  for (const url of others) gained += await denied(url, () => net.fetch(url));
  for (const url of wrong) gained += await refuses(url, "TypeError", () => net.fetch(url));
  return gained;
}

export async function control({ server }) {
  const spelled = server.replace("http://", "HTTP://").replace("127.0.0.1", "0x7f.1");
  return (await (await net.fetch(`${spelled}/ok`)).text()) === "hello";
}
