// npm: tweetnacl@1.0.3
// grants: random = "seeded"
// prints: message
// prints: 64 true
import nacl from "tweetnacl";

const message = new TextEncoder().encode("message");
const key = nacl.randomBytes(nacl.secretbox.keyLength);
const nonce = nacl.randomBytes(nacl.secretbox.nonceLength);
console.log(new TextDecoder().decode(nacl.secretbox.open(nacl.secretbox(message, nonce, key), nonce, key)));
const pair = nacl.sign.keyPair();
const signature = nacl.sign.detached(message, pair.secretKey);
console.log(signature.length, nacl.sign.detached.verify(message, signature, pair.publicKey));
