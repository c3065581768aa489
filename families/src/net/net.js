// The `net` capability of guests. `fetch` is that of the web (https://fetch.spec.whatwg.org).
({ Capability, calls, until, opened, http, sockets }, transport) => {
  const MAX_HEAD = 2 ** 20;

  // Returns the constructor of sockets that use this capability.
  const socketsOf = (network) => sockets?.constructorOf((url, protocols) => {
    const [handle] = opened(calls.socketOpen(network, url, protocols));
    // Calls that wait keep the socket open, so they are ended with it.
    const end = new AbortController();
    const call = (method, ...rest) => until(end.signal, method, handle, ...rest);
    return {
      connect: () => call(calls.socketConnect),
      receive: () => call(calls.socketReceive),
      send: (isText, bytes) => call(calls.socketSend, isText, bytes),
      close: (code, reason) => call(calls.socketClose, code, reason),
      drop: () => {
        end.abort();
        calls.socketDrop(handle);
      },
    };
  });

  /** Sends a request, and its body while that is produced. Returns the result of the request. */
  const uploaded = async (upload, pieces, signal) => {
    const end = new AbortController();
    const ended = signal === null ? end.signal : AbortSignal.any([signal, end.signal]);
    let failure = null;
    const send = async () => {
      try {
        for (;;) {
          const piece = await pieces.next();
          if (piece === null) {
            calls.uploadEnd(upload);
            return;
          }
          if (piece.byteLength === 0) continue;
          // The server may answer, or end the connection, before it has taken the whole body.
          if (!(await until(ended, calls.uploadPiece, upload, piece))) break;
        }
      } catch (error) {
        // The request is broken off: its body has no end.
        failure = { error };
        end.abort();
      }
      pieces.cancel();
      calls.uploadDrop(upload);
    };
    send();
    try {
      return await until(ended, calls.uploadSend, upload);
    } catch (error) {
      pieces.cancel();
      calls.uploadDrop(upload);
      throw failure === null ? error : failure.error;
    }
  };

  class Network extends Capability {
    /** Opens a TCP connection. */
    async connect(bag) {
      return await transport.connect(this, bag);
    }
    /** Opens a TCP connection with TLS. */
    async connectTls(bag) {
      return await transport.connectTls(this, bag);
    }
    /** Accepts TCP connections at an address of this machine. */
    listen(bag) {
      return transport.listen(this, bag);
    }
    /** Sends and receives datagrams at an address of this machine. */
    listenDatagram(bag) {
      return transport.listenDatagram(this, bag);
    }
    /** Returns the addresses of a name: those of the type "A" or "AAAA". */
    async resolve(name, type = "A") {
      return await transport.resolve(this, name, type);
    }
    async fetch(input, init) {
      const { url, method, redirect, headers, signal, body, pieces = null } = http.request(input, init);
      // A header list may contain one long text many times. Rust has the same limit, in bytes.
      const around = method.length + url.length + redirect.length;
      const length = headers.reduce((sum, [name, value]) => sum + name.length + value.length, around);
      if (length > MAX_HEAD) throw new TypeError(`fetch: method, URL and headers have ${length} characters; ${MAX_HEAD} bytes are the most`);
      const asked = (call, ...rest) => signal === null ? call(...rest) : until(signal, call, ...rest);
      signal?.throwIfAborted();
      const sent = pieces === null
        ? asked(calls.fetch, this, url, method, headers, redirect, await body())
        : uploaded(opened(calls.upload(this, url, method, headers, redirect, null))[0], pieces, signal);
      const [handle, [status, statusText, finalUrl, redirected, received]] = opened(await sent);
      // The body ended, failed, was aborted, or its reader stops early. The rest is not received.
      const cancel = () => void calls.cancel(handle);
      const source = {
        read: async () => {
          try {
            const piece = await asked(calls.read, handle);
            if (piece.byteLength > 0) return piece;
          } catch (error) {
            cancel();
            throw error;
          }
          cancel();
          return null;
        },
        cancel,
      };
      const hasBody = method !== "HEAD" && ![101, 204, 205, 304].includes(status);
      if (!hasBody) cancel();
      return http.response({ status, statusText, url: finalUrl, redirected, headers: received, source: hasBody ? source : null });
    }
    /** Opens a socket, like `new WebSocket(url, protocols)` of the web. */
    webSocket(url, protocols = undefined) {
      const WebSocket = socketsOf(this);
      if (WebSocket === undefined) throw new TypeError("webSocket: there are no sockets on QuickJS");
      return new WebSocket(url, protocols);
    }
  }
  return {
    capability: Network,
    objects: [...http.objects, ...transport.objects],
    // A method, because unlike other functions it has no `prototype`.
    globals: {
      fetch: (network) => ({ fetch(input, init = undefined) { return network.fetch(input, init); } }.fetch),
      ...(sockets === undefined ? {} : {
        WebSocket: socketsOf,
        EventSource: (network) => sockets.eventSourceOf((url, init) => network.fetch(url, init)),
      }),
    },
  };
}
