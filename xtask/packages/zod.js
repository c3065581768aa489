// npm: zod@4.6.7
// prints: {"username":"billie","xp":100}
// prints: username: Invalid input: expected string, received number
// prints: xp: Invalid input: expected number, received string
// prints: true 3
import * as z from "zod";

const Player = z.object({ username: z.string(), xp: z.number() });
console.log(JSON.stringify(Player.parse({ username: "billie", xp: 100, other: 1 })));
const result = Player.safeParse({ username: 42, xp: "100" });
for (const issue of result.error.issues) console.log(`${issue.path}: ${issue.message}`);
console.log(z.email().safeParse("a@example.com").success, z.string().transform((text) => text.length).parse("abc"));
