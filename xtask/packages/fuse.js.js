// npm: fuse.js@7.5.0
// prints: Old Man's War 1
import Fuse from "fuse.js";

const books = [
  { title: "Old Man's War", author: { firstName: "John" } },
  { title: "The Lock Artist", author: { firstName: "Steve" } },
];
const fuse = new Fuse(books, { keys: ["title", "author.firstName"], includeScore: true });
console.log(fuse.search("jon").map((found) => found.item.title).join(), fuse.search("lok").length);
