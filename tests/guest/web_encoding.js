// Conformance of TextEncoder and TextDecoder with https://encoding.spec.whatwg.org. The program runs without grants,
// and throws an error if something differs. On QuickJS, UTF-8 is the only encoding (engine/src/realm/web.rs).
const isOurs = globalThis.Event === undefined;

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

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const bytes = (text) => new Uint8Array((text.match(/../g) ?? []).map((pair) => parseInt(pair, 16)));

// [text, UTF-8]
for (const [text, expected] of [
  ["", ""],
  ["a", "61"],
  ["é", "c3a9"],
  ["€", "e282ac"],
  ["\u{1f600}", "f09f9880"],
  ["\0", "00"],
  ["\ufeffx", "efbbbf78"],
  ["\ud800", "efbfbd"],
  ["\udc00a", "efbfbd61"],
  ["a\ud800\ud83d\ude00", "61efbfbdf09f9880"],
]) {
  equal(hex(new TextEncoder().encode(text)), expected, `encode ${JSON.stringify(text)}`);
}
equal(new TextEncoder().encoding, "utf-8", "the encoder's encoding");
equal(new TextEncoder().encode().length, 0, "encode without an argument");
equal(hex(new TextEncoder().encode(null)), "6e756c6c", "encode converts");

// [text, room, units read, bytes]
for (const [text, room, read, expected] of [
  ["abc", 5, 3, "6162630000"],
  ["abc", 2, 2, "6162"],
  ["é€", 4, 1, "c3a90000"],
  ["\u{1f600}a", 4, 2, "f09f9880"],
  ["\u{1f600}", 3, 0, "000000"],
  ["\ud800", 3, 1, "efbfbd"],
  ["a", 0, 0, ""],
]) {
  const destination = new Uint8Array(room);
  const result = new TextEncoder().encodeInto(text, destination);
  equal(result.read, read, `units read of ${JSON.stringify(text)} into ${room}`);
  equal(hex(destination), expected, `bytes of ${JSON.stringify(text)} into ${room}`);
  equal(hex(destination).slice(result.written * 2).replaceAll("0", ""), "", "nothing after what was written");
}
{
  const buffer = new ArrayBuffer(6);
  new TextEncoder().encodeInto("xyz", new Uint8Array(buffer, 2, 2));
  equal(hex(new Uint8Array(buffer)), "000078790000", "encodeInto stays within the view");
}
throws(() => new TextEncoder().encodeInto("a", new Uint16Array(2)), TypeError, "encodeInto another array");
throws(() => TextEncoder.prototype.encode.call({}), TypeError, "encode on a forged object");

// [UTF-8, text or null if it is not valid]. Replacements follow the standard's maximal subparts.
for (const [input, expected, isValid] of [
  ["", "", true],
  ["61", "a", true],
  ["c3a9e282ac", "é€", true],
  ["f09f9880", "\u{1f600}", true],
  ["efbbbf61", "a", true],
  ["61efbbbf", "a\ufeff", true],
  ["efbbbfefbbbf", "\ufeff", true],
  ["ff", "\ufffd", false],
  ["c0af", "\ufffd\ufffd", false],
  ["e28261", "\ufffda", false],
  ["f09f98", "\ufffd", false],
  ["eda080", "\ufffd\ufffd\ufffd", false],
  ["f4908080", "\ufffd\ufffd\ufffd\ufffd", false],
  ["f8888080", "\ufffd\ufffd\ufffd\ufffd", false],
  ["61c3", "a\ufffd", false],
  ["80", "\ufffd", false],
]) {
  equal(new TextDecoder().decode(bytes(input)), expected, `decode ${input}`);
  const fatal = new TextDecoder("utf-8", { fatal: true });
  if (isValid) equal(fatal.decode(bytes(input)), expected, `decode ${input}, fatal`);
  else throws(() => fatal.decode(bytes(input)), TypeError, `decode ${input}, fatal`);
}
equal(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes("efbbbf61")), "\ufeffa", "ignoreBOM keeps it");

