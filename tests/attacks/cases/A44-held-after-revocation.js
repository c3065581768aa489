/*---
# RUN-13, RUN-15
id = "A44"
title = "after a capability is revoked, the next operation on its open resources fails"
boundary = "modules"
elsewhere = "there is nothing to narrow or revoke; under SES, the embedder provides it"
grants = ["fs.read=./data/**", "fs.write=./data/**", "net.connect=${server}"]
expect = "nothing"
audit = [
  "allowed fs read ${base}/data/a.txt", "allowed fs read ${base}/data/a.txt", "allowed fs write ${base}/data/b.txt", "allowed fs write ${base}/data/b.txt",
  "allowed net connect ${server}",
  "denied fs read ${base}/data/a.txt", "denied fs write ${base}/data/b.txt", "denied net connect ${server}",
  "denied fs read ${base}/data/a.txt", "denied net connect ${server}",
]
---*/
import { fs, net } from "cap:self";

async function held({ server }) {
  const files = fs.revocable();
  const network = net.revocable();
  const reading = await files.capability.open("data/a.txt");
  await reading.read(new Uint8Array(1));
  const writing = await files.capability.open("data/b.txt", { write: true });
  await writing.write(new Uint8Array([65]));
  const body = (await network.capability.fetch(`${server}/ok`)).body[Symbol.asyncIterator]();
  return { files, network, reading, writing, body };
}

export async function attack(help) {
  const { files, network, reading, writing, body } = await held(help);
  files.revoke();
  network.revoke();
  let gained = "";
  gained += await help.denied("read", () => reading.read(new Uint8Array(1)));
  gained += await help.denied("write", () => writing.write(new Uint8Array([66])));
  gained += await help.denied("body", () => body.next());
  gained += await help.denied("anew", () => files.capability.readTextFile("data/a.txt"));
  gained += await help.denied("anew", () => network.capability.fetch(`${help.server}/ok`));
  reading.close();
  writing.close();
  return gained;
}

export async function control(help) {
  const { reading, writing, body } = await held(help);
  const read = await reading.read(new Uint8Array(1));
  return read === 1 && (await writing.write(new Uint8Array([66]))) === 1 && !(await body.next()).done;
}
//// data/a.txt
public
//// data/b.txt
before
