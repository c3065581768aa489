// The `env` capability of guests.
({ Capability, calls, text }) => {
  const { get } = calls;

  class Environment extends Capability {
    /** Returns the variable's value, or undefined if it is not set. */
    get(name) {
      // The type is checked inline. On QuickJS, a function call takes about as long as the decision.
      return get(this, typeof name === "string" && name.length < 1024 ? name : text(name, "name")) ?? undefined;
    }
    has(name) {
      return get(this, text(name, "name")) !== null;
    }
  }
  return { capability: Environment };
}
