// A fixed price with a least quantity.

import * as sdk from "../sdk/assembly/index";

/** The first meter in the terms. */
const METER: u8 = 0;
/** A period is settled so long after its end, so that late readings are in it. */
const GRACE_MS: u64 = 6 * 3_600_000;
const DAY_MS: u64 = 24 * 3_600_000;
const JOULES_PER_KWH: u64 = 3_600_000;

const CLAUSE_TAKEN: u16 = 0;
const CLAUSE_LEAST: u16 = 1;

export const buffer: i32 = sdk.BUFFER;

/** What the parties have agreed, in the order of the manifest. */
class Agreed {
  price: u64 = 0;
  least: u64 = 0;
  begin: u64 = 0;
  periodMs: u64 = 0;
  periods: u64 = 0;

  beginOf(period: u64): u64 {
    return sdk.plus(this.begin, sdk.shareFloor(period, this.periodMs, 1));
  }

  window(period: u64): sdk.Window {
    const window = new sdk.Window();
    window.from = this.beginOf(period);
    window.to = this.beginOf(sdk.plus(period, 1));
    return window;
  }

  settles(period: u64): u64 {
    return sdk.plus(this.window(period).to, GRACE_MS);
  }

  isLast(period: u64): bool {
    return period + 1 >= this.periods;
  }

  /** What a quantity costs, half to even. */
  cost(quantity: u64): u64 {
    return sdk.shareHalfEven(this.price, quantity, JOULES_PER_KWH);
  }
}

function agreedOf(input: sdk.Input): Agreed {
  const agreed = new Agreed();
  const read = new sdk.Numbers(input.terms.parameters);
  agreed.price = read.number();
  agreed.least = read.number();
  agreed.begin = read.number();
  agreed.periodMs = read.number();
  agreed.periods = read.number();
  // A meter that fills brings no segments, and only two periods are open at a time.
  const meters = input.terms.meters;
  const isMetered = meters.length > 0 && meters[0].carrier == sdk.ELECTRICITY && !meters[0].hasVolume;
  if (!read.isRead() || !isMetered || agreed.periodMs < GRACE_MS || agreed.periods == 0) sdk.fault(sdk.FAULT_PARAMETERS);
  return agreed;
}

/**
 * What the contract remembers: the period that is settled next, and what was taken in it and in the one that runs already; once all are
 * settled, what the last one was settled with, and what has come since. What was put right can be less than nothing.
 */
class Kept {
  period: u64 = 0;
  taken: StaticArray<i64> = new StaticArray<i64>(2);

  head(): StaticArray<u8> {
    return sdk.bytesOf([this.period, <u64>this.taken[0], <u64>this.taken[1]]);
  }

  /** Whether all periods are settled. */
  isOver(agreed: Agreed): bool {
    return this.period > 0 && agreed.isLast(this.period - 1);
  }
}

function keptOf(head: StaticArray<u8>): Kept {
  const kept = new Kept();
  if (head.length == 0) return kept;
  const read = new sdk.Numbers(head);
  kept.period = read.number();
  kept.taken[0] = read.integer();
  kept.taken[1] = read.integer();
  if (!read.isRead()) sdk.fault(sdk.FAULT_PARAMETERS);
  return kept;
}

/** A quantity that may be less than nothing. */
function signed(quantity: u64): i64 {
  if (quantity > <u64>i64.MAX_VALUE) sdk.fault(sdk.FAULT_OVERFLOW);
  return <i64>quantity;
}

/** The sum of two such. */
function sum(one: i64, other: i64): i64 {
  const sum = one + other;
  if ((one < 0) == (other < 0) && (sum < 0) != (one < 0)) sdk.fault(sdk.FAULT_OVERFLOW);
  return sum;
}

function size(quantity: i64): u64 {
  return quantity < 0 ? <u64>0 - <u64>quantity : <u64>quantity;
}

/**
 * What was taken, or was not after all, counts in the period that is settled next or in the one that runs already: each period begins
 * with a mark. So what is of a settled period counts in the next one; what comes after the last, a day later in a supplement.
 */
function took(agreed: Agreed, kept: Kept, input: sdk.Input, change: i64, done: sdk.Done): void {
  const isOver = kept.isOver(agreed);
  const place = isOver || input.event.segment.interval.from >= agreed.beginOf(sdk.plus(kept.period, 1)) ? 1 : 0;
  kept.taken[place] = sum(kept.taken[place], change);
  if (isOver) done.schedule(sdk.plus(input.now, DAY_MS));
}

function total(bands: StaticArray<u64>): i64 {
  let total: u64 = 0;
  for (let band = 0; band < sdk.BANDS; band++) total = sdk.plus(total, bands[band]);
  return signed(total);
}

/** The meter has passed a mark: the next one. Past the last period it serves no more. */
function markAfter(agreed: Agreed, to: u64, done: sdk.Done): void {
  const next = to < agreed.begin ? agreed.begin : agreed.beginOf((to - agreed.begin) / agreed.periodMs + 1);
  if (next <= agreed.beginOf(agreed.periods)) done.mark(METER, next);
}

