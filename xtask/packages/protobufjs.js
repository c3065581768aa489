// npm: protobufjs@8.8.1
// code from strings: `pbjs -t static-module -w es6` writes the messages as a module for `protobufjs/minimal`
// prints: 10,7,65,119,101,115,111,109,101,18,2,1,2
// prints: {"field":"Awesome","list":[1,2]}
import protobuf from "protobufjs";

const { root } = protobuf.parse('syntax = "proto3"; message Awesome { string field = 1; repeated int32 list = 2; }');
const Awesome = root.lookupType("Awesome");
const bytes = Awesome.encode(Awesome.create({ field: "Awesome", list: [1, 2] })).finish();
console.log(Array.from(bytes).join());
console.log(JSON.stringify(Awesome.toObject(Awesome.decode(bytes))));
