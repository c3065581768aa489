// Conformance of URL and URLSearchParams with https://url.spec.whatwg.org. The program runs without grants, and throws
// an error if something differs.

function equal(actual, expected, what) {
  if (!Object.is(actual, expected)) throw new Error(`${what}: expected ${expected}, got ${actual}`);
}

function throws(action, ErrorClass, what) {
  try {
    action();
  } catch (error) {
    if (error instanceof ErrorClass) return;
    throw new Error(`${what}: expected ${ErrorClass.name}, got ${error}`);
  }
  throw new Error(`${what}: expected ${ErrorClass.name}, nothing was thrown`);
}

// [input, base or null, serialised URL or null for "not valid"]
const parsed = [
  ["https://example.com", null, "https://example.com/"],
  ["HTTPS://EXAMPLE.com:443/A", null, "https://example.com/A"],
  ["http://example.com:80/", null, "http://example.com/"],
  ["http://example.com:8080", null, "http://example.com:8080/"],
  ["http://example.com:0", null, "http://example.com:0/"],
  ["http://example.com:65535", null, "http://example.com:65535/"],
  ["http://example.com:65536", null, null],
  ["http://example.com:", null, "http://example.com/"],
  ["http://example.com:00080", null, "http://example.com/"],
  ["  https://example.com/x \n", null, "https://example.com/x"],
  ["ht\ntps://exa\tmple.com", null, "https://example.com/"],
  ["https:example.com", null, "https://example.com/"],
  ["https:/example.com/", null, "https://example.com/"],
  ["https:////example.com/", null, "https://example.com/"],
  ["https:\\\\example.com\\a\\b", null, "https://example.com/a/b"],
  ["https://example.com/a/../b/./c", null, "https://example.com/b/c"],
  ["https://example.com/a/%2e%2e/b", null, "https://example.com/b"],
  ["https://example.com/a/.%2E/b", null, "https://example.com/b"],
  ["https://example.com/..", null, "https://example.com/"],
  ["https://example.com/a b", null, "https://example.com/a%20b"],
  ["https://example.com/é", null, "https://example.com/%C3%A9"],
  ["https://example.com/?q=é x", null, "https://example.com/?q=%C3%A9%20x"],
  ["https://example.com/?a='b'", null, "https://example.com/?a=%27b%27"],
  ["web:/?a='b'", null, "web:/?a='b'"],
  ["https://example.com/#é <>`", null, "https://example.com/#%C3%A9%20%3C%3E%60"],
  ["https://example.com/%zz", null, "https://example.com/%zz"],
  ["https://user:pass@example.com/", null, "https://user:pass@example.com/"],
  ["https://user@example.com/", null, "https://user@example.com/"],
  ["https://:@example.com/", null, "https://example.com/"],
  ["https://a@b@example.com/", null, "https://a%40b@example.com/"],
  ["https://api.example.com@evil.test/", null, "https://api.example.com@evil.test/"],
  ["https://faß.example/", null, "https://xn--fa-hia.example/"],
  ["https://日本.example/", null, "https://xn--wgv71a.example/"],
  ["https://EXAMPLE%2ecom/", null, "https://example.com/"],
  ["https://example.com./", null, "https://example.com./"],
  ["https://exa mple.com/", null, null],
  ["https://exam%20ple.com/", null, null],
  ["https://exa<mple.com/", null, null],
  ["https://ex%41mple.com/", null, "https://example.com/"],
  ["https://", null, null],
  ["https://?x", null, null],
  ["https://:80/", null, null],
  ["http://127.1/", null, "http://127.0.0.1/"],
  ["http://0x7f.1/", null, "http://127.0.0.1/"],
  ["http://2130706433/", null, "http://127.0.0.1/"],
  ["http://0177.0.0.1/", null, "http://127.0.0.1/"],
  ["http://0/", null, "http://0.0.0.0/"],
  ["http://256.0.0.1/", null, null],
  ["http://1.2.3.4.5/", null, null],
  ["http://1.2.3.08/", null, null],
  ["http://4294967296/", null, null],
  ["http://[::1]/", null, "http://[::1]/"],
  ["http://[::FFFF:127.0.0.1]/", null, "http://[::ffff:7f00:1]/"],
  ["http://[1:2:0:0:5:0:0:0]/", null, "http://[1:2:0:0:5::]/"],
  ["http://[::1", null, null],
  ["http://[:::1]/", null, null],
  ["http://[::1%25eth0]/", null, null],
  ["file:///etc/passwd", null, "file:///etc/passwd"],
  ["file:/etc/passwd", null, "file:///etc/passwd"],
  ["file://localhost/etc", null, "file:///etc"],
  ["file://host/share", null, "file://host/share"],
  ["data:text/plain,a b", null, "data:text/plain,a b"],
  ["javascript:alert(1)", null, "javascript:alert(1)"],
  ["mailto:a@b", null, "mailto:a@b"],
  ["blob:https://example.com/id", null, "blob:https://example.com/id"],
  ["web+x://Host/a/../b", null, "web+x://Host/b"],
  ["web+x:a/../b", null, "web+x:a/../b"],
  ["web+x:/..//p", null, "web+x:/.//p"],
  ["ws://example.com:80/", null, "ws://example.com/"],
  ["wss://example.com:443/", null, "wss://example.com/"],
  ["ftp://example.com:21/", null, "ftp://example.com/"],
  ["", null, null],
  ["/a", null, null],
  ["1http://example.com", null, null],
  ["x", "", null],
  ["", "https://example.com/a/b?q#f", "https://example.com/a/b?q"],
  ["#g", "https://example.com/a/b?q#f", "https://example.com/a/b?q#g"],
  ["?r", "https://example.com/a/b?q#f", "https://example.com/a/b?r"],
  ["c", "https://example.com/a/b?q#f", "https://example.com/a/c"],
  ["./c/", "https://example.com/a/b", "https://example.com/a/c/"],
  ["../c", "https://example.com/a/b", "https://example.com/c"],
  ["../../../c", "https://example.com/a/b", "https://example.com/c"],
  ["/c", "https://example.com/a/b", "https://example.com/c"],
  ["//other.test/c", "https://example.com/a/b", "https://other.test/c"],
  ["\\\\other.test\\c", "https://example.com/a/b", "https://other.test/c"],
  ["http:c", "http://example.com/a/b", "http://example.com/a/c"],
  ["https:c", "http://example.com/a/b", "https://c/"],
  ["x", "mailto:a@b", null],
  ["#x", "mailto:a@b", "mailto:a@b#x"],
  ["x", "not a base", null],
  ["..", "file:///C:/", "file:///C:/"],
  ["https://example.com/\ud800", null, "https://example.com/%EF%BF%BD"],
];

