// Conformance of AbortController and AbortSignal with https://dom.spec.whatwg.org. The program runs without grants, and
// throws an error if something differs.

function equal(actual, expected, what) {
  if (!Object.is(actual, expected)) throw new Error(`${what}: expected ${expected}, got ${actual}`);
}

// QuickJS has scripts of ours, and V8 those of Deno (engine/src/realm/web.rs).
const isOurs = globalThis.Event === undefined;

function thrown(action, what) {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error(`${what}: nothing was thrown`);
}

{
  const controller = new AbortController();
  const { signal } = controller;
  equal(controller.signal, signal, "a controller has one signal");
  equal(signal.aborted, false, "not aborted at first");
  equal(signal.reason, undefined, "no reason at first");
  signal.throwIfAborted();

  const order = [];
  signal.addEventListener("abort", (event) => {
    order.push("first");
    equal(event.type, "abort", "the event's type");
    equal(event.target, signal, "the event's target");
    equal(event.currentTarget, signal, "the event's current target");
    equal(event.isTrusted, true, "the runtime's event is trusted");
  });
  signal.onabort = function () {
    order.push("handler");
    equal(this, signal, "a handler's receiver");
  };
  const twice = () => order.push("once");
  signal.addEventListener("abort", twice);
  signal.addEventListener("abort", twice);
  const removed = () => order.push("removed");
  signal.addEventListener("abort", removed);
  signal.removeEventListener("abort", removed);
  signal.addEventListener("abort", { handleEvent() { order.push("object"); } });
  signal.addEventListener("abort", null);
  signal.addEventListener("other", () => order.push("other"));

  controller.abort();
  controller.abort("again");
  equal(order.join(), "first,handler,once,object", "the listeners that ran");
  equal(signal.aborted, true, "aborted");
  equal(signal.reason.name, "AbortError", "the default reason");
  equal(signal.reason.code, 20, "its legacy code");
  equal(signal.reason instanceof Error, true, "it is an Error");
  equal(thrown(() => signal.throwIfAborted(), "throwIfAborted"), signal.reason, "what throwIfAborted throws");
}

{
  const reason = { any: "value" };
  equal(AbortSignal.abort(reason).reason, reason, "abort with a reason");
  equal(AbortSignal.abort(null).reason, null, "null is a reason");
  equal(AbortSignal.abort(null).aborted, true, "null is a reason that aborts");
  equal(AbortSignal.abort().reason.name, "AbortError", "abort without a reason");
}

// any
{
  const one = new AbortController();
  const two = new AbortController();
  const any = AbortSignal.any([one.signal, two.signal]);
  const nested = AbortSignal.any(new Set([any]));
  const order = [];
  one.signal.addEventListener("abort", () => order.push(`one:${any.aborted}:${nested.aborted}`));
  any.addEventListener("abort", () => order.push("any"));
  nested.addEventListener("abort", () => order.push("nested"));
  one.abort("reason");
  two.abort("late");
  equal(order.join(), "one:true:true,any,nested", "every signal is aborted before any listener runs");
  equal(any.reason, "reason", "the reason of the first");
  equal(nested.reason, "reason", "the reason through another");
  equal(AbortSignal.any([]).aborted, false, "any of none");
  equal(AbortSignal.any([AbortSignal.abort(1), AbortSignal.abort(2)]).reason, 1, "any of aborted signals");
  for (const bad of [undefined, 1, {}, [1], [one.signal, {}]]) {
    equal(thrown(() => AbortSignal.any(bad), "any of no signals") instanceof TypeError, true, "any of no signals");
  }
}

