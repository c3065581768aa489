/*---
id = "A140"
title = "WebAssembly exports carry no data from one importing module to another"
boundary = "modules"
elsewhere = "every module can compile WebAssembly there"
engine = "v8"
grants = ["module.import=suspect/**"]
expect = "nothing"
audit = ["allowed module import suspect/all.wasm#blake3:f683c029570e09b96833fa1a167a41796c6076f43541c6cca4e05b3dc7d14686"]
---*/
import * as all from "./all.wasm";
import { seen } from "./note.js";

const shared = () => {
  const { memory, table, things, f, give, held, pass } = all;
  pass();
  return {
    memory,
    "its buffer": memory.buffer,
    table,
    "a table for anything": things,
    "a function": f,
    "a function that gives": give,
    "an element": table.get(0),
    "an element without a name": table.get(1),
    "a function in a global": held,
    "a result": give(),
    "an argument of the start function": seen[0],
    "an argument": seen[1],
  };
};

export async function attack({ refuses }) {
  let gained = "";
  for (const [name, value] of Object.entries(shared())) {
    if (!Object.isFrozen(value)) gained += `${name} is not frozen; `;
    if (value === undefined || Object.hasOwn(value, "left")) gained += `${name} could be changed before; `;
    gained += await refuses(name, "TypeError", () => {
      value.left = "a word for another module";
    });
    gained += await refuses(`the prototype of ${name}`, "TypeError", () => Object.setPrototypeOf(value, null));
  }
  all.memory.grow(1);
  if (!Object.isFrozen(all.memory.buffer)) gained += "the buffer after growing is not frozen; ";
  return gained;
}

export async function control() {
  // A module's own function stays its own, wherever it was put.
  const mine = () => 1;
  all.things.set(0, mine);
  const isMine = all.things.get(0) === mine && !Object.isFrozen(mine);
  new Uint8Array(all.memory.buffer)[0] = 7;
  all.table.set(2, all.f);
  return isMine && all.load() === 7 && all.table.get(2) === all.f && all.give()() === 6 && all.held() === 7 && seen.length > 0;
}
//// suspect/note.js
export const seen = [];
export const note = (value) => {
  try {
    value.left = "a word for another module";
  } catch {
    // It is frozen.
  }
  seen.push(value);
};
//// suspect/all.wasm
(module
  (import "./note.js" "note" (func $note (param funcref)))
  (memory (export "memory") 1)
  (table $functions (export "table") 3 funcref)
  (table (export "things") 1 externref)
  (global (export "held") funcref (ref.func $h))
  (func $f (export "f") (result i32) (i32.const 5))
  (func $g (result i32) (i32.const 6))
  (func $h (result i32) (i32.const 7))
  (func $e)
  (func (export "give") (result funcref) (ref.func $g))
  (func (export "pass") (call $note (ref.func $g)))
  (func (export "load") (result i32) (i32.load8_u (i32.const 0)))
  (func $begin (call $note (ref.func $e)))
  (start $begin)
  (elem (table $functions) (i32.const 0) func $f $h)
  (elem declare func $g $e))
