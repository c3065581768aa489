// Takes `WebAssembly` from guests, and instantiates the modules that a program imports.
//
// Only `instantiate` below creates instances of these modules. Guests cannot reach it, and get only the exports.
// Exported memories and tables have prototypes, but these do not lead to a constructor. Few programs use WebAssembly,
// and taming it takes longer than all other steps in every isolate. So this is done before the first module is
// instantiated.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { forbidden } = secure;
  const { defineProperty, freeze, getOwnPropertyDescriptor } = Object;
  const { apply, ownKeys } = Reflect;

  // V8 creates the object in every isolate.
  let WebAssembly;
  let wasm;
  secure.late.push((() => ({ WebAssembly } = globalThis)));
  const tame = (WebAssembly) => {
    const reached = {};
    for (const key of ownKeys(WebAssembly)) {
      const { value } = getOwnPropertyDescriptor(WebAssembly, key);
      if (typeof value !== "function") continue;
      if (["LinkError", "RuntimeError"].includes(key)) {
        // Wrong imports and traps throw these errors. The constructors only create errors.
        reached[`%WebAssembly.${key}%`] = value;
        continue;
      }
      forbidden.add(value);
      if (key === "Memory" || key === "Table") reached[`%WebAssembly.${key}.prototype%`] = value.prototype;
    }
    const { Module, Instance, Global, Memory, Table } = WebAssembly;
    const { imports, exports } = Module;
    const valueOfGlobal = getOwnPropertyDescriptor(Global.prototype, "value").get;
    // Guests can also get WebAssembly functions from tables and globals. Other functions in there belong to guests, and
    // are not frozen. A table of functions tells them apart: it accepts only WebAssembly functions and null.
    const { get: element, set: setElement } = Table.prototype;
    const probe = new Table({ initial: 1, element: "anyfunc" });
    const closed = (value) => {
      if (typeof value !== "function") return value;
      try {
        apply(setElement, probe, [0, value]);
      } catch {
        return value;
      }
      apply(setElement, probe, [0, null]);
      return freeze(value);
    };
    defineProperty(Table.prototype, "get", {
      value: { get(index) { return closed(apply(element, this, arguments)); } }.get,
    });
    // A memory creates a new buffer when it grows.
    const { get: bufferOf } = getOwnPropertyDescriptor(Memory.prototype, "buffer");
    const { get: buffer } = getOwnPropertyDescriptor({ get buffer() { return freeze(apply(bufferOf, this, [])); } }, "buffer");
    defineProperty(Memory.prototype, "buffer", { get: buffer });
    secure.settle(reached);
    return { Module, Instance, imports, exports, valueOfGlobal, closed };
  };

  // Returns a function that instantiates one WebAssembly module, with the values that the module imports: see
  // modules/wasm.rs. The function returns the module's exports in their order. For a global, which no export can
  // change, it returns the value. All importers of the module share the exports, so they are frozen before any
  // importer gets them. `start` is the export to call afterwards, or null.
  secure.instantiate = ((bytes, start) => {
    wasm ??= tame(WebAssembly);
    return (values) => {
      const module = new wasm.Module(bytes);
      bytes = undefined;
      const given = { __proto__: null };
      for (const [at, { module: from, name }] of wasm.imports(module).entries()) {
        given[from] ??= { __proto__: null };
        given[from][name] = values[at];
      }
      const { exports } = new wasm.Instance(module, given);
      const made = wasm.exports(module).map(({ name, kind }) =>
        kind === "global" ? wasm.closed(apply(wasm.valueOfGlobal, exports[name], [])) : freeze(exports[name])
      );
      if (start !== null) apply(exports[start], undefined, []);
      return made;
    };
  });
})(globalThis);
