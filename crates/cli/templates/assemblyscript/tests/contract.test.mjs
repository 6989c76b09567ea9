// What the contract promises. It is run as the ledger runs it: bytes in, bytes out, a fresh instance for each event.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const module = new WebAssembly.Module(readFileSync(new URL("../assembly/contract.wasm", import.meta.url)));
const [KWH, DAY_MS] = [3_600_000n, 86_400_000n];
const [SEGMENT, RETURNED, DUE, CORRECTED, COMMAND] = [1, 2, 4, 6, 7];

const u8 = (number) => Buffer.from([number]);
const u32 = (number) => (Buffer.from(new Uint32Array([number]).buffer));
const u64 = (number) => (Buffer.from(new BigUint64Array([BigInt(number)]).buffer));
const list = (items) => Buffer.concat([u32(items.length), ...items]);
const bytes = (buffer) => Buffer.concat([u32(buffer.length), buffer]);

/** 0.60 for a kWh, at least 10 kWh a day, two days from the beginning of time. */
function input(event, head) {
  const parameters = Buffer.concat([600_000n, 10n * KWH, 0n, DAY_MS, 2n].map(u64));
  // Electricity, the user's, for both days, without a volume.
  const meter = Buffer.concat([u8(0), u8(1), u64(0), u64(2n * DAY_MS), u8(0)]);
  const terms = [Buffer.alloc(16), u8(2), u64(100n * DAY_MS), list([]), list([meter]), bytes(parameters)];
  const state = [bytes(head), list([])];
  // The time, what each party's allowance could give, the debt, what is reserved, sums.
  const facts = [u64(DAY_MS), list([u64(0), u64(1_000_000_000)]), u64(0), list([]), list([])];
  return Buffer.concat([event, ...terms, ...state, ...facts]);
}

function answer(event, head = Buffer.alloc(0)) {
  const told = input(event, head);
  const { memory, buffer, act } = new WebAssembly.Instance(module).exports;
  new Uint8Array(memory.buffer).set(told, buffer.value);
  const place = BigInt.asUintN(64, act(told.length));
  const from = Number(place >> 32n);
  return Buffer.from(memory.buffer.slice(from, from + Number(place & 0xffff_ffffn)));
}

/** The head that an answer leaves, and what follows it: slots and effects. */
function done(answered) {
  assert.equal(answered[0], 0, "it is done");
  assert.equal(answered[1], 1, "the head is kept");
  const length = answered.readUInt32LE(2);
  return { head: answered.subarray(6, 6 + length), rest: answered.subarray(6 + length) };
}

const bands = (kwh) => Buffer.concat([BigInt(kwh) * KWH, 0n, 0n, 0n, 0n].map(u64));

/** An event of the meter about a day, counted from 0. */
function told(kind, kwh, day = 0n) {
  return Buffer.concat([u8(kind), u8(0), u64(day * DAY_MS), u64((day + 1n) * DAY_MS), bands(kwh), u64(0), u32(0)]);
}

const taken = (kwh) => told(SEGMENT, kwh);
const corrected = (more, less) => Buffer.concat([told(CORRECTED, more), bands(less)]);

/** The head after these events. */
const after = (...events) => events.reduce((head, event) => done(answer(event, head)).head, Buffer.alloc(0));

/** What is paid for a day on which so much is taken. */
const paid = (kwh) => paidAfter(taken(kwh));

/** What is paid at the settlement after these events. */
function paidAfter(...events) {
  const { rest } = done(answer(u8(DUE), after(...events)));
  // No slots, the number of effects, and the first: the user pays the owner out of its allowance.
  assert.deepEqual([...rest.subarray(8, 12)], [2, 1, 1, 0]);
  return rest.readBigUInt64LE(12);
}

test("what is taken is paid", () => assert.equal(paid(25), 15_000_000n));

test("a least quantity is paid whether it is taken or not", () => assert.equal(paid(4), 6_000_000n));

test("what the operator puts right before the settlement is on the bill", () => {
  assert.equal(paidAfter(taken(25), corrected(2, 5)), 13_200_000n, "22 kWh");
});

test("what is put right after the settlement counts in the next period, whatever came before it", () => {
  const [second, less] = [told(SEGMENT, 20, 1n), corrected(0, 5)];
  for (const next of [[second, less], [less, second]]) {
    assert.equal(paidAfter(taken(25), u8(DUE), ...next), 9_000_000n, "15 kWh");
  }
  const { rest } = done(answer(less, after(taken(25), u8(DUE))));
  assert.deepEqual([...rest], [0, 0, 0, 0, 0, 0, 0, 0], "no mark in the past");
});

test("what comes after the last settlement is settled by a supplement a day later", () => {
  const late = done(answer(told(SEGMENT, 25, 1n), after(u8(DUE), u8(DUE))));
  assert.deepEqual(late.rest, Buffer.concat([u32(0), u32(1), u8(6), u64(2n * DAY_MS)]), "it is called a day later");
  const supplement = done(answer(u8(DUE), late.head));
  // The user pays the owner for 25 kWh, less the least 10 that are paid already.
  assert.deepEqual([...supplement.rest.subarray(8, 12)], [2, 1, 1, 0]);
  assert.equal(supplement.rest.readBigUInt64LE(12), 9_000_000n);
  assert.deepEqual([...supplement.rest.subarray(20, 22)], [12, 2], "a supplement");
  const back = done(answer(u8(DUE), done(answer(corrected(0, 20), supplement.head)).head));
  // The owner gives back: 5 kWh are less than the least.
  assert.deepEqual([...back.rest.subarray(8, 12)], [2, 0, 1, 1]);
  assert.equal(back.rest.readBigUInt64LE(12), 9_000_000n);
});

test("what cannot be paid is owed and makes the end a default", () => {
  const end = (kwh) => done(answer(u8(DUE), after(u8(DUE), told(SEGMENT, kwh, 1n)))).rest;
  // The last effect finishes; the second one owes, if anything is owed.
  assert.deepEqual([...end(20).subarray(-2)], [13, 0]);
  assert.equal(end(20)[20], 12, "a statement at once");
  assert.deepEqual([...end(2_000).subarray(-2)], [13, 1], "1,200 of a thousand");
  assert.equal(end(2_000)[20], 4);
});

test("what a purchase gives back is on the bill and sets no mark in the past", () => {
  assert.equal(paidAfter(taken(20), told(RETURNED, 5)), 15_000_000n);
  assert.deepEqual([...done(answer(told(RETURNED, 5))).rest], [0, 0, 0, 0, 0, 0, 0, 0]);
});

test("other events are refused", () => {
  const command = Buffer.concat([u8(COMMAND), u8(1), bytes(Buffer.from([1]))]);
  assert.deepEqual([...answer(command)], [1, 3, 0], "an event that it does not take");
});
