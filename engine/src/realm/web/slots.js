// Private state for the scripts of Deno's crates, on V8. The crate `web/` has rewritten them for it.
//
// The scripts keep the state of an object in properties whose keys are symbols. Here, these keys are private symbols of
// V8: no function of the language lists them, and no proxy sees them. V8 looks them up only in the object itself. So a
// key of inherited properties is a slot: an object with a private symbol and the functions that read and write it.
"use strict";
((globalThis) => {
  const { core } = globalThis.Deno;
  const real = globalThis.__bootstrap.primordials;
  const web = globalThis.__web;
  const { op_sr_private_symbol: privateSymbol } = core.ops;
  const { ObjectDefineProperty, ObjectHasOwn, ReflectHas } = real;

  const { ReflectApply, ObjectGetPrototypeOf, ObjectPrototypeIsPrototypeOf } = real;
  const slots = new WeakSet();
  web.slot = (name) => {
    const key = privateSymbol(name);
    let inherits = false;
    let accessors = false;
    const setters = [];
    const inherited = (object) => {
      for (let at = ObjectGetPrototypeOf(object); at !== null; at = ObjectGetPrototypeOf(at)) {
        const value = at[key];
        if (value !== undefined) return accessors ? ReflectApply(value, object, []) : value;
      }
    };
    const get = (object) => {
      const own = object[key];
      return own !== undefined || !inherits ? own : inherited(object);
    };
    const set = (object, value) => {
      if (setters.length > 0 && object[key] === undefined) {
        for (const [prototype, setter] of setters) {
          if (ObjectPrototypeIsPrototypeOf(prototype, object)) {
            ReflectApply(setter, object, [value]);
            return value;
          }
        }
      }
      return object[key] = value;
    };
    const slot = {
      __proto__: null,
      get,
      set,
      opt: (object) => (object === null || object === undefined ? undefined : get(object)),
      has: (object) => key in object || (inherits && inherited(object) !== undefined),
      hasOwn: (object) => key in object,
      call: (object, ...args) => ReflectApply(get(object), object, args),
      add: (object, by) => set(object, get(object) + by),
      addAfter: (object, by) => {
        const value = get(object);
        set(object, value + by);
        return value;
      },
      init: (object, value) => void set(object, value),
      put: (object, value) => {
        set(object, value);
        return object;
      },
      method: (object, value) => {
        inherits = true;
        object[key] = value;
      },
      accessor: (object, getter) => {
        inherits = accessors = true;
        object[key] = getter;
      },
      setter: (object, setter) => void setters.push([object, setter]),
      define: (object, descriptor) => {
        inherits = true;
        object[key] = descriptor.value;
        return object;
      },
    };
    slots.add(slot);
    return slot;
  };
  const isSlot = (key) => slots.has(key);
  /** The functions of the language that know keys, for the scripts. */
  web.keyed = {
    __proto__: null,
    Symbol: (name) => privateSymbol(name ?? ""),
    ObjectDefineProperty: (object, key, descriptor) =>
      isSlot(key) ? key.define(object, descriptor) : ObjectDefineProperty(object, key, descriptor),
    ObjectHasOwn: (object, key) => isSlot(key) ? key.hasOwn(object) : ObjectHasOwn(object, key),
    ReflectHas: (object, key) => isSlot(key) ? key.has(object) : ReflectHas(object, key),
  };
})(globalThis);
