// npm: cheerio@1.2.0
// prints: <h2 class="title welcome">Hello there!</h2><ul><li>a</li><li>b</li></ul>
// prints: a,b
import * as cheerio from "cheerio";

const $ = cheerio.load('<h2 class="title">Hello world</h2><ul><li>a</li><li>b</li></ul>');
$("h2.title").text("Hello there!");
$("h2").addClass("welcome");
console.log($("body").html());
console.log($("li").map((_, item) => $(item).text()).get().join());