for (const [input, base, expected] of parsed) {
  const what = `new URL(${JSON.stringify(input)}${base === null ? "" : `, ${JSON.stringify(base)}`})`;
  const more = base === null ? [] : [base];
  equal(URL.canParse(input, ...more), expected !== null, `${what} can be parsed`);
  equal(URL.parse(input, ...more)?.href ?? null, expected, `URL.parse of ${what}`);
  if (expected === null) {
    throws(() => new URL(input, ...more), TypeError, what);
  } else {
    const url = new URL(input, ...more);
    equal(url.href, expected, what);
    equal(url.toString(), expected, `${what} as a string`);
    equal(JSON.stringify(url), JSON.stringify(expected), `${what} as JSON`);
    equal(new URL(expected).href, expected, `${what} parsed again`);
  }
}

// [URL, { component: value }]
const components = [
  ["https://user:p%40ss@sub.example.com:8443/a/b;c?q=1&r=2#frag", {
    origin: "https://sub.example.com:8443",
    protocol: "https:",
    username: "user",
    password: "p%40ss",
    host: "sub.example.com:8443",
    hostname: "sub.example.com",
    port: "8443",
    pathname: "/a/b;c",
    search: "?q=1&r=2",
    hash: "#frag",
  }],
  ["https://example.com:443/?#", { host: "example.com", port: "", pathname: "/", search: "", hash: "" }],
  ["http://[::1]:3000/x", { host: "[::1]:3000", hostname: "[::1]", port: "3000", origin: "http://[::1]:3000" }],
  ["file:///etc/passwd", { origin: "null", host: "", hostname: "", pathname: "/etc/passwd" }],
  ["data:text/plain,hello", { origin: "null", protocol: "data:", pathname: "text/plain,hello", host: "" }],
  ["blob:https://example.com:8080/id", { origin: "https://example.com:8080", pathname: "https://example.com:8080/id" }],
  ["web+x://host/p", { origin: "null", host: "host", pathname: "/p" }],
];
for (const [input, expected] of components) {
  const url = new URL(input);
  for (const [name, value] of Object.entries(expected)) equal(url[name], value, `${name} of ${input}`);
}

