// npm: micromark@4.0.3
// prints: <h2>Hello, <em>world</em>!</h2>
// prints: <p>&lt;b&gt;x&lt;/b&gt;</p>
import { micromark } from "micromark";

console.log(micromark("## Hello, *world*!\n\n<b>x</b>"));
