/*---
id = "A100"
title = "text in a string that looks like an import gives no access to another module's capabilities"
elsewhere = "about a defect in the bindings of QuickJS to deno_core"
boundary = "modules"
grants = []
control_grants = ["fs.read=./data/**"]
expect = "nothing"
audit = [
  "denied fs read ${base}/data/a.txt", "denied fs read ${base}/data/a.txt", "denied fs read ${base}/data/a.txt",
  "denied fs read ${base}/data/a.txt",
]
[a]
grants = ["fs.read=./data/**"]
---*/
import { fs } from "cap:self";
let got = fs;
const first = " import defer * as zz from '" + '"; /`/; import{fs as stolen}from"cap:self/0"; got = stolen; //"';
const second = " import source zz from '" + '"; /`/; import{fs as stolen}from"cap:self/0"; got = stolen; //"';
const third = ";import{fs as stolen}from'cap:self/1';import{secret}from'a/internal.js';";
let called = "";
const NeverOptimizeFunction = (value) => value;
const fourth = 17 %NeverOptimizeFunction(5);

const helpers = () => Promise.all([import("./helper.js"), import("./deferred.js"), import("./sourced.js")]);

export async function attack({ a, denied }) {
  let gained = await denied("of the package itself", () => got.readTextFile("data/a.txt"));
  for (const { get } of await helpers()) {
    const found = get();
    gained += found === a.fs ? "the victim's capability; " : await denied("of a helper", () => found.readTextFile("data/a.txt"));
  }
  if (first.length !== 91 || second.length !== 87 || !third.startsWith(";import{")) gained += "strings are others; ";
  return gained + (fourth === 2 && called === "" ? "" : "code is another; ");
}

export async function control({ a }) {
  const texts = [await got.readTextFile("data/a.txt"), await a.fs.readTextFile("data/a.txt")];
  for (const { get } of await helpers()) texts.push(await get().readTextFile("data/a.txt"));
  return texts.every((text) => text === "public\n");
}
//// suspect/helper.js
import { fs } from "cap:self";
let got = fs;
export const get = () => got;
export const text = "; import{fs as stolen}from'cap:self/0'; got = stolen; //", before = /"/;
//// suspect/deferred.js
import { fs } from "cap:self";
let got = fs;
export const get = () => got;
export const text = " import defer * as zz from '" + '"; /`/; import{fs as stolen}from"cap:self/1"; got = stolen; //"';
//// suspect/sourced.js
import { fs } from "cap:self";
let got = fs;
export const get = () => got;
export const text = " import source zz from '" + '"; /`/; import{fs as stolen}from"cap:self/1"; got = stolen; //"';
//// a/index.js
export { fs } from "cap:self";
//// a/internal.js
export const secret = "secret";
//// data/a.txt
public