// [URL, component, value, resulting URL]
const changed = [
  ["https://example.com/", "href", "http://other.test/x", "http://other.test/x"],
  ["https://example.com:8080/", "protocol", "http", "http://example.com:8080/"],
  ["http://example.com:443/", "protocol", "https:", "https://example.com/"],
  ["https://example.com/", "protocol", "web+x", "https://example.com/"],
  ["https://example.com/", "protocol", "b@d", "https://example.com/"],
  ["https://example.com/", "username", "me@x", "https://me%40x@example.com/"],
  ["https://example.com/", "password", "s:e", "https://:s%3Ae@example.com/"],
  ["file:///x", "username", "me", "file:///x"],
  ["https://example.com/", "host", "other.test:99", "https://other.test:99/"],
  ["https://example.com/", "host", "", "https://example.com/"],
  ["https://example.com:99/", "host", "other.test", "https://other.test:99/"],
  ["https://example.com:99/", "hostname", "other.test", "https://other.test:99/"],
  ["https://example.com:99/", "hostname", "0x7f.1", "https://127.0.0.1:99/"],
  ["mailto:a@b", "host", "other.test", "mailto:a@b"],
  ["https://example.com/", "port", "8080", "https://example.com:8080/"],
  ["https://example.com:8080/", "port", "443", "https://example.com/"],
  ["https://example.com:8080/", "port", "", "https://example.com/"],
  ["https://example.com:8080/", "port", "70000", "https://example.com:8080/"],
  ["https://example.com:8080/", "port", "x", "https://example.com:8080/"],
  ["https://example.com:8080/", "port", "90x", "https://example.com:90/"],
  ["file:///x", "port", "80", "file:///x"],
  ["https://example.com/a", "pathname", "b c/../d", "https://example.com/d"],
  ["https://example.com/a", "pathname", "", "https://example.com/"],
  ["https://example.com/a", "pathname", "?#", "https://example.com/%3F%23"],
  ["mailto:a@b", "pathname", "x", "mailto:a@b"],
  ["https://example.com/", "search", "a=b c", "https://example.com/?a=b%20c"],
  ["https://example.com/?x", "search", "?y#z", "https://example.com/?y%23z"],
  ["https://example.com/?x", "search", "", "https://example.com/"],
  ["https://example.com/", "hash", "a b", "https://example.com/#a%20b"],
  ["https://example.com/#x", "hash", "#y#z", "https://example.com/#y#z"],
  ["https://example.com/#x", "hash", "", "https://example.com/"],
];
for (const [input, name, value, expected] of changed) {
  const url = new URL(input);
  url[name] = value;
  equal(url.href, expected, `${input} after ${name} = ${JSON.stringify(value)}`);
}
throws(() => { new URL("https://example.com").href = "no url"; }, TypeError, "href = no url");
throws(() => { "use strict"; new URL("https://example.com").origin = "x"; }, TypeError, "origin is read-only");

// Changes of searchParams change the URL, and the other way round.
{
  const url = new URL("https://example.com/?a=1&a=2#f");
  const params = url.searchParams;
  equal(url.searchParams, params, "searchParams is one object");
  params.append("b", "x y&é");
  equal(url.href, "https://example.com/?a=1&a=2&b=x+y%26%C3%A9#f", "append reaches the URL");
  params.delete("a", "1");
  equal(url.search, "?a=2&b=x+y%26%C3%A9", "delete by value reaches the URL");
  url.search = "?c=3";
  equal(params.get("c"), "3", "search reaches the parameters");
  equal(params.get("b"), null, "search replaces the parameters");
  url.href = "https://example.com/?d=4";
  equal(params.toString(), "d=4", "href reaches the parameters");
  params.delete("d");
  equal(url.href, "https://example.com/", "an empty query leaves no question mark");
  params.set("e", "5");
  equal(url.href, "https://example.com/?e=5", "set reaches the URL");
}

// [initial value, serialised]
const queries = [
  ["", ""],
  ["?", ""],
  ["?a=b", "a=b"],
  ["??a=b", "%3Fa=b"],
  ["a=b&a=c&&=&d", "a=b&a=c&=&d="],
  ["a=b=c", "a=b%3Dc"],
  ["a+b=c%20d", "a+b=c+d"],
  ["a=%zz%41", "a=%25zzA"],
  ["a=%ff", "a=%EF%BF%BD"],
  ["a=~*-._!'()", "a=%7E*-._%21%27%28%29"],
  ["a=\u{1f600}", "a=%F0%9F%98%80"],
  ["a=\ud800", "a=%EF%BF%BD"],
  [[["a", "1"], ["b", 2]], "a=1&b=2"],
  [new Map([["a", "1"], ["b", "2"]]), "a=1&b=2"],
  [{ b: 1, [Symbol("s")]: 2 }, null],
  [{ b: 1, a: null }, "b=1&a=null"],
  [new URLSearchParams("x=y"), "x=y"],
  [(function* () { yield ["a", "b"]; })(), "a=b"],
  [undefined, ""],
  [null, "null="],
  [5, "5="],
];
for (const [init, expected] of queries) {
  if (expected === null) throws(() => new URLSearchParams(init), TypeError, "a record with a symbol key");
  else equal(new URLSearchParams(init).toString(), expected, `URLSearchParams of ${String(init)}`);
}
for (const bad of [[["a"]], [["a", "b", "c"]], [1], ["ab", 1], { [Symbol.iterator]: 1 }]) {
  throws(() => new URLSearchParams(bad), TypeError, "URLSearchParams of a bad sequence");
}
throws(() => new URLSearchParams(Symbol("x")), TypeError, "URLSearchParams of a symbol");

