/*---
id = "A197"
title = "a right to connect to hosts is none to send names to name servers"
boundary = "program"
elsewhere = "the adapters of other systems have no lookups"
grants = ["net.connect=tcp://*.localhost:9", "net.connect=https://localhost"]
control_grants = ["net.resolve=localhost"]
expect = "denied"
audit = ["denied net resolve a-secret.localhost", "denied net resolve localhost"]
---*/
import { net } from "cap:self";

export async function attack() {
  await net.resolve("a-secret.localhost").catch(() => {});
  return await net.resolve("localhost");
}

export async function control() {
  return (await net.resolve("localhost")).includes("127.0.0.1");
}
