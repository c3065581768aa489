// npm: csv-parse@7.0.3
// prints: [{"key_1":"value 1","key_2":"value, 2"}]
import { parse } from "csv-parse/browser/esm/sync";

const text = '"key_1","key_2"\n"value 1","value, 2"\n';
console.log(JSON.stringify(parse(text, { columns: true, skip_empty_lines: true })));
