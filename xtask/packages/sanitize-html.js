// npm: sanitize-html@2.17.5
// prints: <b>bold</b><a>a</a>
// prints: <i>i</i>u
import sanitizeHtml from "sanitize-html";

console.log(sanitizeHtml('<b onclick="x()">bold</b><script>alert(1)</script><a href="javascript:x()">a</a>'));
console.log(sanitizeHtml("<i>i</i><u>u</u>", { allowedTags: ["i"] }));
