// npm: graphology@0.26.0
// grants: random = "seeded"
// prints: 2 1 30 John
// prints: John Martha
import Graph from "graphology";

const graph = new Graph();
graph.addNode("John", { age: 30 });
graph.addNode("Martha");
graph.addEdge("John", "Martha");
console.log(graph.order, graph.size, graph.getNodeAttribute("John", "age"), graph.neighbors("Martha").join());
const { source, target } = graph.export().edges[0];
console.log(source, target);