// A text with multi-byte characters gives the same result wherever it is cut.
{
  const whole = "aé€\u{1f600}z\ufeff";
  const encoded = new TextEncoder().encode(`\ufeff${whole}`);
  for (let first = 0; first <= encoded.length; first += 1) {
    for (let second = first; second <= encoded.length; second += 1) {
      const decoder = new TextDecoder("utf-8", { fatal: true });
      const text = decoder.decode(encoded.subarray(0, first), { stream: true }) +
        decoder.decode(encoded.subarray(first, second), { stream: true }) +
        decoder.decode(encoded.subarray(second));
      equal(text, whole, `cut at ${first} and ${second}`);
    }
  }
  const decoder = new TextDecoder();
  equal(decoder.decode(bytes("e282"), { stream: true }), "", "a cut character waits");
  equal(decoder.decode(), "\ufffd", "a cut character at the end is replaced");
  equal(decoder.decode(bytes("61")), "a", "a decoder starts anew");
  const chunk = bytes("e282");
  decoder.decode(chunk, { stream: true });
  chunk.fill(0);
  equal(decoder.decode(bytes("ac")), "€", "the chunk was copied");
  const fatal = new TextDecoder("utf-8", { fatal: true });
  fatal.decode(bytes("e282"), { stream: true });
  throws(() => fatal.decode(), TypeError, "a cut character at the end, fatal");
}

const backing = bytes("00616263").buffer;
equal(new TextDecoder().decode(backing), "\0abc", "an ArrayBuffer");
equal(new TextDecoder().decode(new DataView(backing, 1, 2)), "ab", "a DataView");
equal(new TextDecoder().decode(new Uint16Array(backing, 2)), "bc", "another typed array");
equal(new TextDecoder().decode(undefined), "", "no input");
for (const bad of [null, 1, "abc", {}, [97]]) throws(() => new TextDecoder().decode(bad), TypeError, "decode of no bytes");
{
  const lying = bytes("6162");
  Object.defineProperty(lying, "byteLength", { value: 1 });
  Object.defineProperty(lying, "buffer", { get() { throw new Error("a guest's getter was called"); } });
  equal(new TextDecoder().decode(lying), "ab", "own properties of an array do not count");
}

for (const label of ["utf-8", "UTF8", " unicode-1-1-utf-8\n", undefined]) {
  equal(new TextDecoder(label).encoding, "utf-8", `the label ${label}`);
}
for (const label of ["", "utf-8\u00a0", "nonsense", ...(isOurs ? ["latin1", "utf-16"] : ["replacement"])]) {
  throws(() => new TextDecoder(label), RangeError, `the label ${label}`);
}
equal(new TextDecoder("utf-8", { fatal: 1 }).fatal, true, "fatal");
// The standard reads inherited options, and our scripts do not.
equal(new TextDecoder("utf-8", Object.create({ fatal: true })).fatal, !isOurs, "inherited options");
throws(() => new TextDecoder("utf-8", 1), TypeError, "options that are no object");
throws(() => TextDecoder.prototype.decode.call({}), TypeError, "decode on a forged object");

// Long inputs are decoded in pieces.
for (const unit of ["a", "é", "€", "\u{1f600}", "ab€"]) {
  const long = unit.repeat(700_000);
  const encoded = new TextEncoder().encode(`\ufeffx${long}`);
  for (const fatal of [false, true]) {
    equal(new TextDecoder("utf-8", { fatal }).decode(encoded), `x${long}`, `a long text of ${unit}`);
    equal(new TextDecoder("utf-8", { fatal, ignoreBOM: true }).decode(encoded), `\ufeffx${long}`, `with its mark`);
  }
}
equal(new TextDecoder().decode(new Uint8Array(2_000_000).fill(0x80)), "\ufffd".repeat(2_000_000), "a long invalid text");

if (!isOurs) {
  for (const [label, input, expected] of [
    ["latin1", "e980", "é€"],
    ["utf-16", "61003dd800de", "a\u{1f600}"],
    ["utf-16be", "0061d83dde00", "a\u{1f600}"],
    ["shift_jis", "93fa967b", "日本"],
    ["gb18030", "c4e3", "你"],
    ["euc-kr", "b0a1", "가"],
    ["koi8-r", "c1", "а"],
  ]) {
    equal(new TextDecoder(label).decode(bytes(input)), expected, label);
    const decoder = new TextDecoder(label);
    let text = "";
    for (const byte of bytes(input)) text += decoder.decode(new Uint8Array([byte]), { stream: true });
    equal(text + decoder.decode(), expected, `${label}, byte by byte`);
  }
  const long = new TextDecoder("shift_jis").decode(bytes(`61${"93fa".repeat(800_000)}`));
  equal(long, `a${"日".repeat(800_000)}`, "a long text of two-byte characters");
}
