// npm: natural@8.1.1
// note: the whole package needs databases for Node.js, so the program imports modules of it
// prints: your,dog,has,fleas
// prints: word 0.8133
import JaroWinklerDistance from "natural/lib/natural/distance/jaro-winkler_distance.js";
import stemmer from "natural/lib/natural/stemmers/porter_stemmer.js";
import tokenizers from "natural/lib/natural/tokenizers/regexp_tokenizer.js";

console.log(new tokenizers.WordTokenizer().tokenize("your dog has fleas.").join());
console.log(stemmer.stem("words"), JaroWinklerDistance("dixon", "dicksonx").toFixed(4));
