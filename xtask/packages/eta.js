// npm: eta@4.6.0
// code from strings: a build step makes a function of `eta.compileToString`, for `eta.loadTemplate`
// prints: Hi &lt;Ben&gt;!
import { Eta } from "eta/core";

const eta = new Eta();
console.log(eta.renderString("Hi <%= it.name %>!", { name: "<Ben>" }));
