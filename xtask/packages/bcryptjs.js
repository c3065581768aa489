// npm: bcryptjs@3.0.3
// grants: clock = "never"
// grants: random = "seeded"
// prints: 60 $2b$04$ true false
// prints: true
// prints: $2b$04$abcdefghijklmnopqrstuuCi15uRb1eH7NAlJ/TgeJertyknQpYn2
import bcrypt from "bcryptjs";

const hash = bcrypt.hashSync("B4c0/\\/", 4);
console.log(hash.length, hash.slice(0, 7), bcrypt.compareSync("B4c0/\\/", hash), bcrypt.compareSync("other", hash));
console.log(await bcrypt.compare("abc", await bcrypt.hash("abc", 4)));
console.log(bcrypt.hashSync("abc", "$2b$04$abcdefghijklmnopqrstuu"));
