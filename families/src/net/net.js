// The `net` capability of guests. `fetch` is that of the web (https://fetch.spec.whatwg.org).
({ Capability, calls, until, opened, http }, transport) => {
  const MAX_HEAD = 2 ** 20;

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
      const { url, method, redirect, headers, signal, body } = http.request(input, init);
      // A header list may contain one long text many times. Rust has the same limit, in bytes.
      const around = method.length + url.length + redirect.length;
      const length = headers.reduce((sum, [name, value]) => sum + name.length + value.length, around);
      if (length > MAX_HEAD) throw new TypeError(`fetch: method, URL and headers have ${length} characters; ${MAX_HEAD} bytes are the most`);
      const asked = (call, ...rest) => signal === null ? call(...rest) : until(signal, call, ...rest);
      signal?.throwIfAborted();
      const sent = asked(calls.fetch, this, url, method, headers, redirect, await body());
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
  }
  return {
    capability: Network,
    objects: [...http.objects, ...transport.objects],
    // A method, because unlike other functions it has no `prototype`.
    globals: { fetch: (network) => ({ fetch(input, init = undefined) { return network.fetch(input, init); } }.fetch) },
  };
}
