// npm: nunjucks@3.2.4
// code from strings: a build step makes a module of `nunjucks.precompile`, for `nunjucks/browser/nunjucks-slim.js`
// prints: Hello &lt;J&gt; 1 2
import nunjucks from "nunjucks";

nunjucks.configure({ autoescape: true });
console.log(nunjucks.renderString("Hello {{ username }}{% for n in list %} {{ n }}{% endfor %}", { username: "<J>", list: [1, 2] }));
