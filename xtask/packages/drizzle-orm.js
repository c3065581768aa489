// npm: drizzle-orm@0.45.4
// prints: all select "id", "name" from "users" where "users"."id" = ? [1]
// prints: [{"id":1,"name":"Ann"}]
// prints: run insert into "users" ("id", "name") values (null, ?) ["Bob"]
import { drizzle } from "drizzle-orm/sqlite-proxy";
import { eq } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

const users = sqliteTable("users", { id: integer().primaryKey(), name: text().notNull() });
const db = drizzle(async (sql, parameters, method) => {
  console.log(method, sql, JSON.stringify(parameters));
  return { rows: [[1, "Ann"]] };
});
console.log(JSON.stringify(await db.select().from(users).where(eq(users.id, 1))));
await db.insert(users).values({ name: "Bob" });
