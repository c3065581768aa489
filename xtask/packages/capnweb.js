// npm: capnweb@0.12.0
// prints: Hello, World!
// prints: 200 ["resolve",1,"Hello, batch!"] function
import { RpcSession, RpcTarget, newHttpBatchRpcResponse, newMessagePortRpcSession } from "capnweb";

class Api extends RpcTarget {
  hello(name) {
    return `Hello, ${name}!`;
  }
}
const { port1, port2 } = new MessageChannel();
newMessagePortRpcSession(port1, new Api());
const api = newMessagePortRpcSession(port2);
console.log(await api.hello("World"));
api[Symbol.dispose]();
port1.close();
port2.close();

const body = '["push",["pipeline",0,["hello"],["batch"]]]\n["pull",1]';
const response = await newHttpBatchRpcResponse(new Request("https://example.com/api", { method: "POST", body }), new Api());
console.log(response.status, await response.text(), typeof RpcSession);
