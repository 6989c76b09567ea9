// Builds a contract: node build.mjs FOLDER, from FOLDER/index.ts to FOLDER/contract.wasm. Without a folder, all contracts of this
// repository that are written in AssemblyScript. The same bytes wherever the folders stand.

import * as asc from "assemblyscript/asc";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

// Another path than one of its own would be taken for a runtime that collects garbage.
asc.libraryFiles["rt/stub"] = readFileSync(join(here, "assembly/runtime.ts"), "utf8");

// Below lies the input; a page more is what a small contract needs, and at most 16 are admitted.
const MEMORY = ["--memoryBase", "102400", "--initialMemory", "2", "--maximumMemory", "16"];
const OPTIONS = ["--optimize", "--runtime", "stub", "--use", "abort=", "--noColors", ...MEMORY];
// Only what engine 1 admits.
const FEATURES = ["--disable", "nontrapping-f2i"];

export async function build(source, target) {
  // Paths in a module are relative to where the compiler stands.
  const paths = [source, target].map((path) => relative(here, path));
  const { error, stderr } = await asc.main([paths[0], "--outFile", paths[1], "--baseDir", here, ...OPTIONS, ...FEATURES]);
  if (error) throw new Error(`${source} does not build: ${error.message}\n${stderr.toString()}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const contracts = join(here, "../../contracts");
  const all = () => readdirSync(contracts).map((name) => join(contracts, name, "assemblyscript"));
  const folders = process.argv.length > 2 ? process.argv.slice(2) : all();
  for (const folder of folders.filter((folder) => existsSync(join(folder, "index.ts")))) {
    await build(join(folder, "index.ts"), join(folder, "contract.wasm"));
    console.log(`${relative(process.cwd(), folder)}/contract.wasm`);
  }
}
