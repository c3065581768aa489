// npm: exceljs@4.4.0
// note: the main module has core-js, which changes intrinsics; the program imports the one without it
// grants: clock = "never"
// prints: John Doe 2
import ExcelJS from "exceljs/dist/exceljs.bare.min.js";

const workbook = new ExcelJS.Workbook();
const sheet = workbook.addWorksheet("My Sheet");
sheet.columns = [{ header: "Id", key: "id" }, { header: "Name", key: "name", width: 32 }];
sheet.addRow({ id: 1, name: "John Doe" });
const buffer = await workbook.xlsx.writeBuffer();
const read = new ExcelJS.Workbook();
await read.xlsx.load(buffer);
console.log(read.getWorksheet("My Sheet").getCell("B2").value, read.worksheets[0].rowCount);
