// npm: pngjs@7.0.0
// prints: 2 1 255,0,0,255,0,255,0,255
import { PNG } from "pngjs/browser.js";

const png = new PNG({ width: 2, height: 1 });
png.data.set([255, 0, 0, 255, 0, 255, 0, 255]);
const bytes = PNG.sync.write(png);
const read = PNG.sync.read(bytes);
console.log(read.width, read.height, Array.from(read.data).join());
