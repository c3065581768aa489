// npm: minisearch@7.2.0
// prints: [[2,"Zen and the Art of Motorcycle Maintenance"]]
// prints: 3 moby
import MiniSearch from "minisearch";

const search = new MiniSearch({ fields: ["title", "text"], storeFields: ["title"] });
search.addAll([
  { id: 1, title: "Moby Dick", text: "Call me Ishmael. Some years ago..." },
  { id: 2, title: "Zen and the Art of Motorcycle Maintenance", text: "I can see by my watch..." },
  { id: 3, title: "Neuromancer", text: "The sky above the port was..." },
]);
console.log(JSON.stringify(search.search("zen art").map(({ id, title }) => [id, title])));
console.log(search.search("neromancer", { fuzzy: 0.2 })[0].id, search.autoSuggest("mo")[0].suggestion);
