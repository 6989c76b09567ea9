// V8's word on modules and inputs. It reads: length and bytes of a module, the number of inputs, length and bytes of each; numbers are
// u32, lowest byte first. For each input it writes what came of it (0 an answer, 1 a place that is none, 2 a trap, 3 a module that is not
// taken), and length and bytes of the answer or of its words.

import { readSync, writeSync } from "node:fs";

const MAX_ANSWER_BYTES = 128 * 1024;
// Segments that do not fit, in the words that it has for such an access.
const START = [
  [/data segment .* out of bounds/, "memory access out of bounds"],
  [/table .*out of bounds|element segment .* out of bounds/, "table index is out of bounds"],
];
const WHY = [undefined, "too deep", "no memory"];

// Null where nothing more comes.
function read(length) {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const more = readSync(0, bytes, done, length - done, null);
    if (more === 0) return null;
    done += more;
  }
  return bytes;
}

const number = () => read(4)?.readUInt32LE();

function write(what, bytes) {
  const head = Buffer.alloc(5);
  head[0] = what;
  head.writeUInt32LE(bytes.length, 1);
  const all = Buffer.concat([head, bytes]);
  for (let done = 0; done < all.length; ) done += writeSync(1, all, done);
}

const say = (what, text) => write(what, Buffer.from(text));

// No program has imports. What runs clause sheets is linked with libraries that have some, which it never calls.
function importsOf(module) {
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    (imports[from] ??= {})[name] = () => {
      throw new Error(`${name} was called`);
    };
  }
  return imports;
}

function run(module, input) {
  let instance;
  try {
    instance = new WebAssembly.Instance(module, importsOf(module));
  } catch (error) {
    return say(2, START.find(([words]) => words.test(error.message))?.[1] ?? error.message);
  }
  const { memory, buffer, act, why } = instance.exports;
  new Uint8Array(memory.buffer).set(input, buffer.value);
  let told;
  try {
    told = BigInt.asUintN(64, act(input.length));
  } catch (error) {
    return say(2, WHY[why.value] ?? error.message);
  }
  const [place, length] = [Number(told >> 32n), Number(told & 0xffff_ffffn)];
  if (length > MAX_ANSWER_BYTES || place + length > memory.buffer.byteLength) return write(1, Buffer.alloc(0));
  write(0, Buffer.from(memory.buffer, place, length));
}

for (let length = number(); length !== undefined; length = number()) {
  const code = read(length);
  const inputs = Array.from({ length: number() }, () => read(number()));
  let module;
  try {
    module = new WebAssembly.Module(code);
  } catch (error) {
    inputs.forEach(() => say(3, error.message));
    continue;
  }
  inputs.forEach((input) => run(module, input));
}
