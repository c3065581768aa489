// npm: nanoid@5.1.16
// grants: random = "seeded"
// prints: 21 true true
// prints: true
import { customAlphabet, nanoid } from "nanoid";

const id = nanoid();
console.log(id.length, /^[\w-]+$/.test(id), nanoid() !== id);
console.log(/^[0-9a-f]{10}$/.test(customAlphabet("0123456789abcdef", 10)()));
