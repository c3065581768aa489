// npm: @noble/ciphers@2.4.0
// grants: random = "seeded"
// prints: 51 hello noble
// prints: 39 hello noble
import { gcm } from "@noble/ciphers/aes.js";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { managedNonce, randomBytes } from "@noble/ciphers/utils.js";

const key = randomBytes(32);
const data = new TextEncoder().encode("hello noble");
for (const cipher of [managedNonce(xchacha20poly1305)(key), managedNonce(gcm)(key)]) {
  const sealed = cipher.encrypt(data);
  console.log(sealed.length, new TextDecoder().decode(cipher.decrypt(sealed)));
}