/** What is missing from the least quantity. */
function missing(agreed: Agreed, taken: i64): i64 {
  return signed(sdk.less(agreed.least, taken < 0 ? 0 : <u64>taken));
}

/** Adds a line for a quantity, of which the owner gives back what is less than nothing; gives what the user has to pay. */
function charge(agreed: Agreed, lines: Array<sdk.Line>, clause: u16, quantity: i64, period: sdk.Window): i64 {
  const amount = agreed.cost(size(quantity));
  const from = quantity < 0 ? sdk.OWNER : sdk.USER;
  const line = new sdk.Line(clause, period, size(quantity), from, quantity < 0 ? sdk.USER : sdk.OWNER, amount);
  lines.push(line.about(sdk.ELECTRICITY).at(agreed.price, sdk.PER_KWH));
  return quantity < 0 ? -signed(amount) : signed(amount);
}

/** Settles the period, or after the last one what has come since: what the user is to pay for it anew, less what its statement was for. */
function settle(agreed: Agreed, kept: Kept, input: sdk.Input, done: sdk.Done): void {
  const isOver = kept.isOver(agreed);
  const number = isOver ? kept.period - 1 : kept.period;
  const period = agreed.window(number);
  const isLast = agreed.isLast(number);
  let closing = isLast ? sdk.CLOSING_END : sdk.CLOSING_PERIOD;
  let taken = kept.taken[0];
  let least = missing(agreed, taken);
  if (isOver) {
    const since = kept.taken[1];
    // It was taken back since.
    if (since == 0) return;
    closing = sdk.CLOSING_SUPPLEMENT;
    kept.taken[0] = sum(taken, since);
    least = missing(agreed, kept.taken[0]) - least;
    taken = since;
  } else {
    kept.period = sdk.plus(number, 1);
    // What is less than nothing waits for the next period.
    if (!isLast) {
      kept.taken[0] = taken < 0 ? sum(kept.taken[1], taken) : kept.taken[1];
      if (taken < 0) taken = 0;
    }
  }
  kept.taken[1] = 0;

  const lines = new Array<sdk.Line>();
  let due = charge(agreed, lines, CLAUSE_TAKEN, taken, period);
  if (least != 0) due = sum(due, charge(agreed, lines, CLAUSE_LEAST, least, period));
  // What the user cannot pay it owes. The owner gives back all of it: while it cannot, this fails and is tried again.
  let owed: u64 = 0;
  if (due < 0) {
    done.payFromAllowance(sdk.OWNER, sdk.USER, size(due));
  } else {
    const paid = sdk.min(size(due), input.allowance(sdk.USER));
    owed = size(due) - paid;
    done.payFromAllowance(sdk.USER, sdk.OWNER, paid);
    if (owed > 0) done.owe(owed);
  }
  done.issue(closing, period, lines, false);
  if (isLast) done.finish(owed > 0 || input.debt > 0 ? sdk.DEFAULTED : sdk.SETTLED);
  else done.schedule(agreed.settles(kept.period));
}

function run(agreed: Agreed, kept: Kept, input: sdk.Input, done: sdk.Done): void {
  const event = input.event;
  const isOfMeter = event.meter == METER;
  if (event.kind == sdk.SIGNED) {
    done.bind(METER);
    done.mark(METER, agreed.beginOf(1));
    done.schedule(agreed.settles(0));
  } else if (event.kind == sdk.SEGMENT && isOfMeter) {
    took(agreed, kept, input, total(event.segment.bands), done);
    markAfter(agreed, event.segment.interval.to, done);
  } else if (event.kind == sdk.RETURNED && isOfMeter) {
    // What a purchase gives back can be of a time that the meter has long passed.
    took(agreed, kept, input, total(event.segment.bands), done);
  } else if (event.kind == sdk.CORRECTED && isOfMeter) {
    // So can what the meter's operator puts right.
    took(agreed, kept, input, total(event.segment.bands) - total(event.bands), done);
  } else if (event.kind == sdk.DUE) {
    settle(agreed, kept, input, done);
  } else if (event.kind == sdk.ENDING) {
    if (event.isWanted) {
      done.endBinding(METER, input.now);
      done.finish(sdk.TERMINATED);
    }
  } else if (event.kind != sdk.ENDING_WITHDRAWN) {
    sdk.fault(sdk.FAULT_UNEXPECTED);
  }
}

export function act(length: u32): u64 {
  const input = sdk.readInput(sdk.BUFFER, length);
  if (input === null) return sdk.answerFault(sdk.FAULT_UNREADABLE);
  const agreed = agreedOf(input);
  const kept = keptOf(input.head);
  const done = new sdk.Done();
  // What is not agreed well is not acted on: a division by nothing would follow.
  if (sdk.faulted() == 0) run(agreed, kept, input, done);
  done.keep(kept.head());
  return done.answer();
}
