// console (https://console.spec.whatwg.org). Each module gets its own object, so that every line can name its module.
// There is no time(), timeLog() or timeEnd(). They would be a clock, and a clock is a capability.
"use strict";
((globalThis) => {
  const { Array, Error, Map, Math, Number, Object, Reflect, String, parseFloat, parseInt } = globalThis;
  const web = (globalThis.__web ??= {});
  const { inspect, framesOf } = web;
  const { beginning } = globalThis.__secure;
  const { ops } = globalThis.Deno.core;

  const outputLimit = 100 * 1024; // UTF-16 units printed by one call
  const shallow = 4;
  const deep = 8;

  // Returns true if the text is short and consists of ASCII characters that are printed unchanged. This holds for most
  // lines, and saves the compilation of a regular expression.
  const isPlain = ((text) => {
    if (text.length > 80) return false;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code > 0x7e || (code < 0x20 && code !== 0x09 && code !== 0x0a)) return false;
    }
    return true;
  });
  // Escapes characters that could move the cursor, forge a line, reorder text, or be invisible. The whole runtime uses
  // one table of such characters.
  const visible = ((text) => isPlain(text) ? text : ops.op_sr_text_visible(text.toWellFormed()));

  // Functions that every printing program calls are in parentheses. So they are compiled when they are read, and
  // snapshots contain the compiled code.
  const plain = ((value, budget) => (typeof value === "string" ? value : inspect(value, { depth: shallow, budget })));

  function number(value, convert) {
    if (typeof value === "bigint") return `${value}n`;
    // The result for symbols and objects is NaN. Converting an object would call the guest's valueOf.
    return typeof value === "symbol" || Object(value) === value ? "NaN" : `${convert(value)}`;
  }

  // %j is shown like %O, because JSON.stringify would call the guest's toJSON and getters.
  const directives = new Map([
    ["s", (value, budget) => (Object(value) === value ? inspect(value, { depth: 0, budget }) : stringOf(value))],
    ["d", (value) => number(value, Number)],
    ["i", (value) => number(value, (primitive) => parseInt(primitive, 10))],
    ["f", (value) => (typeof value === "bigint" ? `${Number(value)}` : number(value, parseFloat))],
    ["j", (value, budget) => inspect(value, { depth: shallow, budget })],
    ["o", (value, budget) => inspect(value, { depth: deep, budget })],
    ["O", (value, budget) => inspect(value, { depth: shallow, budget })],
    ["c", () => ""], // a style, which a line of text cannot have
  ]);

  function stringOf(value) {
    if (typeof value === "bigint") return `${value}n`;
    return Object.is(value, -0) ? "-0" : String(value);
  }

  /** Formats the arguments of one call as text. */
  const format = ((values) => {
    let left = outputLimit;
    const rest = [...values];
    const parts = [];
    const add = ((text) => {
      parts.push(beginning(text, left + 1)); // one character more than allowed, so that the printer detects the cut
      left = Math.max(0, left - text.length);
    });
    if (typeof rest[0] === "string" && rest.length > 1) {
      const template = rest.shift();
      let from = 0;
      for (let at = template.indexOf("%"); at !== -1 && left > 0; at = template.indexOf("%", at)) {
        const letter = template.charAt(at + 1);
        const directive = directives.get(letter);
        if (letter === "%") {
          add(template.slice(from, at + 1));
          from = at + 2;
        } else if (directive !== undefined && rest.length > 0) {
          add(template.slice(from, at));
          add(directive(rest.shift(), left));
          from = at + 2;
        }
        at += 2;
      }
      add(template.slice(from));
    } else if (rest.length > 0) {
      add(plain(rest.shift(), left));
    }
    for (const value of rest) {
      if (left === 0) break;
      add(" ");
      add(plain(value, left));
    }
    return parts.join("");
  });

  /** Returns the rows and columns of console.table. It reads only data properties. */
  function tableOf(data, wanted) {
    const columns = new Map(); // name => index
    const rows = [];
    let hasValues = false;
    const short = (text) => text.length > 200 ? `${beginning(text, 200)}\u2026` : text;
    const cell = (value) => inspect(value, { depth: 0, budget: 200 }).replaceAll("\n", " ");
    for (const key of Reflect.ownKeys(data).slice(0, 1000)) {
      const descriptor = Reflect.getOwnPropertyDescriptor(data, key);
      if (typeof key !== "string" || !descriptor?.enumerable) continue;
      const row = { key, cells: new Map(), value: "" };
      const value = "value" in descriptor ? descriptor.value : undefined;
      if (Object(value) === value && typeof value !== "function") {
        for (const name of Reflect.ownKeys(value).slice(0, 100)) {
          const inner = Reflect.getOwnPropertyDescriptor(value, name);
          if (typeof name !== "string" || !inner?.enumerable || (wanted && !wanted.includes(name))) continue;
          columns.set(name, columns.size);
          row.cells.set(name, "value" in inner ? cell(inner.value) : "[Getter]");
        }
      } else {
        hasValues = true;
        row.value = "value" in descriptor ? cell(value) : "[Getter]";
      }
      rows.push(row);
    }
    const names = wanted ?? [...columns.keys()];
    const head = ["(index)", ...names.map(short), ...(hasValues ? ["Values"] : [])];
    const body = rows.map((row) => [
      short(row.key),
      ...names.map((name) => row.cells.get(name) ?? ""),
      ...(hasValues ? [row.value] : []),
    ]);
    return [head, ...body].map((row) => row.map(visible));
  }

  function drawTable(rows) {
    const widths = rows[0].map((_, column) => rows.reduce((widest, row) => Math.max(widest, row[column].length), 0));
    const rule = (left, middle, right) => left + widths.map((width) => "\u2500".repeat(width + 2)).join(middle) + right;
    const line = (row) => `\u2502${row.map((text, column) => ` ${text.padEnd(widths[column])} `).join("\u2502")}\u2502`;
    const [head, ...body] = rows.map(line);
    return [rule("\u250c", "\u252c", "\u2510"), head, rule("\u251c", "\u253c", "\u2524"), ...body, rule("\u2514", "\u2534", "\u2518")].join("\n");
  }

  // Creates a console. A `label` that is not null stands in brackets before every line, so that no module can forge a
  // line of another one. `print(text, isError)` gets whole lines that end in a newline.
  web.makeConsole = (label, print) => {
    const counts = new Map();
    const indents = [];
    const before = label === null ? "" : `[${visible(label).replaceAll(/[\n\t]/g, " ")}] `;

    const printLines = ((text, isError) => {
      const prefix = before + indents.join("");
      const lines = [];
      let size = 0;
      let isCut = text.length > outputLimit;
      for (const line of visible(beginning(text, outputLimit)).split("\n")) {
        const room = outputLimit - size - prefix.length - 1;
        if (room <= 0) {
          isCut = true;
          break;
        }
        isCut ||= line.length > room;
        lines.push(prefix + line.slice(0, room).toWellFormed());
        size += prefix.length + line.length + 1;
      }
      if (isCut) lines.push(`${prefix}... (cut: one call prints at most 100 KiB)`);
      print(`${lines.join("\n")}\n`, isError);
    });

    const say = ((values, isError) => printLines(format(values), isError));
    const labelOf = (name) => (name === undefined ? "default" : plain(name, 1000).slice(0, 1000));

    const console = {
      log: ((...values) => say(values, false)),
      info(...values) {
        say(values, false);
      },
      debug(...values) {
        say(values, false);
      },
      warn(...values) {
        say(values, true);
      },
      error(...values) {
        say(values, true);
      },
      assert(condition = false, ...values) {
        if (condition) return;
        const isTemplate = typeof values[0] === "string";
        const first = isTemplate ? [`Assertion failed: ${values[0]}`] : ["Assertion failed"];
        say([...first, ...(isTemplate ? values.slice(1) : values)], true);
      },
      dir(value = undefined, _options = undefined) {
        printLines(inspect(value, { depth: shallow, budget: outputLimit }), false);
      },
      dirxml(...values) {
        say(values, false);
      },
      table(data = undefined, columns = undefined) {
        if (Object(data) !== data || typeof data === "function") {
          say([data], false);
          return;
        }
        try {
          const wanted = Array.isArray(columns) ? [...columns].filter((name) => typeof name === "string") : undefined;
          printLines(drawTable(tableOf(data, wanted)), false);
        } catch {
          say([data], false); // a proxy's trap threw
        }
      },
      trace(...values) {
        const frames = framesOf(`${new Error().stack ?? ""}`);
        printLines([`Trace${values.length > 0 ? `: ${format(values)}` : ""}`, ...frames].join("\n"), true);
      },
      count(name = undefined) {
        const key = labelOf(name);
        counts.set(key, (counts.get(key) ?? 0) + 1);
        printLines(`${key}: ${counts.get(key)}`, false);
      },
      countReset(name = undefined) {
        const key = labelOf(name);
        if (!counts.delete(key)) printLines(`Count for '${key}' does not exist`, true);
      },
      group(...values) {
        if (values.length > 0) say(values, false);
        if (indents.length < 100) indents.push("  ");
      },
      groupCollapsed(...values) {
        console.group(...values);
      },
      groupEnd() {
        indents.pop();
      },
    };
    // The methods are frozen too. A module may pass its console to others, and it must still print under this label.
    for (const method of Object.values(console)) Object.freeze(method);
    return Object.freeze(console);
  };
})(globalThis);
