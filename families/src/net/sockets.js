// Sockets of the `net` capability: connections, listeners and datagrams. Names and signatures are those of Deno. Only
// net.js uses what this returns.
({ calls, opened, options, text, characters, bytes: copied, withRoom, ReadableStream, WritableStream }) => {
  const secret = Symbol("net");
  const { freeze } = Object;
  const { isInteger } = Number;
  const { isArray } = Array;
  const { apply } = Reflect;
  const { subarray } = Uint8Array.prototype;
  const { includes, startsWith } = String.prototype;
  const illegal = (token) => {
    if (token !== secret) throw new TypeError("Illegal constructor");
  };

  const openTcp = withRoom(calls.connect);
  const openTls = withRoom(calls.connectTls);
  const openListener = withRoom(calls.listen);
  const openDatagrams = withRoom(calls.listenDatagram);

  /** Returns `hostname:port` of options. Rust parses both. */
  const place = ({ hostname = "127.0.0.1", port }, least) => {
    const host = characters(hostname, "hostname");
    if (typeof port !== "number" || !isInteger(port) || port < least || port > 65535) {
      throw new RangeError(`port must be a whole number from ${least} to 65535`);
    }
    return apply(includes, host, [":"]) && !apply(startsWith, host, ["["]) ? `[${host}]:${port}` : `${host}:${port}`;
  };
  /** Returns a copy of a list of texts, each read once. */
  const texts = (value, what) => {
    if (value === undefined) return [];
    if (!isArray(value)) throw new TypeError(`${what} must be an array of texts`);
    const { length } = value;
    if (length > 1000) throw new TypeError(`${what} has ${length} texts; 1000 are the most`);
    const list = [];
    for (let at = 0; at < length; at++) list[at] = text(value[at], what);
    return list;
  };
  const address = (transport, [hostname, port]) => freeze({ __proto__: null, transport, hostname, port });
  const streams = (Stream) => {
    if (Stream === undefined) throw new TypeError("this engine has no streams; use read and write, or iterate over the connection");
    return Stream;
  };
  const disposed = Symbol.dispose ?? Symbol.for("dispose");
  const asyncDisposed = Symbol.asyncDispose ?? Symbol.for("asyncDispose");

  // The methods of connections, by the right that they are decided as.
  const connected = { read: calls.connectedRead, write: calls.connectedWrite, end: calls.connectedEnd, noDelay: calls.connectedNoDelay };
  const accepted = { read: calls.acceptedRead, write: calls.acceptedWrite, end: calls.acceptedEnd, noDelay: calls.acceptedNoDelay };

  // The size of the chunks in which a connection is read.
  const CHUNK = 32768;

  class Connection {
    #handle;
    #calls;
    #local;
    #remote;
    #protocol;
    #readable;
    #writable;
    constructor(token, handle, methods, [local, remote, protocol]) {
      illegal(token);
      this.#handle = handle;
      this.#calls = methods;
      this.#local = address("tcp", local);
      this.#remote = address("tcp", remote);
      this.#protocol = protocol;
      freeze(this);
    }
    get localAddr() {
      return this.#local;
    }
    get remoteAddr() {
      return this.#remote;
    }
    /** The protocol that the server chose of `alpnProtocols`, or null. */
    get alpnProtocol() {
      return this.#protocol;
    }
    /** Reads into `buffer`. Returns the number of bytes read, or null after the other side has ended. */
    async read(buffer) {
      if (!(buffer instanceof Uint8Array)) throw new TypeError("read needs a Uint8Array");
      const { byteLength } = buffer;
      const count = await this.#calls.read(this.#handle, buffer);
      return count === 0 && byteLength > 0 ? null : count;
    }
    /** Writes all of `data`. Returns its length. */
    async write(data) {
      return await this.#calls.write(this.#handle, copied(data, "data"));
    }
    /** Tells the other side that nothing more is written. */
    async closeWrite() {
      await this.#calls.end(this.#handle);
    }
    setNoDelay(on = true) {
      this.#calls.noDelay(this.#handle, on ? ["on"] : []);
    }
    /** Closes the connection. Calls that wait for it fail. */
    close() {
      calls.connectionClose(this.#handle);
    }
    /** Reads chunks until the other side has ended. Each is a new `Uint8Array`. The connection stays open. */
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const chunk = new Uint8Array(CHUNK);
        const count = await this.read(chunk);
        if (count === null) return;
        yield apply(subarray, chunk, [0, count]);
      }
    }
    /** The stream of received chunks (V8). If it is cancelled, the connection is closed. */
    get readable() {
      const connection = this;
      return this.#readable ??= new (streams(ReadableStream))({
        type: "bytes",
        autoAllocateChunkSize: CHUNK,
        async pull(controller) {
          const request = controller.byobRequest;
          const { buffer, byteOffset, byteLength } = request.view;
          const into = new Uint8Array(buffer, byteOffset, byteLength);
          const count = await connection.#calls.read(connection.#handle, into);
          if (count === 0) controller.close();
          request.respond(count);
        },
        cancel: () => this.close(),
      });
    }
    /** A stream that writes each chunk (V8). At its end nothing more is written; if it is aborted, all is closed. */
    get writable() {
      return this.#writable ??= new (streams(WritableStream))({
        write: async (chunk) => void await this.write(chunk),
        close: async () => await this.closeWrite(),
        abort: () => this.close(),
      });
    }
    [disposed]() {
      this.close();
    }
    async [asyncDisposed]() {
      this.close();
    }
  }

  class Listener {
    #handle;
    #address;
    #isClosed = false;
    constructor(token, handle, bound) {
      illegal(token);
      this.#handle = handle;
      this.#address = address("tcp", bound);
      freeze(this);
    }
    get addr() {
      return this.#address;
    }
    /** Waits for the next connection. */
    async accept() {
      const [handle, data] = opened(await calls.accept(this.#handle));
      return new Connection(secret, handle, accepted, data);
    }
    /** Closes the listener. Accepted connections stay open. */
    close() {
      this.#isClosed = true;
      calls.listenerClose(this.#handle);
    }
    /** Yields connections until the listener is closed. */
    async *[Symbol.asyncIterator]() {
      for (;;) {
        let connection;
        try {
          connection = await this.accept();
        } catch (error) {
          if (this.#isClosed) return;
          throw error;
        }
        yield connection;
      }
    }
    [disposed]() {
      this.close();
    }
    async [asyncDisposed]() {
      this.close();
    }
  }

  class DatagramSocket {
    #handle;
    #address;
    #isClosed = false;
    constructor(token, handle, bound) {
      illegal(token);
      this.#handle = handle;
      this.#address = address("udp", bound);
      freeze(this);
    }
    get addr() {
      return this.#address;
    }
    /** Waits for a datagram of anyone. Returns its bytes, and the address that it came from. */
    async receive() {
      const [data, from] = await calls.receive(this.#handle);
      return [data, address("udp", from)];
    }
    /** Sends one datagram. Returns its length. */
    async send(data, to) {
      const destination = place(options(to, ["hostname", "port"]), 1);
      return await calls.send(this.#handle, copied(data, "data"), destination);
    }
    close() {
      this.#isClosed = true;
      calls.datagramsClose(this.#handle);
    }
    /** Yields datagrams until the socket is closed. */
    async *[Symbol.asyncIterator]() {
      for (;;) {
        let datagram;
        try {
          datagram = await this.receive();
        } catch (error) {
          if (this.#isClosed) return;
          throw error;
        }
        yield datagram;
      }
    }
    [disposed]() {
      this.close();
    }
    async [asyncDisposed]() {
      this.close();
    }
  }

  return {
    objects: [Connection, Listener, DatagramSocket],
    async connect(network, bag) {
      const [handle, data] = opened(await openTcp(network, place(options(bag, ["hostname", "port"]), 1)));
      return new Connection(secret, handle, connected, data);
    },
    async connectTls(network, bag) {
      const read = options(bag, ["hostname", "port", "caCerts", "alpnProtocols"]);
      const authorities = texts(read.caCerts, "caCerts");
      const protocols = texts(read.alpnProtocols, "alpnProtocols");
      const [handle, data] = opened(await openTls(network, place(read, 1), authorities, protocols));
      return new Connection(secret, handle, connected, data);
    },
    listen(network, bag) {
      const [handle, bound] = opened(openListener(network, place(options(bag, ["hostname", "port"]), 0)));
      return new Listener(secret, handle, bound);
    },
    listenDatagram(network, bag) {
      const [handle, bound] = opened(openDatagrams(network, place(options(bag, ["hostname", "port"]), 0)));
      return new DatagramSocket(secret, handle, bound);
    },
    async resolve(network, name, type) {
      return await calls.resolve(network, characters(name, "name"), text(type, "type"));
    },
  };
}
