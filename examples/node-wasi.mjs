#!/usr/bin/env -S node --no-warnings
// Runs a module under node:wasi, as a WASI runtime with a command line would:
//
//     node-wasi.mjs [--env NAME[=VALUE]]... [--dir HOST[::GUEST]]... out.wasm [ARG...]
//
// Copy and change it as you like.
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const words = process.argv.slice(2);
const env = {};
const preopens = {};
while (words[0] === '--env' || words[0] === '--dir') {
  const [option, value = ''] = words.splice(0, 2);
  if (value === '') fail(`${option}: a value is missing`);
  const separator = option === '--env' ? '=' : '::';
  const at = value.indexOf(separator);
  const [left, right] =
    at < 0 ? [value] : [value.slice(0, at), value.slice(at + separator.length)];
  // As wasmtime reads both: a directory has its own name, a variable the value that it has here.
  if (option === '--dir') preopens[right ?? left] = left;
  else if (right !== undefined) env[left] = right;
  else if (left in process.env) env[left] = process.env[left];
}
if (words.length === 0) fail('which module?');

// Node 20 corrupts its heap, and crashes at the end of one run in three, when WebAssembly calls
// fd_write directly. Through a function of JavaScript it takes another way.
const indirect = (functions) =>
  Object.fromEntries(
    Object.entries(functions).map(([name, call]) => [name, (...values) => call(...values)]));

const wasi = new WASI({ version: 'preview1', args: words, env, preopens, returnOnExit: true });
const imports = { wasi_snapshot_preview1: indirect(wasi.wasiImport) };
const { instance } = await WebAssembly.instantiate(await readFile(words[0]), imports);
process.exitCode = wasi.start(instance);

function fail(message) {
  console.error(`node-wasi.mjs: ${message}`);
  process.exit(125);
}
