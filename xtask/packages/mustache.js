// npm: mustache@4.2.0
// prints: Joe spends 6 [1] [2] &lt;b&gt; <b>
import Mustache from "mustache";

const view = { title: "Joe", calc: () => 2 + 4, list: [{ n: 1 }, { n: 2 }], html: "<b>" };
console.log(Mustache.render("{{title}} spends {{calc}}{{#list}} [{{n}}]{{/list}} {{html}} {{{html}}}", view));
