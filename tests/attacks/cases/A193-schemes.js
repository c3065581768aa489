/*---
id = "A193"
title = "a right to fetch from an origin is none for a raw connection to its port, with or without TLS"
boundary = "program"
elsewhere = "sockets are part of the interface there"
grants = ["net.connect=https://127.0.0.1:9"]
control_grants = ["net.connect=tcp://127.0.0.1:9", "net.connect=tls://127.0.0.1:9"]
expect = "denied"
audit = ["denied net connect tls://127.0.0.1:9", "denied net connect tcp://127.0.0.1:9"]
---*/
import { net } from "cap:self";

export async function attack() {
  await net.connectTls({ port: 9 }).catch(() => {});
  return await net.connect({ port: 9 });
}

export async function control() {
  // Nobody listens there.
  const codes = [];
  for (const open of [() => net.connect({ port: 9 }), () => net.connectTls({ port: 9 })]) await open().catch((error) => codes.push(error.code));
  return codes.join() === "ECONNREFUSED,ECONNREFUSED";
}
