// npm: graphql@16.15.0
// prints: {"data":{"hello":"world"}}
// prints: Cannot query field "BoyHowdy" on type "RootQueryType".
import { graphql, GraphQLObjectType, GraphQLSchema, GraphQLString } from "graphql";

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: "RootQueryType",
    fields: { hello: { type: GraphQLString, resolve: () => "world" } },
  }),
});
console.log(JSON.stringify(await graphql({ schema, source: "{ hello }" })));
console.log((await graphql({ schema, source: "{ BoyHowdy }" })).errors[0].message);
