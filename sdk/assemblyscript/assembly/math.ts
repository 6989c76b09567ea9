// Exact arithmetic, as crates/program-sdk/src/math.rs has it. A number that leaves its range ends the event with a fault: `fault`
// keeps the first code, and the answer tells it.

import { FAULT_OVERFLOW } from "./wire";

let code: u16 = 0;

/** The event cannot be acted on: the first code counts. */
export function fault(why: u16): void {
  if (code == 0) code = why;
}

/** Why the event cannot be acted on; 0 if it can. */
export function faulted(): u16 {
  return code;
}

/** The sum. */
export function plus(one: u64, other: u64): u64 {
  const sum = one + other;
  if (sum < one) fault(FAULT_OVERFLOW);
  return sum;
}

/** The difference; a fault below zero. */
export function minus(one: u64, other: u64): u64 {
  if (other > one) fault(FAULT_OVERFLOW);
  return one - other;
}

/** The difference, at least nothing. */
export function less(one: u64, other: u64): u64 {
  return one > other ? one - other : 0;
}

export function min(one: u64, other: u64): u64 {
  return one < other ? one : other;
}

// Of the last division: whole and rest, and whether the whole was too large.
let whole: u64 = 0;
let rest: u64 = 0;

/** value * part / by, into `whole` and `rest`; false if there is none in 64 bits. */
function divide(value: u64, part: u64, by: u64): bool {
  if (by == 0) return false;
  // The product of 128 bits out of four of 64.
  const mask: u64 = 0xffff_ffff;
  const low = (value & mask) * (part & mask);
  const one = (value >> 32) * (part & mask) + (low >> 32);
  const other = (value & mask) * (part >> 32) + (one & mask);
  let high = (value >> 32) * (part >> 32) + (one >> 32) + (other >> 32);
  const bottom = (other << 32) | (low & mask);
  if (high == 0) {
    whole = bottom / by;
    rest = bottom % by;
    return true;
  }
  if (high >= by) return false;
  // Bit by bit: `high` is the rest so far, and is below `by`.
  let quotient: u64 = 0;
  for (let bit = 63; bit >= 0; bit--) {
    const carry = high >> 63;
    high = (high << 1) | ((bottom >> bit) & 1);
    quotient <<= 1;
    if (carry == 1 || high >= by) {
      high -= by;
      quotient |= 1;
    }
  }
  whole = quotient;
  rest = high;
  return true;
}

/** value * part / by, rounded down. */
export function shareFloor(value: u64, part: u64, by: u64): u64 {
  if (!divide(value, part, by)) {
    fault(FAULT_OVERFLOW);
    return 0;
  }
  return whole;
}

/** value * part / by, half to even. */
export function shareHalfEven(value: u64, part: u64, by: u64): u64 {
  if (!divide(value, part, by)) {
    fault(FAULT_OVERFLOW);
    return 0;
  }
  const left = by - rest;
  const up = rest > left || (rest == left && (whole & 1) == 1);
  return up ? plus(whole, 1) : whole;
}
