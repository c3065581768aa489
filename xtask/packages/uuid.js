// npm: uuid@14.0.3
// grants: random = "seeded"
// grants: clock = "never"
// prints: 36 true 4 true
// prints: 074171de-bc84-5ea4-b636-1135477620e1
// prints: 7
import { v4 as uuidv4, v5 as uuidv5, v7 as uuidv7, validate, version } from "uuid";

const id = uuidv4();
console.log(id.length, validate(id), version(id), uuidv4() !== id);
console.log(uuidv5("hello", uuidv5.URL));
console.log(version(uuidv7()));
