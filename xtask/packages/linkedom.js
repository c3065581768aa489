// npm: linkedom@0.18.15
// grants: clock = "never"
// prints: <p>a &lt; b</p> 2
// prints: 1
import { parseHTML } from "linkedom";

const { document } = parseHTML("<!doctype html><html><body><form><input name=user><button>Submit</button></form></body></html>");
const item = document.createElement("p");
item.textContent = "a < b";
document.body.append(item);
console.log(document.querySelector("p").outerHTML, document.querySelectorAll("form > *").length);
let clicks = 0;
document.querySelector("button").addEventListener("click", () => (clicks += 1));
document.querySelector("button").click();
console.log(clicks);
