/*---
id = "A63"
title = "an address is the same in every spelling"
boundary = "program"
elsewhere = { node = "its flag for the network covers all hosts", ses = "files and network come from the embedder of SES" }
grants = ["net.connect=https://example.com"]
control_grants = ["net.connect=${server}"]
expect = "nothing"
audit = [
  "denied net connect http://127.0.0.1:80", "denied net connect http://127.0.0.1:80", "denied net connect http://127.0.0.1:80",
  "denied net connect http://127.0.0.1:80", "denied net connect http://127.0.0.1:80", "denied net connect http://127.0.0.1:80",
  "denied net connect http://0.0.0.0:80", "denied net connect http://[::1]:80", "denied net connect http://[::ffff:7f00:1]:80",
  "denied net connect http://[::]:80", "denied net connect http://169.254.169.254:80", "denied net connect http://127.0.0.1:80",
]
---*/
import { net } from "cap:self";

const hosts = [
  "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "%31%32%37.0.0.1", "0", "[::1]", "[::ffff:127.0.0.1]", "[::]",
  "169.254.169.254", "\u2460\u2461\u2466.0.0.1",
];

export async function attack({ denied }) {
  let gained = "";
  for (const host of hosts) gained += await denied(host, () => net.fetch(`http://${host}/`));
  return gained;
}

export async function control({ server }) {
  const port = server.split(":")[2];
  for (const host of ["127.1", "0x7f.1", "2130706433", "0177.0.0.1"]) {
    if ((await (await net.fetch(`http://${host}:${port}/ok`)).text()) !== "hello") return false;
  }
  return true;
}
