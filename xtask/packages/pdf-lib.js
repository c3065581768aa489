// npm: pdf-lib@1.17.1
// grants: clock = "never"
// prints: %PDF-1.7
// prints: 1 Example {"width":600,"height":400}
import { PDFDocument, StandardFonts, rgb } from "pdf-lib";

const document = await PDFDocument.create();
const font = await document.embedFont(StandardFonts.TimesRoman);
const page = document.addPage([600, 400]);
page.drawText("Creating PDFs in JavaScript is awesome!", { x: 50, y: 350, size: 30, font, color: rgb(0, 0.53, 0.71) });
document.setTitle("Example");
const bytes = await document.save();
console.log(new TextDecoder().decode(bytes.subarray(0, 8)));
const read = await PDFDocument.load(bytes);
console.log(read.getPageCount(), read.getTitle(), JSON.stringify(read.getPage(0).getSize()));
