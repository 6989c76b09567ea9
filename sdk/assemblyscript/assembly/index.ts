// Writing contracts for Utilidor in AssemblyScript: a program is a function from what it is told to what it asks for. The same
// interface, by the same bytes, as crates/program-sdk; tests/vectors.txt, which that one writes, holds them together.
//
//   export const buffer: i32 = BUFFER;
//   export function act(length: u32): u64 {
//     const input = readInput(BUFFER, length);
//     return input === null ? answerFault(FAULT_UNREADABLE) : run(input).answer();
//   }
//
// Modules are built with build.mjs. Constants are the only globals with a value that has to be worked out: no start function is
// admitted. Each event has a fresh instance, so memory is only ever taken.

export * from "./wire";
export * from "./math";
export { Numbers, readInput } from "./read";
export { Done, Line, answerFault, bytesOf } from "./write";

/** Where the ledger writes the input: 96 KiB below what the module itself uses (--memoryBase). */
export const BUFFER: i32 = 1_024;
