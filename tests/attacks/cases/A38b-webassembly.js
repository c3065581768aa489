/*---
id = "A38b"
title = "WebAssembly exports lead to no constructor of WebAssembly objects, and to no shared object that is not frozen"
boundary = "modules"
elsewhere = "every module can compile WebAssembly there"
engine = "v8"
grants = ["module.import=suspect/**"]
expect = "nothing"
audit = ["allowed module import suspect/all.wasm#blake3:62b3d978f79845142203486513914aa83685f14e2ca36561c22af229ba2f0977"]
---*/
import * as all from "./all.wasm";

const errorOf = (call) => {
  try {
    call();
  } catch (error) {
    return error;
  }
};

export async function attack({ shared, refuses }) {
  let gained = "";
  const { memory, table, trap, deep } = all;
  const errors = [errorOf(trap), errorOf(deep), errorOf(() => memory.grow(100000)), errorOf(() => table.set(9, null))];
  const starts = [memory, table, trap, table.get(0), memory.buffer, ...errors];
  // All that they lead to, by prototypes and properties; an accessor's function is also tried on what has it.
  const seen = new Set(starts);
  for (const value of seen) {
    const found = [Object.getPrototypeOf(value)];
    for (const key of Reflect.ownKeys(value)) {
      const { value: plain, get, set } = Object.getOwnPropertyDescriptor(value, key);
      found.push(plain, get, set);
    }
    for (const start of starts) found.push(start.constructor);
    for (const next of found) {
      if (next !== null && (typeof next === "object" || typeof next === "function")) seen.add(next);
    }
  }
  for (const value of seen) {
    // Errors belong to whoever catches them.
    if (!errors.includes(value) && !Object.isFrozen(value)) gained += `${String(value?.name)} is not frozen; `;
    if (typeof value !== "function") continue;
    if (/^(Module|Instance|Memory|Table|Global|Tag|Exception|compile|instantiate|validate|compileStreaming|instantiateStreaming|SharedArrayBuffer)$/.test(value.name)) {
      gained += `${value.name} is reachable; `;
    }
    for (const argument of [{ initial: 60000 }, { initial: 1, maximum: 2, shared: true }, { initial: 1, element: "anyfunc" }, new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])]) {
      let made;
      try {
        made = new value(argument);
      } catch {
        continue;
      }
      if (Object.prototype.toString.call(made).startsWith("[object WebAssembly")) gained += `${value.name} makes ${String(made)}; `;
    }
  }
  gained += "WebAssembly" in shared ? "WebAssembly; " : "";
  if (Object.prototype.toString.call(memory.buffer) !== "[object ArrayBuffer]") gained += "the buffer is shared; ";
  const Memory = Object.getPrototypeOf(memory);
  gained += await refuses("grow", "TypeError", () => {
    Memory.grow = () => 0;
  });
  gained += await refuses("define", "TypeError", () => Object.defineProperty(Object.getPrototypeOf(table), "get", { value: 0 }));
  gained += await refuses("error", "TypeError", () => {
    Object.getPrototypeOf(errors[0]).stolen = 1;
  });
  // As of any error: an own property instead of the one of the frozen prototype.
  errors[0].name = "Own";
  if (errors[0].name !== "Own" || errorOf(trap).name !== "RuntimeError") gained += "the name of errors; ";
  gained += await refuses("namespace", "TypeError", () => {
    all.trap = 1;
  });
  gained += await refuses("another's table", "TypeError", () => table.set(0, () => 1));
  if (seen.size < 50) gained += `only ${seen.size} things were looked at; `;
  return gained;
}

export async function control() {
  const { memory, table, trap } = all;
  return memory.grow(1) === 1 && table.grow(1) === 1 && errorOf(trap).name === "RuntimeError" && Object.isFrozen(Object.getPrototypeOf(memory));
}
//// suspect/all.wasm
(module (memory (export "memory") 1) (table (export "table") 1 funcref) (elem (i32.const 0) $deep)
  (func (export "trap") unreachable) (func $deep (export "deep") (call $deep)))
