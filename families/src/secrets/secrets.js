// The `secrets` capability of guests. No method returns the bytes of a secret.
({ Capability, calls, characters, makeSubtle, DOMException }) => {
  // An import takes no chance.
  const subtle = makeSubtle === undefined ? undefined : makeSubtle(() => {
    throw new TypeError("an import of a secret takes no chance");
  });
  const resource = (name, use, what) => `${characters(name, "name")}@${characters(use, what)}`;
  const pair = ["sign", "verify"];
  /** Returns how `importKey` reads the key of an algorithm of a right: format, parameters, usages. */
  const imported = (algorithm) => {
    if (algorithm === "AES-GCM") return ["raw", { name: algorithm }, ["encrypt", "decrypt"]];
    if (algorithm === "Ed25519") return ["pkcs8", { name: algorithm }, ["sign"]];
    const at = algorithm.indexOf("-SHA-");
    if (at > 0) {
      const name = algorithm.slice(0, at);
      const parameters = { name, hash: algorithm.slice(at + 1) };
      return name === "HMAC" ? ["raw", parameters, pair] : ["pkcs8", parameters, ["sign"]];
    }
    return ["pkcs8", { name: "ECDSA", namedCurve: algorithm.slice("ECDSA-".length) }, ["sign"]];
  };

  class Secrets extends Capability {
    /** Returns a text. `fetch` sends the secret in its place, in headers of requests to this origin. */
    placeholder(name, origin) {
      return calls.placeholder(this, resource(name, origin, "origin"));
    }
    /** Returns a key of `crypto.subtle` for this algorithm, which cannot be exported. */
    async key(name, algorithm) {
      const bytes = calls.key(this, resource(name, algorithm, "algorithm"));
      try {
        if (subtle === undefined) throw new DOMException("secrets.key needs crypto.subtle, which this engine does not have", "NotSupportedError");
        const [format, parameters, usages] = imported(algorithm);
        return await subtle.importKey(format, bytes, parameters, false, usages);
      } finally {
        bytes.fill(0);
      }
    }
  }
  return { capability: Secrets };
}
