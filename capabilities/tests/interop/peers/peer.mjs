// The WebAssembly peer of the interop test. It reads one request a line from standard input, and writes one answer a
// line. Its argument is the folder into which the package was installed.

import { webcrypto } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// The package logs a greeting, but standard output must contain only answers.
console.log = () => {};
// Node 18 (Debian 12) has no global `crypto`.
globalThis.crypto ??= webcrypto;

const file = join(process.argv[2], "node_modules/@biscuit-auth/biscuit-wasm/module/biscuit.js");
const { AuthorizerBuilder, Biscuit, KeyPair, PrivateKey, PublicKey, SignatureAlgorithm, ThirdPartyRequest } =
  await import(pathToFileURL(file));

// The library's default limit is one millisecond, so a busy machine could change an answer.
const LIMITS = { max_facts: 100_000, max_iterations: 1_000, max_time_micro: 60_000_000 };

const verbs = {
  mint({ private_key, code }) {
    return filled(Biscuit.builder(), code).build(PrivateKey.fromString(private_key)).toBase64();
  },

  attenuate(request) {
    return verified(request).appendBlock(block(request.code)).toBase64();
  },

  // Adds a block that a third party signs.
  attest(request) {
    const token = verified(request);
    const signer = PrivateKey.fromString(request.private_key);
    const by = KeyPair.fromPrivateKey(signer).getPublicKey();
    return token.appendThirdPartyBlock(by, token.getThirdPartyRequest().createBlock(signer, block(request.code))).toBase64();
  },

  // The same in two steps, for a third party that does not see the token. A third step would add the signed block, but
  // it is not possible: the package's `ThirdPartyBlock.fromBase64` reads a request instead.
  request(request) {
    return verified(request).getThirdPartyRequest().toBase64();
  },

  sign({ request, private_key, code }) {
    return ThirdPartyRequest.fromBase64(request).createBlock(PrivateKey.fromString(private_key), block(code)).toBase64();
  },

  // Answers many questions about one token.
  authorize(request) {
    const token = verified(request);
    return request.questions.map((code) => allows(token, code));
  },

  inspect(request) {
    const token = verified(request);
    return {
      blocks: Array.from({ length: token.countBlocks() }, (_, number) => token.getBlockSource(number)),
      revocation_ids: token.getRevocationIdentifiers(),
    };
  },
};

function allows(token, code) {
  const authorizer = filled(new AuthorizerBuilder(), code).buildAuthenticated(token);
  try {
    authorizer.authorizeWithLimits(LIMITS);
    return true;
  } catch (error) {
    // Any other error is neither an allowed nor a denied operation.
    if (error.FailedLogic) return false;
    throw error;
  } finally {
    authorizer.free();
  }
}

function verified({ token, root }) {
  return Biscuit.fromBase64(token, publicKey(root));
}

function publicKey(text) {
  return PublicKey.fromString(text.slice("ed25519/".length), SignatureAlgorithm.Ed25519);
}

function block(code) {
  return filled(Biscuit.block_builder(), code);
}

function filled(builder, code) {
  builder.addCode(code);
  return builder;
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { ok: verbs[request.verb](request) };
  } catch (error) {
    // The library throws plain objects. The test checks if the error is the expected one.
    answer = { error: error instanceof Error ? String(error) : JSON.stringify(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
