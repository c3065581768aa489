// Turns the CSV and Markdown files in data/ into out/report.html.
//
// Only this module reads and writes files. The packages receive and return text and numbers.
import { fs } from "cap:self";
import { rollups, sum } from "d3-array";
import { csvParseRows } from "d3-dsv";
import { format } from "d3-format";
import { marked } from "marked";

import { stackedArea } from "#lib/chart.js";
import { element, page, raw, table } from "#lib/html.js";

const COLORS = { wind: "#2f6f9f", solar: "#e0a526", hydro: "#3f9c8a", bought: "#9a8f97" };
const gigawattHours = format(",.1f");
const percent = format(".0%");

export default async function main(args) {
  const title = args[0] ?? "Where the town's electricity comes from";
  const months = await readTable("data/generation.csv");
  const plants = await readTable("data/plants.csv");
  const sources = Object.keys(COLORS);

  const body = [
    element("h1", {}, title),
    raw(stackedArea(months, { x: "month", keys: sources, colors: COLORS, unit: "GWh" })),
    element("h2", {}, "By year"),
    yearTable(months, sources),
    element("h2", {}, "Plants"),
    plantTable(plants),
  ];
  const notes = await readNotes("data/notes");
  for (const note of notes) body.push(element("article", {}, raw(marked.parse(note.text))));

  await fs.mkdir("out", { recursive: true });
  await fs.writeTextFile("out/report.html", page(title, body));
  console.log(`out/report.html: ${months.length} months, ${plants.length} plants, ${notes.length} notes`);
}

/** Returns the rows of a CSV file as objects, with the names of its first line. Numbers are converted. */
async function readTable(path) {
  const [names, ...rows] = csvParseRows(await fs.readTextFile(path));
  return rows.map((cells) => Object.fromEntries(names.map((name, column) => [name, value(cells[column])])));
}

function value(text) {
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** Returns the Markdown files of a folder, ordered by name. */
async function readNotes(folder) {
  const names = [];
  for await (const entry of fs.readDir(folder)) {
    if (entry.isFile && entry.name.endsWith(".md")) names.push(entry.name);
  }
  names.sort();
  const notes = [];
  for (const name of names) notes.push({ name, text: await fs.readTextFile(`${folder}/${name}`) });
  return notes;
}

function yearTable(months, sources) {
  const years = rollups(
    months,
    (rows) => sources.map((source) => sum(rows, (row) => row[source])),
    (row) => row.month.slice(0, 4),
  );
  const rows = years.map(([year, amounts]) => {
    const total = sum(amounts);
    const own = sum(amounts.slice(0, -1));
    return [year, ...amounts.map(gigawattHours), gigawattHours(total), percent(own / total)];
  });
  return table(["Year", ...sources.map((source) => `${source}, GWh`), "total, GWh", "own share"], rows);
}

function plantTable(plants) {
  const rows = plants.map((plant) => [plant.name, plant.kind, gigawattHours(plant.megawatts), String(plant.since)]);
  return table(["Plant", "Kind", "MW", "Since"], rows);
}