// Listeners
{
  const { signal } = new AbortController();
  const seen = [];
  const remover = new AbortController();
  signal.addEventListener("x", () => seen.push("signal"), { signal: remover.signal });
  signal.addEventListener("x", () => seen.push("once"), { once: true });
  signal.addEventListener("x", () => seen.push("always"), true);
  signal.addEventListener("x", () => seen.push("never"), { signal: AbortSignal.abort() });
  signal.addEventListener("x", () => seen.push("inherited"), Object.create({ once: true }));

  // On QuickJS, guests have no reference to the class of events, except through an event that they received.
  let Event;
  const probe = new AbortController();
  probe.signal.onabort = (event) => { Event = event.constructor; };
  probe.abort();
  equal(globalThis.Event, isOurs ? undefined : Event, "Event");
  equal(globalThis.DOMException, isOurs ? undefined : AbortSignal.abort().reason.constructor, "DOMException");
  equal(signal.dispatchEvent(new Event("x")), true, "dispatchEvent");
  remover.abort();
  signal.dispatchEvent(new Event("x"));
  // The standard reads inherited options, and our scripts do not.
  equal(seen.join(), `signal,once,always,inherited,always${isOurs ? ",inherited" : ""}`, "options of listeners");
  // Deno's constructor does not take null instead of options.
  equal(new Event("x", isOurs ? null : {}, {}).isTrusted, false, "a guest's event is not trusted");

  signal.addEventListener("y", (event) => event.preventDefault());
  equal(signal.dispatchEvent(new Event("y", { cancelable: true })), false, "a cancelled event");
  equal(signal.dispatchEvent(new Event("y")), true, "an event that cannot be cancelled");

  const stopped = [];
  signal.addEventListener("z", (event) => { stopped.push(1); event.stopImmediatePropagation(); });
  signal.addEventListener("z", () => stopped.push(2));
  signal.dispatchEvent(new Event("z"));
  equal(stopped.join(), "1", "stopImmediatePropagation");

  const again = new Event("w");
  signal.addEventListener("w", () => {
    equal(thrown(() => signal.dispatchEvent(again), "a second dispatch").name, "InvalidStateError", "a second dispatch");
  });
  signal.dispatchEvent(again);
  for (const bad of [undefined, {}, "abort"]) {
    equal(thrown(() => signal.dispatchEvent(bad), "dispatch of no event") instanceof TypeError, true, "no event");
  }
  // Deno ignores a listener that is no object.
  if (isOurs) equal(thrown(() => signal.addEventListener("x", 1), "a bad listener") instanceof TypeError, true, "a bad listener");
}

// Own properties of a signal do not see the runtime's listeners. Deno's handlers call the signal's `addEventListener`.
if (isOurs) {
  const { signal } = new AbortController();
  Object.defineProperty(signal, "addEventListener", {
    value: () => { throw new Error("the guest's addEventListener was called"); },
  });
  signal.onabort = () => {};
  signal.onabort = null;
  equal(signal.onabort, null, "onabort can be taken back");
  signal.onabort = 5;
  equal(signal.onabort, null, "onabort takes objects only");
}

// Forgeries
equal(thrown(() => new AbortSignal(), "new AbortSignal") instanceof TypeError, true, "AbortSignal cannot be made");
class Forged extends AbortSignal {}
equal(thrown(() => new Forged(Symbol("internal")), "a subclass") instanceof TypeError, true, "nor through a subclass");
const aborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, "aborted").get;
equal(thrown(() => aborted.call({}), "aborted of a forged signal") instanceof TypeError, true, "a forged signal");
const forged = Object.create(AbortSignal.prototype);
equal(thrown(() => AbortSignal.any([forged]), "any of a forged signal") instanceof TypeError, true, "any, forged");
equal(thrown(() => AbortController.prototype.abort.call({}), "abort") instanceof TypeError, true, "a forged controller");

// timeout
for (const bad of [-1, NaN, Infinity, 2 ** 53, "x", undefined]) {
  equal(thrown(() => AbortSignal.timeout(bad), "a bad timeout") instanceof TypeError, true, `timeout of ${bad}`);
}
{
  const signal = AbortSignal.timeout(1);
  equal(signal.aborted, false, "a timeout does not abort at once");
  const any = AbortSignal.any([signal, new AbortController().signal]);
  await new Promise((resolve) => { any.onabort = resolve; });
  equal(signal.reason.name, "TimeoutError", "the reason of a timeout");
  equal(signal.reason.code, 23, "its legacy code");
  equal(any.reason, signal.reason, "any follows a timeout");
}
