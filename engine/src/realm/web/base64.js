// atob and btoa (https://html.spec.whatwg.org/multipage/webappapis.html#atob), which convert Latin-1 text from and to
// base64. They hold no state and read nothing else.
"use strict";
((globalThis) => {
  const { Object, Reflect } = globalThis;
  const web = (globalThis.__web ??= {});
  const { needs } = web.idl;
  const { charCodeAt } = String.prototype;
  const { fromCharCode } = String;
  const codeAt = (text, index) => Reflect.apply(charCodeAt, text, [index]);

  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  // The value of each character of the alphabet, by its code. All other characters have none.
  const values = Object.create(null);
  for (let value = 0; value < 64; value++) values[codeAt(alphabet, value)] = value;
  const isSpace = (code) => code === 32 || code === 9 || code === 10 || code === 12 || code === 13;

  const refuse = (message) => {
    throw new web.DOMException(message, "InvalidCharacterError");
  };

  // Methods, because unlike other functions they have no `prototype`, which would be another object that all modules
  // share.
  const { atob, btoa } = {
    btoa(data) {
      needs(arguments.length, 1, "btoa");
      const text = `${data}`;
      let made = "";
      for (let at = 0; at < text.length; at += 3) {
        const left = text.length - at;
        let bits = 0;
        for (let index = 0; index < 3; index++) {
          const code = index < left ? codeAt(text, at + index) : 0;
          if (code > 255) refuse("btoa: the text has a character outside of Latin-1");
          bits = (bits << 8) | code;
        }
        made += alphabet[bits >> 18] + alphabet[(bits >> 12) & 63] +
          (left > 1 ? alphabet[(bits >> 6) & 63] : "=") + (left > 2 ? alphabet[bits & 63] : "=");
      }
      return made;
    },

    atob(data) {
      needs(arguments.length, 1, "atob");
      const text = `${data}`;
      const wrong = () => refuse("atob: the text is not base64");
      let made = "";
      let bits = 0;
      let count = 0;
      let padding = 0;
      for (let at = 0; at < text.length; at++) {
        const code = codeAt(text, at);
        if (isSpace(code)) continue;
        if (code === 61) {
          padding++;
          continue;
        }
        const value = values[code];
        if (value === undefined || padding > 0) wrong();
        bits = (bits << 6) | value;
        count++;
        if (count % 4 === 0) {
          made += fromCharCode((bits >> 16) & 255, (bits >> 8) & 255, bits & 255);
          bits = 0;
        }
      }
      const left = count % 4;
      // Padding may be missing, but it must not be too long or too short.
      if (left === 1 || (padding > 0 && (left + padding !== 4 || padding > 2))) wrong();
      if (left === 2) made += fromCharCode((bits >> 4) & 255);
      if (left === 3) made += fromCharCode((bits >> 10) & 255, (bits >> 2) & 255);
      return made;
    },
  };
  Object.assign(web, { atob, btoa });

  web.globals = { __proto__: null };
  for (const name of ["URL", "URLSearchParams", "atob", "btoa", "TextEncoder", "TextDecoder", "AbortController", "AbortSignal"]) {
    web.globals[name] = web[name];
  }
  // Objects that guests reach and no global leads to.
  web.named = {
    __proto__: null,
    "%EventTarget%": Object.getPrototypeOf(web.AbortSignal),
    "%Event%": web.Event,
    "%DOMException%": web.DOMException,
    "%URLSearchParamsIteratorPrototype%": web.ParamsIterator.prototype,
  };
})(globalThis);
