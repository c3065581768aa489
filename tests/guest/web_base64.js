// Conformance of atob and btoa with https://html.spec.whatwg.org/multipage/webappapis.html#atob and with the test
// vectors of RFC 4648. The program runs without grants, and throws an error if something differs.

function equal(actual, expected, what) {
  if (!Object.is(actual, expected)) throw new Error(`${what}: expected ${expected}, got ${actual}`);
}

function throws(action, name, what) {
  try {
    action();
  } catch (error) {
    if (error.name === name) return;
    throw new Error(`${what}: expected ${name}, got ${error}`);
  }
  throw new Error(`${what}: expected ${name}, nothing was thrown`);
}

for (const [text, encoded] of [
  ["", ""], ["f", "Zg=="], ["fo", "Zm8="], ["foo", "Zm9v"], ["foob", "Zm9vYg=="], ["fooba", "Zm9vYmE="], ["foobar", "Zm9vYmFy"],
  ["\x00\xff\xfb\xef\xbe", "AP/7774="],
]) {
  equal(btoa(text), encoded, `btoa ${text}`);
  equal(atob(encoded), text, `atob ${encoded}`);
  equal(atob(encoded.replaceAll("=", "")), text, `atob ${encoded} without padding`);
  equal(atob(` \t${[...encoded].join("\n\r\f")} `), text, `atob ${encoded} with spaces`);
}
let every = "";
for (let code = 0; code < 256; code++) every += String.fromCharCode(code);
equal(atob(btoa(every)), every, "every byte");
// Unused bits at the end are ignored.
equal(atob("Zh"), "f", "left-over bits");
for (const wrong of ["a", "=", "==", "====", "a=", "a==", "a===", "ab=", "abc==", "abcd=", "abcd==", "ab==cd", "ab-_", "a\u00a0bc", "\u0100abc", "abcde"]) {
  throws(() => atob(wrong), "InvalidCharacterError", `atob ${wrong}`);
}
throws(() => btoa("\u0100"), "InvalidCharacterError", "btoa beyond Latin-1");
throws(() => btoa(), "TypeError", "btoa of nothing");
throws(() => atob(), "TypeError", "atob of nothing");
equal(atob(null), "\x9e\xe9e", "null is text");
let reads = 0;
equal(btoa({ toString: () => (reads++, "a") }), "YQ==", "an object");
equal(reads, 1, "converted once");
for (const value of [atob, btoa]) equal(Object.isFrozen(value) && !("prototype" in value), true, `${value.name} shares nothing`);
