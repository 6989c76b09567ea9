// A fixed price with a least quantity.

import * as sdk from "../sdk/assembly/index";

/** The first meter in the terms. */
const METER: u8 = 0;
/** A period is settled so long after its end, so that late readings are in it. */
const GRACE_MS: u64 = 6 * 3_600_000;
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

/** What the contract remembers: the period that is settled next, and what was taken in it and in the one that runs already. */
class Kept {
  period: u64 = 0;
  taken: StaticArray<u64> = new StaticArray<u64>(2);

  head(): StaticArray<u8> {
    return sdk.bytesOf([this.period, this.taken[0], this.taken[1]]);
  }
}

function keptOf(head: StaticArray<u8>): Kept {
  const kept = new Kept();
  if (head.length == 0) return kept;
  const read = new sdk.Numbers(head);
  kept.period = read.number();
  kept.taken[0] = read.number();
  kept.taken[1] = read.number();
  if (!read.isRead()) sdk.fault(sdk.FAULT_PARAMETERS);
  return kept;
}

/** What was taken, in the period that is settled next or in the one that runs already: each period begins with a mark. Gives which. */
function took(agreed: Agreed, kept: Kept, segment: sdk.Segment): i32 {
  const place = segment.interval.from >= agreed.beginOf(sdk.plus(kept.period, 1)) ? 1 : 0;
  for (let band = 0; band < sdk.BANDS; band++) kept.taken[place] = sdk.plus(kept.taken[place], segment.bands[band]);
  return place;
}

/** The meter has passed a mark: the next one. Past the last period it serves no more. */
function markAfter(agreed: Agreed, to: u64, done: sdk.Done): void {
  const next = to < agreed.begin ? agreed.begin : agreed.beginOf((to - agreed.begin) / agreed.periodMs + 1);
  if (next <= agreed.beginOf(agreed.periods)) done.mark(METER, next);
}

function lineOf(agreed: Agreed, clause: u16, quantity: u64, amount: u64, period: sdk.Window): sdk.Line {
  const line = new sdk.Line(clause, period, quantity, sdk.USER, sdk.OWNER, amount);
  return line.about(sdk.ELECTRICITY).at(agreed.price, sdk.PER_KWH);
}

function settle(agreed: Agreed, kept: Kept, input: sdk.Input, done: sdk.Done): void {
  const period = agreed.window(kept.period);
  const taken = kept.taken[0];
  let due = agreed.cost(taken);
  const lines: Array<sdk.Line> = [lineOf(agreed, CLAUSE_TAKEN, taken, due, period)];
  const missing = sdk.less(agreed.least, taken);
  if (missing > 0) {
    const cost = agreed.cost(missing);
    due = sdk.plus(due, cost);
    lines.push(lineOf(agreed, CLAUSE_LEAST, missing, cost, period));
  }
  const paid = sdk.min(due, input.allowance(sdk.USER));
  const owed = due - paid;
  const isLast = agreed.isLast(kept.period);

  done.payFromAllowance(sdk.USER, sdk.OWNER, paid);
  done.owe(owed);
  done.issue(isLast ? sdk.CLOSING_END : sdk.CLOSING_PERIOD, period, lines, false);
  kept.period = sdk.plus(kept.period, 1);
  kept.taken[0] = kept.taken[1];
  kept.taken[1] = 0;
  if (isLast) done.finish(owed > 0 ? sdk.DEFAULTED : sdk.SETTLED);
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
    took(agreed, kept, event.segment);
    markAfter(agreed, event.segment.interval.to, done);
  } else if (event.kind == sdk.RETURNED && isOfMeter) {
    // What a purchase gives back can be of a time that the meter has long passed.
    took(agreed, kept, event.segment);
  } else if (event.kind == sdk.CORRECTED && isOfMeter) {
    // So can what the meter's operator puts right. Of a period that is settled it counts in the next one.
    const place = took(agreed, kept, event.segment);
    for (let band = 0; band < sdk.BANDS; band++) kept.taken[place] = sdk.less(kept.taken[place], event.bands[band]);
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
