export interface Secrets extends Capability<Secrets, "send" | "key"> {
  /**
   * Returns a text to use as an API key. `fetch` replaces it by the secret, in headers of requests to this origin. No
   * other request with it is sent.
   */
  placeholder(name: string, origin: string): string;
  /** Returns a key for this algorithm, such as `HMAC-SHA-256`. It cannot be exported. On QuickJS, there is none. */
  key(name: string, algorithm: string): Promise<CryptoKey>;
}
