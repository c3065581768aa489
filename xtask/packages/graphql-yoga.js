// npm: graphql-yoga@5.24.1
// grants graphql-yoga>lru-cache: clock = "never"
// prints: 200 {"data":{"hello":"Hello from Yoga!"}}
// prints: 200 {"data":{"hello":"Hello Ann!"}}
import { createSchema, createYoga } from "graphql-yoga";

const yoga = createYoga({
  logging: false,
  schema: createSchema({
    typeDefs: "type Query { hello(name: String): String }",
    resolvers: { Query: { hello: (_, { name }) => `Hello ${name ?? "from Yoga"}!` } },
  }),
});
for (const query of ["{ hello }", '{ hello(name: "Ann") }']) {
  const response = await yoga.fetch(
    new Request("https://example.com/graphql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query }),
    }),
  );
  console.log(response.status, await response.text());
}
