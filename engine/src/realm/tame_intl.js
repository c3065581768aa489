// Takes the time from `Intl`, and counts the memory of its objects.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { ops, hidden, tamed, isQuickJs, nowOfNobody } = secure;
  const { create, defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { apply, construct, ownKeys } = Reflect;

  // QuickJS has no Intl. The object that its bindings define there supports no language, and uses a global that is not
  // permitted.
  if (isQuickJs) delete globalThis.Intl;

  // The memory of Intl objects is outside V8's heap, and V8 does not report its size. A formatter of dates takes tens
  // of KiB, and a text that is segmented takes two bytes for each character. So each such object has an estimated
  // weight, which is counted until it is collected.
  const weights = new WeakMap();
  const weigh = (bytes) => ({ bytes, token: ops.op_sr_weight(bytes) });
  const weighed = isQuickJs ? [] : [
    ["Collator", 8192, true], ["DateTimeFormat", 65536, true], ["DisplayNames", 8192], ["DurationFormat", 32768], ["ListFormat", 8192],
    ["Locale", 2048], ["NumberFormat", 8192, true], ["PluralRules", 16384], ["RelativeTimeFormat", 16384], ["Segmenter", 32768],
  ];
  for (const [name, bytes, isCallable] of weighed) {
    const Real = Intl[name];
    if (Real === undefined) continue;
    const { prototype } = Real;
    const Weighed = { [name]: function (...args) {
      if (new.target === undefined && !isCallable) throw new TypeError(`Constructor Intl.${name} requires 'new'`);
      const weight = weigh(bytes);
      const made = construct(Real, args, new.target ?? Weighed);
      weights.set(made, weight);
      return made;
    } }[name];
    defineProperty(Weighed, "length", getOwnPropertyDescriptor(Real, "length"));
    defineProperty(Weighed, "prototype", { value: prototype, writable: false, enumerable: false, configurable: false });
    if (Object.hasOwn(Real, "supportedLocalesOf")) {
      defineProperty(Weighed, "supportedLocalesOf", getOwnPropertyDescriptor(Real, "supportedLocalesOf"));
    }
    defineProperty(Intl, name, hidden(Weighed));
    defineProperty(prototype, "constructor", hidden(Weighed));
  }

  // A formatter that is called without a date reads the time. It uses the clock of the module whose `Intl` created it.
  // Without such a module, it refuses.
  const clockOfFormatter = new WeakMap();
  const RealDateTimeFormat = globalThis.Intl?.DateTimeFormat;
  if (RealDateTimeFormat !== undefined) {
    const prototype = RealDateTimeFormat.prototype;
    const realFormat = getOwnPropertyDescriptor(prototype, "format").get;
    const realParts = prototype.formatToParts;
    const dateOr = (formatter, date) => date === undefined ? (clockOfFormatter.get(formatter) ?? nowOfNobody)() : date;
    defineProperty(prototype, "format", {
      get() {
        const format = apply(realFormat, this, []);
        return (date) => format(dateOr(this, date));
      },
      enumerable: false,
      configurable: true,
    });
    defineProperty(prototype, "formatToParts", hidden({
      formatToParts(date) { return apply(realParts, this, [dateOr(this, date)]); },
    }.formatToParts));
  }
  const makeIntl = (now) => {
    if (RealDateTimeFormat === undefined) return undefined;
    const own = create(getPrototypeOf(Intl));
    for (const key of ownKeys(Intl)) {
      if (key !== "DateTimeFormat") defineProperty(own, key, getOwnPropertyDescriptor(Intl, key));
    }
    function DateTimeFormat(...args) {
      const formatter = construct(RealDateTimeFormat, args, new.target ?? DateTimeFormat);
      clockOfFormatter.set(formatter, now);
      return formatter;
    }
    defineProperty(DateTimeFormat, "prototype", { value: RealDateTimeFormat.prototype, writable: false });
    defineProperty(DateTimeFormat, "supportedLocalesOf", hidden((...args) => RealDateTimeFormat.supportedLocalesOf(...args)));
    defineProperty(own, "DateTimeFormat", hidden(DateTimeFormat));
    return own;
  };
  tamed.makeIntl = makeIntl;

  // Creating a segmenter takes V8 longer than all other steps here together. So the prototypes of segments are reviewed
  // and frozen when the first segments are created, before any guest gets them. (This is done completely or not at all,
  // because a guest may call with a nearly exhausted stack.)
  if (globalThis.Intl?.Segmenter) {
    const { prototype } = Intl.Segmenter;
    const realSegment = prototype.segment;
    let settleKinds = secure.withRoom((segments) => {
      const kind = getPrototypeOf(segments);
      const realIterator = kind[Symbol.iterator];
      // An iterator keeps another copy of the text.
      if (!isQuickJs) {
        defineProperty(kind, Symbol.iterator, hidden({
          [Symbol.iterator]() {
            const weight = weigh(weights.get(this)?.bytes ?? 0);
            const iterator = apply(realIterator, this, []);
            weights.set(iterator, weight);
            return iterator;
          },
        }[Symbol.iterator]));
      }
      secure.settle({
        "%SegmentsPrototype%": kind,
        "%SegmentIteratorPrototype%": getPrototypeOf(apply(realIterator, segments, [])),
      });
      settleKinds = undefined;
    });
    defineProperty(prototype, "segment", hidden({
      segment(text) {
        const string = `${text}`;
        const weight = isQuickJs ? undefined : weigh(32768 + 2 * string.length);
        const segments = apply(realSegment, this, [string]);
        settleKinds?.(segments);
        if (weight !== undefined) weights.set(segments, weight);
        return segments;
      },
    }.segment));
  }
})(globalThis);
