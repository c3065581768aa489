// npm: marked@18.2.1
// prints: <h1>Marked in <strong>module</strong></h1>
// prints: <ul>
// prints: <li><input checked="" disabled="" type="checkbox"> done</li>
// prints: <li><code>code</code></li>
// prints: </ul>
// prints: <table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>
import { marked } from "marked";

console.log(marked.parse("# Marked in **module**\n\n- [x] done\n- `code`\n").trim());
console.log(marked.parse("| a | b |\n| - | - |\n| 1 | 2 |\n").replaceAll("\n", ""));
