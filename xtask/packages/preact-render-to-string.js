// npm: preact-render-to-string@6.8.2
// npm: preact@11.2.0
// prints: <div><button class="counter">Count: 3 &lt;</button></div>
import { h } from "preact";
import { useState } from "preact/hooks";
import { render } from "preact-render-to-string";

function Counter({ start }) {
  const [count] = useState(start);
  return h("button", { class: "counter" }, `Count: ${count} <`);
}
console.log(render(h("div", null, h(Counter, { start: 3 }))));
