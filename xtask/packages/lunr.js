// npm: lunr@2.3.9
// prints: 1 2
import lunr from "lunr";

const index = lunr(function () {
  this.field("title");
  this.field("body");
  this.add({ title: "Twelfth-Night", body: "If music be the food of love, play on", id: "1" });
  this.add({ title: "Macbeth", body: "By the pricking of my thumbs", id: "2" });
});
console.log(index.search("love").map((found) => found.ref).join(), index.search("thumb*").map((found) => found.ref).join());
