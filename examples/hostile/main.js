// Uses a package that looks useful, and prints the attacks that the package tries.
import { fs } from "cap:self";
import { log, table } from "useful-table";

export default async function main() {
  const text = await fs.readTextFile("data/people.csv");
  const [headings, ...rows] = text.trim().split("\n").map((line) => line.split(","));
  const written = await table(headings, rows);
  await fs.mkdir("out", { recursive: true });
  await fs.writeTextFile("out/table.txt", written);

  // A real attacker keeps no log. This one does, so that the program can print it.
  let succeeded = 0;
  for (const { when, attempt, error, result } of log) {
    if (error === undefined) succeeded += 1;
    const outcome = error === undefined ? `SUCCEEDED: ${result}` : `denied: ${error}`;
    console.log(`${when.padEnd(8)} ${attempt.padEnd(48)} ${outcome}`);
  }
  console.log(`\n${log.length} attempts, ${succeeded} succeeded`);

  // The log could be wrong. So the program checks that the attacked objects still work.
  const whole = [1, 2, 3].map((value) => value * 2).join() === "2,4,6"
    && JSON.parse('{"a":[1]}').a[0] === 1
    && {}.then === undefined && {}.polluted === undefined
    && (await Promise.resolve("x")) === "x";
  if (succeeded > 0 || !whole) throw new Error("the package got through");
  console.log(`out/table.txt: ${rows.length} rows; the program did its work`);
}
