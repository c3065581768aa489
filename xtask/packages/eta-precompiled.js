// npm: eta@4.6.0
// prints: Hi &lt;Ben&gt;!
import { Eta } from "eta/core";

const eta = new Eta();
// The essence of `eta.compileToString("Hi <%= it.name %>!")`, within a function. A build step writes it.
eta.loadTemplate("@hello", function (it) {
  const __eta = { res: "", e: this.config.escapeFunction };
  __eta.res += "Hi ";
  __eta.res += __eta.e(it.name);
  __eta.res += "!";
  return __eta.res;
});
console.log(eta.render("@hello", { name: "<Ben>" }));
