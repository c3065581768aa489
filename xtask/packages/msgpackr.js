// npm: msgpackr@2.1.4
// prints: 32 {"a":1,"list":[true,null,"text"],"big":1099511627776}
// prints: 1970-01-01T00:00:00.000Z 2
import { Packr, pack, unpack } from "msgpackr";

const bytes = pack({ a: 1, list: [true, null, "text"], big: 2 ** 40 });
console.log(bytes.length, JSON.stringify(unpack(bytes)));
const packr = new Packr({ structuredClone: true });
const copy = packr.unpack(packr.pack({ when: new Date(0), set: new Set([1, 2]) }));
console.log(copy.when.toISOString(), copy.set.size);
