// npm: kysely@0.28.19
// prints: select "first_name", "pet"."name" as "pet_name"
// prints: "person" inner join "pet" on "pet"."owner_id" = "person"."id" where "person"."id" = ?
// prints: [7]
// prints: []
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "kysely";

const db = new Kysely({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (kysely) => new SqliteIntrospector(kysely),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});
const query = db
  .selectFrom("person")
  .innerJoin("pet", "pet.owner_id", "person.id")
  .select(["first_name", "pet.name as pet_name"])
  .where("person.id", "=", 7)
  .compile();
for (const part of query.sql.split(" from ")) console.log(part);
console.log(JSON.stringify(query.parameters));
console.log(JSON.stringify(await db.selectFrom("person").selectAll().execute()));