{
  const params = new URLSearchParams("a=1&b=2&a=3");
  equal(params.size, 3, "size");
  equal(params.getAll("a").join(), "1,3", "getAll");
  equal(params.get("z"), null, "get of an absent name");
  equal(params.has("a", "3"), true, "has by value");
  equal(params.has("a", "4"), false, "has by another value");
  equal(params.has("a", undefined), true, "has with an undefined value");
  equal([...params].join(";"), "a,1;b,2;a,3", "iteration");
  equal([...params.keys()].join(), "a,b,a", "keys");
  equal([...params.values()].join(), "1,2,3", "values");
  equal(params[Symbol.iterator], params.entries, "the iterator is entries");
  const seen = [];
  const receiver = {};
  params.forEach(function (value, name, object) {
    seen.push(`${name}${value}${object === params}${this === receiver}`);
  }, receiver);
  equal(seen.join(), "a1truetrue,b2truetrue,a3truetrue", "forEach");
  params.set("a", "9");
  equal(params.toString(), "a=9&b=2", "set keeps the first place");
  params.append("c", "3");
  const live = [];
  for (const [name] of params) {
    live.push(name);
    if (name === "a") params.delete("a");
  }
  equal(live.join(), "a,c", "iteration sees changes");
  const iterator = params.entries();
  equal(Object.prototype.toString.call(iterator), "[object URLSearchParams Iterator]", "the iterator's tag");
  equal(iterator[Symbol.iterator](), iterator, "an iterator is iterable");
  throws(() => iterator.next.call({}), TypeError, "next of a forged iterator");
}
{
  const params = new URLSearchParams("z=1&\u{1f600}=2&\uffff=3&a=4&z=0&a=5");
  params.sort();
  equal([...params.values()].join(), "4,5,1,0,2,3", "sort is stable and by code units");
}

// Arguments are converted once, and state cannot be forged.
{
  let conversions = 0;
  const shifting = { toString: () => (conversions++ === 0 ? "https://good.test/" : "https://evil.test/") };
  equal(new URL(shifting).host, "good.test", "the first conversion counts");
  equal(conversions, 1, "an argument is converted once");
}
const hrefGetter = Object.getOwnPropertyDescriptor(URL.prototype, "href").get;
throws(() => hrefGetter.call({ href: "https://x.test" }), TypeError, "href of a forged URL");
throws(() => URLSearchParams.prototype.append.call({}, "a", "b"), TypeError, "append on a forged object");
throws(() => URL("https://example.com"), TypeError, "URL without new");
throws(() => new URL(), TypeError, "URL without arguments");
throws(() => new URLSearchParams().append("a"), TypeError, "append with one argument");
equal(Object.prototype.toString.call(new URL("https://example.com")), "[object URL]", "the tag of URL");
equal(URL.createObjectURL, undefined, "no blobs");
{
  const keys = [];
  for (const key in new URL("https://example.com")) keys.push(key);
  equal(keys.includes("href") && keys.includes("searchParams"), true, "members are enumerable");
}

// The bar of a Windows drive letter, with the scripts of Deno.
if (globalThis.Event !== undefined) {
  for (const [text, base, expected] of [
    ["file:///C|/x/..", undefined, "file:///C:/"],
    ["file:///C|", undefined, "file:///C:"],
    ["file:c|\\x", undefined, "file:///c:/x"],
    ["/C|/x", "file:///D:/a", "file:///C:/x"],
    ["/C|/x", "https://a.test/", "https://a.test/C|/x"],
    ["file:///a/C|/x", undefined, "file:///a/C|/x"],
    ["file:///C||/x", undefined, "file:///C||/x"],
  ]) {
    const { href } = new URL(text, base);
    if (href !== expected) throw new Error(`${text} with ${base}: ${href}`);
  }
}
