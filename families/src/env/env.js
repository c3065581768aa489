// The `env` capability of guests.
({ Capability, calls, text }) => {
  class Environment extends Capability {
    /** Returns the variable's value, or undefined if it is not set. */
    get(name) {
      // The type is checked inline. On QuickJS, a function call takes about as long as the decision.
      return calls.get(this, typeof name === "string" && name.length < 1024 ? name : text(name, "name")) ?? undefined;
    }
    has(name) {
      return calls.get(this, text(name, "name")) !== null;
    }
  }
  return { capability: Environment };
}
