// `cap:self`, implemented with Node.js's API. Permissions belong to the process, so all packages get the same objects.
import * as files from "node:fs/promises";

export class CapabilityError extends Error {}

const flags = ({ read = false, write = false, append = false, createNew = false }) =>
  createNew ? "wx" : append ? "a" : read && write ? "r+" : write ? "w" : "r";

export const fs = {
  readTextFile: (path) => files.readFile(path, "utf8"),
  readFile: async (path) => new Uint8Array(await files.readFile(path)),
  writeTextFile: (path, text, options = {}) => files.writeFile(path, text, { flag: options.append ? "a" : "w" }),
  writeFile: (path, bytes) => files.writeFile(path, bytes),
  async *readDir(path) {
    for (const entry of await files.readdir(path, { withFileTypes: true })) yield { name: entry.name, isFile: entry.isFile() };
  },
  stat: (path) => files.stat(path),
  mkdir: (path, options) => files.mkdir(path, options),
  remove: (path, options) => files.rm(path, options),
  rename: (from, to) => files.rename(from, to),
  async open(path, options = { read: true }) {
    const file = await files.open(path, flags(options));
    return {
      read: async (buffer) => (await file.read(buffer)).bytesRead || null,
      write: async (bytes) => (await file.write(bytes)).bytesWritten,
      close: () => file.close(),
    };
  },
};
export const net = { fetch: (url, init) => fetch(url, init) };
export const env = { get: (name) => process.env[name] };
export const clock = { now: () => Date.now() };
export const random = { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) };
