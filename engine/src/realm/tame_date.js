// Takes the time from `Date`. The real functions stay in this closure. A module's own `Date` uses its own capability:
// see lockdown.js. The shared global belongs to no module, so it always refuses.
"use strict";
((globalThis) => {
  const secure = globalThis.__secure;
  const { install, hidden, tamed, nobody } = secure;
  const { defineProperty } = Object;
  const { apply, construct } = Reflect;

  const RealDate = globalThis.Date;
  const DatePrototype = RealDate.prototype;
  const dateToString = DatePrototype.toString;
  const makeDate = (now) => {
    function Date(...args) {
      if (new.target === undefined) return apply(dateToString, new RealDate(now()), []);
      if (args.length === 0) return construct(RealDate, [now()], new.target);
      return construct(RealDate, args, new.target);
    }
    defineProperty(Date, "prototype", { value: DatePrototype, writable: false, enumerable: false, configurable: false });
    defineProperty(Date, "length", { value: 7, writable: false, enumerable: false, configurable: true });
    const statics = { now: () => now(), parse: (text) => RealDate.parse(text), UTC: (...parts) => RealDate.UTC(...parts) };
    for (const name of ["now", "parse", "UTC"]) defineProperty(Date, name, hidden(statics[name]));
    return Date;
  };
  tamed.makeDate = makeDate;

  const nowOfNobody = nobody("reading the time", "clock");
  secure.nowOfNobody = nowOfNobody;
  install("Date", makeDate(nowOfNobody));
  defineProperty(DatePrototype, "constructor", hidden(globalThis.Date));
})(globalThis);
