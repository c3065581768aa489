// npm: fflate@0.8.3
// prints: true
// prints: a.txt,dir/,dir/b.txt B
import { gunzipSync, gzipSync, strFromU8, strToU8, unzipSync, zipSync } from "fflate";

const text = "hello ".repeat(100);
console.log(strFromU8(gunzipSync(gzipSync(strToU8(text), { mtime: 0 }))) === text);
const files = unzipSync(zipSync({ "a.txt": strToU8("A"), dir: { "b.txt": strToU8("B") } }, { mtime: new Date(2020, 0, 1) }));
console.log(Object.keys(files).join(), strFromU8(files["dir/b.txt"]));
