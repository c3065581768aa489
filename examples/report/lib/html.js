// HTML as text. Strings are escaped, except for those that are marked as HTML by `raw`.

class Raw {
  constructor(html) {
    this.html = html;
  }
}

export function raw(html) {
  return new Raw(html);
}

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function escape(text) {
  return String(text).replace(/[&<>"']/g, (character) => ESCAPES[character]);
}

function html(content) {
  if (Array.isArray(content)) return content.map(html).join("");
  return content instanceof Raw ? content.html : escape(content);
}

export function element(name, attributes, ...content) {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escape(value)}"`);
  return raw(`<${name}${written.join("")}>${html(content)}</${name}>`);
}

export function table(headings, rows) {
  const head = element("tr", {}, headings.map((heading) => element("th", {}, heading)));
  const body = rows.map((cells) => element("tr", {}, cells.map((cell) => element("td", {}, cell))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, body));
}

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
  h1, h2 { line-height: 1.2 }
  svg { width: 100%; height: auto }
  table { border-collapse: collapse; width: 100% }
  th, td { padding: .25rem .5rem; border-bottom: 1px solid #ddd; text-align: right; font-variant-numeric: tabular-nums }
  th:first-child, td:first-child { text-align: left }
  article { margin-top: 2rem; border-top: 3px solid #2f6f9f }
  code { background: #f2f2f2; padding: 0 .2rem }
  blockquote { margin-left: 0; padding-left: 1rem; border-left: 3px solid #ddd; color: #555 }`;

export function page(title, body) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body.map(html).join("\n")}
</body>
</html>
`;
}
