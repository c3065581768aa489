/*---
# RUN-44
id = "A88b"
title = "no call of an operation near the end of the stack breaks the host, however often"
boundary = "modules"
elsewhere = "about this project's own objects"
grants = ["fs.read=./data/**"]
expect = "nothing"
audit = ["some times denied clock read 1s", "some times denied env read X", "some times denied random read os"]
---*/
import { clock, env, fs, net, random, seal } from "cap:self";

const operations = {
  attenuate: () => fs.attenuate({ read: ["./data/**"] }), "attenuate wrongly": () => fs.attenuate({ read: ["["] }),
  "attenuate another": () => net.attenuate({ expires: "1h" }), revocable: () => fs.revocable().revoke(), seal: () => seal(fs, { holder: "nobody" }),
  now: () => clock.now(), get: () => env.get("X"), bytes: () => random.bytes(1), timer: () => clearTimeout(setTimeout(() => {}, 0)),
  microtask: () => queueMicrotask(() => {}), clone: () => structuredClone({ a: [1] }), url: () => new URL("../x", "http://127.0.0.1/a/b"),
  encode: () => new TextEncoder().encode("text"), decode: () => new TextDecoder().decode(new Uint8Array(4)), base64: () => btoa(atob("eHh4")),
  signal: () => AbortSignal.any([AbortSignal.abort()]), resolve: () => import.meta.resolve("./other.js"),
  frames: () => new Error("x").stack, "frames of a cause": () => new Error("x", { cause: new Error("y") }).stack,
  "frames of a syntax error": () => { try { JSON.parse("{"); } catch (error) { return error.stack; } },
  print: () => console.log("text", { a: 1 }), promise: () => Promise.resolve(1), date: () => new Date(0).toISOString(),
};

/** Calls it at each of the deepest few hundred depths that there are. How often it came back. */
function descend(call) {
  try {
    call(); // Compiled, so that it is not the compiler for which there is too little.
  } catch {
    // Some are refused anywhere.
  }
  let worked = 0;
  const step = () => {
    let above = 0;
    try {
      above = step();
    } catch {
      // Here the stack ends.
    }
    if (above < 300) {
      try {
        call();
        worked++;
      } catch {
        // Too deep for it.
      }
    }
    return above + 1;
  };
  step();
  return worked;
}

export async function attack() {
  let gained = "";
  for (const [name, call] of Object.entries(operations)) {
    descend(call);
    // It goes on as before.
    if (!["now", "get", "bytes", "attenuate wrongly", "seal"].includes(name)) call();
  }
  const fired = await Promise.race([0, 1, 2].map((delay) => new Promise((resolve) => setTimeout(resolve, delay, "fired"))));
  return gained + (fired === "fired" ? "" : "no timer fires; ");
}

export async function control() {
  await import("./other.js");
  return descend(() => {}) > 200 && (await fs.readTextFile("data/a.txt")).trim() === "public";
}
//// suspect/other.js
export const other = 1;
//// data/a.txt
public
