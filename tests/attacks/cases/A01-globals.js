/*---
id = "A01"
title = "the globals lead to nothing that does I/O, to no op and to no interface of the engine"
boundary = "modules"
elsewhere = { deno = "its own interface is a global there, and checks each call", node = "its own interface is a global there, and checks each call" }
app_grants = ["fs.read=./data/**"]
expect = "nothing"
audit = []
---*/
import * as own from "cap:self";

/** Every object that can be reached from the roots by properties, accessors and prototypes, with the way to it. */
function reachable(roots) {
  const found = new Map();
  const visit = (value, way) => {
    if ((typeof value === "object" && value !== null) || typeof value === "function") {
      if (!found.has(value)) found.set(value, way);
    }
  };
  for (const [way, root] of Object.entries(roots)) visit(root, way);
  for (const [value, way] of found) {
    visit(Object.getPrototypeOf(value), `${way}.[[Prototype]]`);
    for (const key of Reflect.ownKeys(value)) {
      const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
      for (const part of ["value", "get", "set"]) visit(descriptor[part], `${way}.${String(key)}`);
    }
  }
  return found;
}

export async function attack() {
  let gained = "";
  for (const name of ["Deno", "__bootstrap", "process", "require", "bootstrap", "__secure", "__web", "std", "os", "gc"]) {
    if (globalThis[name] !== undefined) gained += `globalThis.${name}; `;
  }
  for (const [value, way] of reachable({ globalThis, own: { ...own } })) {
    const name = typeof value === "function" ? Object.getOwnPropertyDescriptor(value, "name")?.value : undefined;
    if (typeof name === "string" && name.startsWith("op_")) gained += `${way} is the op ${name}; `;
    if (/\.(core|ops|internals?|primordials|token|authority|handle)$/i.test(way)) gained += `${way}; `;
  }
  return gained;
}

// The walk itself works: it finds what is three steps away.
export async function control() {
  const found = reachable({ globalThis });
  return found.size > 300 && found.has(Array.prototype.map) && found.has(Object.getPrototypeOf(class {}));
}
