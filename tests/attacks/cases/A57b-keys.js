/*---
id = "A57b"
title = "a key is in a scope only if every character matches"
boundary = "program"
elsewhere = "there is no such operation"
grants = ["kv.read=user/42/*", "kv.write=user/42/*"]
expect = "nothing"
audit = [
  "denied kv read user/42",
  "denied kv read user/420",
  "denied kv read user/4",
  "denied kv read USER/42/a",
  "denied kv read /user/42/a",
  "denied kv read user//42/a",
  "denied kv read user/../user/42/a",
  "denied kv read  user/42/a",
  "denied kv read \u00fcser/42/a",
  "denied kv read u\u0308ser/42/a",
  "denied kv read *",
  "denied kv write user/42",
  "denied kv write user/43/a",
  "denied kv write user/43/a",
  "denied kv read user/43/*",
  "denied kv read user/42/a",
  "denied kv read user/42/a",
]
---*/
import { kv } from "cap:self";

export async function attack({ denied, refuses }) {
  let gained = "";
  const keys = [
    "user/42", "user/420", "user/4", "USER/42/a", "/user/42/a", "user//42/a", "user/../user/42/a", " user/42/a",
    "\u00fcser/42/a", "u\u0308ser/42/a", "*",
  ];
  for (const key of keys) gained += await denied(key, () => kv.get(key));
  gained += await denied("write", () => kv.set("user/42", ""));
  gained += await denied("write beside", () => kv.set("user/43/a", ""));
  gained += await denied("remove beside", () => kv.delete("user/43/a"));
  gained += await denied("list beside", () => kv.list({ prefix: "user/43/" }).next());
  const forms = [
    "", "user/42/\0", "\0", "user/42/\ud800", "\udc00user/42/", `user/42/${"x".repeat(2048)}`, undefined, null, 1, ["user/42/a"],
    new String("user/42/a"), { toString: () => "user/42/a" }, Symbol("user/42/a"),
  ];
  for (const key of forms) {
    for (const call of [() => kv.get(key), () => kv.set(key, ""), () => kv.delete(key)]) {
      gained += await refuses(`form ${String(key)}`, "TypeError", call);
    }
  }
  for (const scope of ["user/*/a", "**", "user/42/\0*", "*a"]) {
    gained += await refuses(`scope ${scope}`, "TypeError", () => kv.attenuate({ read: [scope] }));
  }
  // Narrower is narrower, and never wider again.
  const narrower = kv.attenuate({ read: ["user/42/b*"] });
  gained += await denied("narrowed", () => narrower.get("user/42/a"));
  gained += await denied("wider again", () => narrower.attenuate({ read: ["*"] }).get("user/42/a"));
  gained += await refuses("forged", "TypeError", () => kv.get.call({}, "user/42/a"));
  gained += await refuses("proxied", "TypeError", () => new Proxy(kv, {}).get("user/42/a"));
  return gained;
}

export async function control() {
  await kv.set("user/42/a", "x");
  const keys = [];
  for await (const key of kv.list({ prefix: "user/" })) keys.push(key);
  return (await kv.get("user/42/a")) === "x" && keys.join() === "user/42/a";
}
