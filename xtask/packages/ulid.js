// npm: ulid@3.0.2
// grants: random = "seeded"
// grants: clock = "never"
// prints: 01ARYZ6S41 26 1469918176385
// prints: true 26
import { decodeTime, monotonicFactory, ulid } from "ulid";

const id = ulid(1469918176385);
console.log(id.slice(0, 10), id.length, decodeTime(id));
const next = monotonicFactory();
const [first, second] = [next(150000), next(150000)];
console.log(first < second, ulid().length);
