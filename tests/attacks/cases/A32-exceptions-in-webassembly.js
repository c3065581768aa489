/*---
id = "A32"
title = "an error passes through WebAssembly unchanged, and WebAssembly can neither catch it nor wait"
boundary = "modules"
elsewhere = "every module can compile WebAssembly there"
engine = "v8"
grants = ["module.import=suspect/**"]
expect = "nothing"
audit = [
  "allowed module import suspect/through.wasm#blake3:2b8bb187ed68a88a2605f6c685064f008329143fc627f78e58e8dbd21b1bf876",
  "denied fs read /etc/passwd",
]
---*/
import { call } from "./through.wasm";
import { thrown } from "./thrower.js";

export async function attack({ refuses, shared }) {
  let gained = "";
  let caught;
  try {
    call();
  } catch (error) {
    caught = error;
  }
  if (caught !== thrown[0]) gained += `${String(caught)} is not what was thrown; `;
  gained += await refuses("constructor", "EvalError", () => caught.constructor.constructor("return globalThis")());
  // Nothing gives tags, and nothing makes a function of WebAssembly wait.
  for (const name of ["WebAssembly", "JSTag", "Suspending", "promising"]) {
    if (name in shared || name in globalThis || name in call) gained += `${name}; `;
  }
  if (call.constructor !== Function) gained += "the function's constructor; ";
  return gained + (await thrown.refused(refuses));
}

export async function control() {
  try {
    call();
  } catch (error) {
    return error === thrown[thrown.length - 1] && error instanceof RangeError;
  }
}
//// suspect/thrower.js
import { fs } from "cap:self";
export const thrown = [];
thrown.refused = (refuses) => refuses("its own operation", "CapabilityError", () => fs.readTextFile("/etc/passwd"));
export function fail() {
  thrown.push(new RangeError("of the host"));
  throw thrown[thrown.length - 1];
}
//// suspect/through.wasm
(module (import "./thrower.js" "fail" (func $fail)) (func (export "call") (call $fail)))
