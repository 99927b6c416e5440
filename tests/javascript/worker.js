/**
 * @file Runs pieces of JavaScript for the tests in Python, with the scripts of the playground loaded as a page loads
 * them. It reads one line of JSON for each piece, {code, args}, and answers with one, {value} or {error}.
 */
"use strict";
const fs = require("fs");
const path = require("path");
const readline = require("readline");
const vm = require("vm");

const folder = process.argv[2];
for (const name of process.argv.slice(3)) {
  const file = path.join(folder, name);
  vm.runInThisContext(fs.readFileSync(file, "utf8"), { filename: file });
}

/** Numbers that JSON has no word for. @param {string} key @param {any} value */
function plain(key, value) {
  if (ArrayBuffer.isView(value)) return Array.from(/** @type {any} */ (value));
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value;
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const { code, args } = JSON.parse(line);
  let answer;
  try {
    const names = Object.keys(args);
    answer = { value: new Function("readFile", ...names, code)(fs.readFileSync, ...names.map((name) => args[name])) };
  } catch (error) {
    answer = { error: `${error.constructor.name}: ${error.message}` };
  }
  process.stdout.write(`${JSON.stringify(answer, plain)}\n`);
});
