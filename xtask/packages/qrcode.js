// npm: qrcode@1.5.4
// prints: 21
// prints: <svg xmlns="http://www.w3.org/2000/svg"  true
// prints: 1111111
import QRCode from "qrcode";

console.log(QRCode.create("I am a pony!").modules.size);
const svg = await QRCode.toString("I am a pony!", { type: "svg" });
console.log(svg.slice(0, 40), svg.includes("<path"));
console.log(QRCode.create("a").modules.data.slice(0, 7).join(""));
