// npm: papaparse@5.7.1
// prints: [{"name":"Ann","note":"a, b"},{"name":"Bob","note":2}] ["name","note"]
// prints: a,b / 1,"x""y"
import Papa from "papaparse";

const { data, meta } = Papa.parse('name,note\nAnn,"a, b"\nBob,2\n', { header: true, dynamicTyping: true, skipEmptyLines: true });
console.log(JSON.stringify(data), JSON.stringify(meta.fields));
console.log(Papa.unparse([{ a: 1, b: 'x"y' }]).replace("\r\n", " / "));
