// npm: jszip@3.10.2
// why not: it sets `global.setImmediate` and calls `setImmediate`, which is not found (a fault of the runtime)
// grants: clock = "never"
// prints: Hello.txt,images/,images/smile.gif Hello World
// prints: 14
import JSZip from "jszip";

const zip = new JSZip();
zip.file("Hello.txt", "Hello World\n");
zip.folder("images").file("smile.gif", "R0lGODlhAQABAAAAACw=", { base64: true });
const bytes = await zip.generateAsync({ type: "uint8array", compression: "DEFLATE" });
const read = await JSZip.loadAsync(bytes);
console.log(Object.keys(read.files).join(), (await read.file("Hello.txt").async("string")).trim());
console.log((await read.file("images/smile.gif").async("uint8array")).length);
