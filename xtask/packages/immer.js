// npm: immer@11.2.13
// prints: 2 false [{"title":"Learn","done":true},{"title":"Try","done":true},{"title":"Tweet"}] true true
import { produce } from "immer";

const base = [{ title: "Learn", done: true }, { title: "Try", done: false }];
const next = produce(base, (draft) => {
  draft[1].done = true;
  draft.push({ title: "Tweet" });
});
console.log(base.length, base[1].done, JSON.stringify(next), next[0] === base[0], Object.isFrozen(next));
