// npm: @noble/curves@2.4.0
// grants @noble/curves>@noble/hashes: random = "seeded"
// prints: 64 true
// prints: 64 true
import { ed25519 } from "@noble/curves/ed25519.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";

for (const curve of [secp256k1, ed25519]) {
  const { secretKey, publicKey } = curve.keygen();
  const message = new TextEncoder().encode("hello noble");
  const signature = curve.sign(message, secretKey);
  console.log(signature.length, curve.verify(signature, message, publicKey));
}
