// npm: superjson@2.2.7
// prints: {"json":{"date":"1970-01-01T00:00:00.000Z","set":[1],"big":"10"}
// prints: 1970-01-01T00:00:00.000Z true true
import superjson from "superjson";

const text = superjson.stringify({ date: new Date(0), set: new Set([1]), big: 10n });
console.log(text.slice(0, text.indexOf(',"meta"')));
const value = superjson.parse(text);
console.log(value.date.toISOString(), value.set.has(1), value.big === 10n);
