// npm: compromise@14.17.0
// grants: random = "seeded"
// prints: she sold seashells by the seashore.
// prints: John Smith,Ann Lee
// prints: I,two dogs
import nlp from "compromise";

const text = nlp("she sells seashells by the seashore.");
text.verbs().toPastTense();
console.log(text.text());
console.log(nlp("John Smith and Ann Lee met in Paris").people().out("array").join());
console.log(nlp("I saw two dogs").nouns().out("array").join());
