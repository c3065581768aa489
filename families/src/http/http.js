// The `http` capability of guests. `serve` is like that of other servers of JavaScript: a handler gets a `Request` and
// returns a `Response`.
({ Capability, calls, opened, options, text, characters, serving }) => {
  const secret = Symbol("http");
  const { freeze } = Object;
  const whole = (value, what, least, most) => {
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
      throw new RangeError(`${what} must be a whole number from ${least} to ${most}`);
    }
    return value;
  };

  /** A server that accepts connections. */
  class HttpServer {
    #handle;
    #address;
    #finished;
    constructor(token, handle, [hostname, port], handler) {
      if (token !== secret) throw new TypeError("Illegal constructor");
      this.#handle = handle;
      this.#address = freeze({ __proto__: null, hostname, port });
      this.#finished = this.#answer(handler);
      // Who does not wait for the end need not handle its error.
      this.#finished.catch(() => {});
      freeze(this);
    }
    /** The address that the server listens on. */
    get addr() {
      return this.#address;
    }
    /** Settled when the server has ended. */
    get finished() {
      return this.#finished;
    }
    /** Accepts no more connections, and waits until the open requests have ended. */
    async shutdown() {
      calls.shutdown(this.#handle);
      await this.#finished;
    }
    async #answer(handler) {
      try {
        for (;;) {
          const event = await calls.next(this.#handle);
          if (event === null) return;
          serving.event(event, handler, () => calls.goesOn(this.#handle));
        }
      } finally {
        calls.close(this.#handle);
      }
    }
  }

  class Http extends Capability {
    serve(first, second) {
      const isBare = typeof first === "function";
      const handler = isBare ? first : second;
      if (typeof handler !== "function") throw new TypeError("serve needs a handler: serve(handler), or serve(options, handler)");
      const bag = isBare || first === undefined ? {} : first;
      const { hostname = "127.0.0.1", port = 8000, cert, key, maxBody = 2 ** 26 } = options(bag, ["hostname", "port", "cert", "key", "maxBody"]);
      const name = characters(hostname, "hostname");
      const host = name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
      const address = `${host}:${whole(port, "port", 0, 65535)}`;
      if ((cert === undefined) !== (key === undefined)) throw new TypeError("TLS needs both cert and key, as PEM texts");
      const tls = cert === undefined ? [] : [text(cert, "cert"), text(key, "key")];
      const [handle, bound] = opened(calls.listen(this, address, whole(maxBody, "maxBody", 0, Number.MAX_SAFE_INTEGER), ...tls));
      return new HttpServer(secret, handle, bound, handler);
    }
  }
  return { capability: Http, objects: [HttpServer] };
}
