// npm: nunjucks@3.2.4
// prints: Hello &lt;J&gt;
import nunjucks from "nunjucks/browser/nunjucks-slim.js";

// The essence of the output of `nunjucks.precompile` for `Hello {{ name }}`. A build step writes it.
const template = {
  root(env, context, frame, runtime, callback) {
    const name = runtime.contextOrFrameLookup(context, frame, "name");
    callback(null, `Hello ${runtime.suppressValue(name, env.opts.autoescape)}`);
  },
};
const environment = new nunjucks.Environment(null, { autoescape: true });
console.log(new nunjucks.Template({ type: "code", obj: template }, environment, "hello", true).render({ name: "<J>" }));
