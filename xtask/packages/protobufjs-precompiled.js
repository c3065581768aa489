// npm: protobufjs@8.8.1
// prints: 10,7,65,119,101,115,111,109,101 {"field":"Awesome"}
import protobuf from "protobufjs/minimal.js";

// The essence of the output of `pbjs -t static-module` for `message Awesome { string field = 1; }`.
const encode = (message) => protobuf.Writer.create().uint32(10).string(message.field).finish();
const decode = (bytes) => {
  const reader = protobuf.Reader.create(bytes);
  const message = {};
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) message.field = reader.string();
    else reader.skipType(tag & 7);
  }
  return message;
};
const bytes = encode({ field: "Awesome" });
console.log(Array.from(bytes).join(), JSON.stringify(decode(bytes)));
