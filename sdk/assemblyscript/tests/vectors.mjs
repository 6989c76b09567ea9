// Holds this package against what the Rust SDK does: the same answers, byte for byte, and the same shares.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "../build.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const folder = mkdtempSync(join(here, "out-"));
try {
  const path = join(folder, "probe.wasm");
  await build(join(here, "probe.ts"), path);
  const module = new WebAssembly.Module(readFileSync(path));
  const imports = WebAssembly.Module.imports(module);
  assert.deepEqual(imports, [], "a module has no imports");
  const fresh = () => new WebAssembly.Instance(module).exports;

  const answer = (input) => {
    const { memory, buffer, act } = fresh();
    new Uint8Array(memory.buffer).set(input, buffer.value);
    const told = BigInt.asUintN(64, act(input.length));
    const [place, length] = [Number(told >> 32n), Number(told & 0xffff_ffffn)];
    return Buffer.from(memory.buffer.slice(place, place + length));
  };
  const share = (numbers, down) => {
    const { share, why } = fresh();
    const found = BigInt.asUintN(64, share(...numbers.map((number) => BigInt.asIntN(64, number)), down));
    return why() === 0 ? String(found) : "none";
  };

  let held = 0;
  for (const line of readFileSync(join(here, "vectors.txt"), "utf8").split("\n")) {
    const [kind, ...rest] = line.split(" ");
    if (kind === "answer") {
      const [input, expected] = rest;
      assert.equal(answer(Buffer.from(input, "hex")).toString("hex"), expected, `the input ${input}`);
    } else if (kind === "share") {
      const numbers = rest.slice(0, 3).map(BigInt);
      assert.deepEqual([share(numbers, 0), share(numbers, 1)], rest.slice(3), line);
    } else continue;
    held += 1;
  }
  assert(held > 1_000, `${held} vectors`);
  console.log(`${held} vectors held`);
} finally {
  rmSync(folder, { recursive: true });
}
