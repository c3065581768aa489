// The requests of programs that serve. Rust calls `request` for each of them, with its number. Only these functions
// use the numbers: guests get objects of the web's interfaces.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const web = globalThis.__web;
  const { ops, options, text } = secure;
  const { freeze } = Object;
  const { apply } = Reflect;
  const settled = Promise.resolve();
  const { then } = Promise.prototype;

  /** Prints an error that no handler caught. Other requests are in progress, so it does not end the program. */
  const report = (error) => {
    try {
      secure.serving.report("uncaught", error);
    } catch {
      // The program has printed as much as it may.
    }
  };

  // The handler of the entry module, and the object that has it.
  let main;
  let mainOwner;
  // The requests in progress, by number: each is `progress` of the function `request`.
  const all = new Map();

  const ended = (progress) => {
    if (--progress.work > 0) return;
    all.delete(progress.number);
    ops.op_sr_request_end(progress.number);
  };

  let contextOf;
  /** The second argument of a handler. */
  class Context {
    #progress;
    #head;
    #params;
    static {
      contextOf = (progress, head) => new Context(progress, head);
    }
    constructor(progress, head) {
      this.#progress = progress;
      this.#head = head;
      // A module that gets it must not add what another module then believes.
      freeze(this);
    }
    /** The identity of the request in logs. */
    get requestId() {
      return this.#head[3];
    }
    /** The parts of the URL that the route names. */
    get params() {
      if (this.#params === undefined) {
        const params = { __proto__: null };
        for (let at = 4; at < this.#head.length; at += 2) params[this.#head[at]] = this.#head[at + 1];
        this.#params = freeze(params);
      }
      return this.#params;
    }
    /** A signal that is aborted when the client goes away. */
    get signal() {
      return this.#progress.signal();
    }
    /**
     * Turns the request into a WebSocket: returns `{ socket, response }`. The handler must return the response. The
     * options are `protocol`, one that the client offers, and `idleTimeout`, in seconds, 0 for none.
     */
    upgrade(bag = undefined) {
      const { protocol = "", idleTimeout = 120 } = options(bag ?? {}, ["protocol", "idleTimeout"]);
      if (web.sockets === undefined) throw new TypeError("upgrade: there are no sockets on QuickJS");
      if (typeof idleTimeout !== "number" || !(idleTimeout >= 0 && idleTimeout <= 2 ** 31)) throw new RangeError("idleTimeout must be a number of seconds from 0 to 2^31");
      const progress = this.#progress;
      if (progress.hasAnswered || progress.isGone) throw new TypeError("upgrade: the request has ended");
      return freeze({ __proto__: null, ...upgraded(progress, text(protocol, "protocol"), idleTimeout) });
    }
    /** Lets the request stay in progress until the promise is settled, also after the response. */
    waitUntil(promise) {
      const progress = this.#progress;
      if (progress.work === 0 && progress.hasAnswered) throw new TypeError("waitUntil: the request has ended");
      progress.work++;
      const wait = async () => {
        try {
          await promise;
        } catch (error) {
          report(error);
        } finally {
          ended(progress);
        }
      };
      wait();
    }
  }
  delete Context.prototype.constructor;
  secure.named["%RequestContextPrototype%"] = Context.prototype;

  /** Makes the socket of a request. The request stays in progress until the socket is closed. */
  const upgraded = (progress, protocol, idleTimeout) => {
    const { number, check } = progress;
    ops.op_sr_upgrade(number, protocol, idleTimeout * 1000);
    progress.work++;
    let isOver = false;
    const { socket, start, fail } = web.sockets.accepted({
      connect: async () => {
        await ops.op_sr_socket_connect(number);
        return protocol;
      },
      receive: async () => {
        const received = await ops.op_sr_socket_receive(number);
        check?.();
        return received;
      },
      send: async (isText, bytes) => {
        check?.();
        await ops.op_sr_socket_send(number, isText, bytes);
      },
      close: (code, reason) => ops.op_sr_socket_close(number, code ?? -1, reason),
      drop: () => {
        if (isOver) return;
        isOver = true;
        ops.op_sr_socket_drop(number);
        ended(progress);
      },
    });
    const response = web.http.switching();
    progress.upgrade = { response, start, fail, isOver: () => isOver };
    return { socket, response };
  };

  /** Sends the pieces of a body. `next` returns null at the end. */
  const send = async (progress, { next, cancel }) => {
    const { number } = progress;
    progress.cancel = cancel;
    try {
      for (;;) {
        const piece = await next();
        if (piece === null || progress.isGone) break;
        const sent = ops.op_sr_respond_piece(number, piece);
        if (sent === 1) continue;
        if (sent === 0 && await ops.op_sr_respond_room(number)) continue;
        cancel();
        return;
      }
      ops.op_sr_respond_end(number, false);
    } catch (error) {
      ops.op_sr_respond_end(number, true);
      if (!progress.isGone) report(error);
    }
  };

  const answer = async (progress, head, request, handler, owner) => {
    const { number } = progress;
    try {
      const response = await apply(handler, owner, [request, contextOf(progress, head)]);
      const { upgrade } = progress;
      if (upgrade !== undefined) {
        if (response !== upgrade.response) upgrade.fail(new TypeError("the handler did not return the response of `upgrade`"));
        else if (!upgrade.isOver() && !progress.isGone) {
          if (ops.op_sr_respond_upgrade(number)) upgrade.start();
          else upgrade.fail(new TypeError("the client went away"));
          return;
        }
      }
      const { status, headers, bytes, pieces } = web.http.outgoing(response);
      if (progress.isGone) {
        pieces?.cancel();
        return;
      }
      const isTaken = ops.op_sr_respond(number, status, headers, bytes, pieces !== null);
      if (pieces === null) return;
      if (isTaken) await send(progress, pieces);
      else pieces.cancel();
    } catch (error) {
      progress.upgrade?.fail(error);
      ops.op_sr_respond_failed(number);
      // A handler that was aborted has no other fault.
      if (!progress.isReason(error)) report(error);
    } finally {
      progress.hasAnswered = true;
      if (!progress.isGone) ended(progress);
    }
  };

  /** Answers the request with this number. */
  const handle = (number, handler, owner, check) => {
    // Rust calls this function, so there is enough stack for ops that create objects. In a getter, a guest could have
    // used it up.
    const head = ops.op_sr_request(number);
    const headers = ops.op_sr_request_headers(number);
    let controller;
    const signal = () => {
      if (controller === undefined) {
        controller = new web.AbortController();
        if (progress.isGone) controller.abort();
      }
      return controller.signal;
    };
    const progress = {
      number,
      work: 1,
      isGone: false,
      hasAnswered: false,
      check,
      upgrade: undefined,
      signal,
      abort: () => controller?.abort(),
      isReason: (error) => progress.isGone && controller !== undefined && error === controller.signal.reason,
      cancel: () => {},
    };
    all.set(number, progress);
    const source = head[2]
      ? {
        read: async () => {
          const piece = await ops.op_sr_request_read(number);
          return piece.byteLength > 0 ? piece : null;
        },
        cancel: () => ops.op_sr_request_cancel(number),
      }
      : null;
    const request = web.http.incoming({ method: head[0], url: head[1], headers: () => headers, source, signal });
    // The handler must not see the frames of this function.
    apply(then, settled, [() => answer(progress, head, request, handler, owner)]);
  };

  /** The client of the request with this number went away. */
  const gone = ((number) => {
    const progress = all.get(number);
    if (progress === undefined || progress.isGone) return;
    progress.isGone = true;
    progress.cancel();
    progress.abort();
    progress.upgrade?.fail(new TypeError("the client went away"));
    // There is nobody to answer. A handler that goes on must not keep the place of another request.
    if (!progress.hasAnswered) ended(progress);
  });

  secure.serving = {
    /** Sets the handler: the method `fetch` of the entry module's default export. */
    handler: ((exported) => {
      const isObject = (typeof exported === "object" && exported !== null) || typeof exported === "function";
      const found = isObject ? exported.fetch : undefined;
      if (typeof found !== "function") {
        throw new TypeError("the entry module has no handler of requests; write `export default { fetch(request) { return new Response(\"Hello\") } }`");
      }
      main = found;
      mainOwner = exported;
    }),
    /** Answers the request with this number with the handler of the entry module. */
    request: ((number) => handle(number, main, mainOwner)),
    gone,
  };
  web.serving = freeze({
    /** Processes an event of Rust: a request for this handler, or the departure of a client. */
    /** `check` throws if the right to answer requests is gone. Sockets call it for each message. */
    event: (number, handler, check = undefined) => number >= 0 ? handle(number, handler, undefined, check) : gone(-1 - number),
  });
})(globalThis);
