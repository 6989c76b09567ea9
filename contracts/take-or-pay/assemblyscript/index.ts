// Take or pay, with make-up: the contract of the folder above once more, in AssemblyScript. The rules are told there. Its tests
// let both play the same, and each answer of this one is the other's.

import * as sdk from "../../../sdk/assemblyscript/assembly/index";

const METER: u8 = 0;
/** Most deficiencies that are banked at a time. */
const MAX_BANKED: i32 = 16;
/** A command that confirms days of force majeure of the present period begins so; their number follows. */
const FORCE_MAJEURE: u8 = 1;

const CLAUSE_TAKEN: u16 = 0;
const CLAUSE_DEFICIENCY: u16 = 1;
const CLAUSE_MADE_UP: u16 = 2;
const CLAUSE_BEYOND_GRANT: u16 = 3;

export const buffer: i32 = sdk.BUFFER;

/** What the parties have agreed. */
class Agreed {
  carrier: u8 = 0;
  price: u64 = 0;
  minimum: u64 = 0;
  begin: u64 = 0;
  periodMs: u64 = 0;
  periods: u64 = 0;
  makeUpPeriods: u64 = 0;
  graceMs: u64 = 0;
  guarantee: u64 = 0;

  get days(): u64 {
    return this.periodMs / sdk.DAY_MS;
  }

  get isByEnergy(): bool {
    return this.carrier <= sdk.COOLING;
  }

  beginOf(period: u64): u64 {
    return sdk.plus(this.begin, sdk.shareFloor(period, this.periodMs, 1));
  }

  window(period: u64): sdk.Window {
    const window = new sdk.Window();
    window.from = this.beginOf(period);
    window.to = this.beginOf(period + 1);
    return window;
  }

  settles(period: u64): u64 {
    return sdk.plus(this.window(period).to, this.graceMs);
  }

  isLast(period: u64): bool {
    return period + 1 >= this.periods;
  }

  /** What a quantity costs, half to even. */
  cost(quantity: u64): u64 {
    return sdk.shareHalfEven(this.price, quantity, this.isByEnergy ? 3_600_000 : 1_000_000);
  }
}

function agreedOf(input: sdk.Input): Agreed {
  const agreed = new Agreed();
  const read = new sdk.Numbers(input.terms.parameters);
  agreed.price = read.number();
  agreed.minimum = read.number();
  agreed.begin = read.number();
  agreed.periodMs = read.number();
  agreed.periods = read.number();
  agreed.makeUpPeriods = read.number();
  agreed.graceMs = read.number();
  agreed.guarantee = read.number();
  const isWhole = agreed.periodMs > 0 && agreed.periodMs % sdk.DAY_MS == 0 && agreed.periods > 0;
  // A meter that fills brings no segments, and only two periods are open at a time.
  const isMetered = input.terms.meters.length > 0 && !input.terms.meters[0].hasVolume && input.terms.parties == 2;
  const isOpen = agreed.periods == 1 || agreed.graceMs <= agreed.periodMs;
  if (!isMetered || !isOpen || !read.isRead() || !isWhole) sdk.fault(sdk.FAULT_PARAMETERS);
  else agreed.carrier = input.terms.meters[0].carrier;
  return agreed;
}

/** A deficiency that is paid and not taken yet. */
class Banked {
  constructor(
    public period: u64,
    public left: u64,
  ) {}
}

/** What the contract remembers. */
class Kept {
  /** The period that is settled next. */
  period: u64 = 0;
  /** Taken in it, and in the one that runs already. */
  taken: StaticArray<u64> = new StaticArray<u64>(2);
  /** Days of force majeure in it, as each side has said. */
  days: StaticArray<u64> = new StaticArray<u64>(2);
  banked: Array<Banked> = [];

  /** Days that both sides have confirmed. */
  get forceMajeure(): u64 {
    return sdk.min(this.days[0], this.days[1]);
  }

  head(): StaticArray<u8> {
    const numbers: Array<u64> = [this.period, this.taken[0], this.taken[1], this.days[0], this.days[1]];
    numbers.push(this.banked.length);
    for (let i = 0; i < this.banked.length; i++) {
      numbers.push(this.banked[i].period);
      numbers.push(this.banked[i].left);
    }
    return sdk.bytesOf(numbers);
  }
}

function keptOf(head: StaticArray<u8>): Kept {
  const kept = new Kept();
  if (head.length == 0) return kept;
  const read = new sdk.Numbers(head);
  kept.period = read.number();
  kept.taken[0] = read.number();
  kept.taken[1] = read.number();
  kept.days[0] = read.number();
  kept.days[1] = read.number();
  for (let left = read.number(); left > 0 && !read.failed; left--) {
    const period = read.number();
    kept.banked.push(new Banked(period, read.number()));
  }
  if (!read.isRead()) sdk.fault(sdk.FAULT_PARAMETERS);
  return kept;
}

function total(bands: StaticArray<u64>): u64 {
  let sum: u64 = 0;
  for (let band = 0; band < sdk.BANDS; band++) sum = sdk.plus(sum, bands[band]);
  return sum;
}

/** In which of the two open periods a segment lies. */
function placeOf(agreed: Agreed, kept: Kept, segment: sdk.Segment): i32 {
  return segment.interval.from >= agreed.window(kept.period).to ? 1 : 0;
}

/** Counts what was taken, and gives the next begin of a period or the end of the last; 0 past that: the meter serves no more. */
function took(agreed: Agreed, kept: Kept, segment: sdk.Segment): u64 {
  const place = placeOf(agreed, kept, segment);
  kept.taken[place] = sdk.plus(kept.taken[place], total(segment.bands));
  const to = segment.interval.to;
  const next = to < agreed.begin ? agreed.begin : agreed.beginOf((to - agreed.begin) / agreed.periodMs + 1);
  return next <= agreed.beginOf(agreed.periods) ? next : 0;
}

/** A side confirms how many days of the present period were days of force majeure. */
function confirm(agreed: Agreed, kept: Kept, event: sdk.Event): void {
  const bytes = event.bytes;
  if (bytes.length != 3 || bytes[0] != FORCE_MAJEURE || event.party > sdk.USER) {
    sdk.fault(sdk.FAULT_COMMAND);
    return;
  }
  const days = (<u64>bytes[1]) | ((<u64>bytes[2]) << 8);
  if (days > agreed.days) sdk.fault(sdk.FAULT_COMMAND);
  kept.days[event.party] = days;
}

/** Takes from what is banked, oldest first, and forgets what is used up. */
function makeUp(kept: Kept, most: u64): u64 {
  let wanted = most;
  const rest: Array<Banked> = [];
  for (let i = 0; i < kept.banked.length; i++) {
    const one = kept.banked[i];
    const part = sdk.min(one.left, wanted);
    one.left -= part;
    wanted -= part;
    if (one.left > 0) rest.push(one);
  }
  kept.banked = rest;
  return most - wanted;
}

/** What is too old to be made up. */
function forget(kept: Kept, makeUpPeriods: u64): void {
  const rest: Array<Banked> = [];
  for (let i = 0; i < kept.banked.length; i++) {
    const one = kept.banked[i];
    if (kept.period <= one.period || kept.period - one.period <= makeUpPeriods) rest.push(one);
  }
  kept.banked = rest;
}

function lineOf(agreed: Agreed, clause: u16, period: sdk.Window, quantity: u64, amount: u64): sdk.Line {
  const unit = agreed.isByEnergy ? sdk.PER_KWH : sdk.PER_M3;
  return new sdk.Line(clause, period, quantity, sdk.USER, sdk.OWNER, amount).about(agreed.carrier).at(agreed.price, unit);
}

function settle(agreed: Agreed, kept: Kept, input: sdk.Input, done: sdk.Done): void {
  const period = kept.period;
  const window = agreed.window(period);
  const taken = kept.taken[0];
  const minimum = sdk.shareFloor(agreed.minimum, sdk.minus(agreed.days, kept.forceMajeure), agreed.days);
  forget(kept, agreed.makeUpPeriods);
  const madeUp = makeUp(kept, sdk.less(taken, minimum));
  const deficiency = sdk.less(minimum, taken);
  if (deficiency > 0) {
    if (kept.banked.length == MAX_BANKED) kept.banked.shift();
    kept.banked.push(new Banked(period, deficiency));
  }

  const charged = sdk.less(taken, madeUp);
  let due = agreed.cost(charged);
  const lines: Array<sdk.Line> = [lineOf(agreed, CLAUSE_TAKEN, window, charged, due)];
  if (deficiency > 0) {
    const cost = agreed.cost(deficiency);
    due = sdk.plus(due, cost);
    lines.push(lineOf(agreed, CLAUSE_DEFICIENCY, window, deficiency, cost));
  }
  if (madeUp > 0) lines.push(lineOf(agreed, CLAUSE_MADE_UP, window, madeUp, 0));
  const isLast = agreed.isLast(period);
  const left = pay(input, due, isLast, done);
  const beyond = sdk.less(left, input.canOwe());
  if (beyond > 0) {
    const line = new sdk.Line(CLAUSE_BEYOND_GRANT, window, 0, sdk.OWNER, sdk.USER, beyond);
    lines.push(line.about(agreed.carrier));
  }
  done.issue(isLast ? sdk.CLOSING_END : sdk.CLOSING_PERIOD, window, lines, false);

  kept.period = period + 1;
  kept.taken[0] = kept.taken[1];
  kept.taken[1] = 0;
  kept.days[0] = 0;
  kept.days[1] = 0;
  if (isLast) done.finish(left > 0 ? sdk.DEFAULTED : sdk.SETTLED);
  else done.schedule(agreed.settles(kept.period));
}

/** Pays out of the allowance; at the end also out of the guarantee, the rest of which is released. What is left is owed as far as the user's grant
 * goes. Gives what is left. */
function pay(input: sdk.Input, due: u64, isLast: bool, done: sdk.Done): u64 {
  const guarantee = input.pot(sdk.USER, sdk.GUARANTEE);
  const fromAllowance = sdk.min(due, input.allowance(sdk.USER));
  const fromGuarantee: u64 = isLast ? sdk.min(due - fromAllowance, guarantee) : 0;
  const left = due - fromAllowance - fromGuarantee;
  done.payFromAllowance(sdk.USER, sdk.OWNER, fromAllowance);
  done.payFromPot(sdk.USER, sdk.GUARANTEE, sdk.OWNER, fromGuarantee);
  done.owe(sdk.min(left, input.canOwe()));
  if (isLast) done.release(sdk.USER, sdk.GUARANTEE, guarantee - fromGuarantee);
  return left;
}

/** Ends early, without another statement: everybody has its own again, meters included. */
function endEarly(input: sdk.Input, done: sdk.Done): void {
  for (let meter = 0; meter < input.terms.meters.length; meter++) done.endBinding(<u8>meter, input.now);
  for (let i = 0; i < input.pots.length; i++) {
    const pot = input.pots[i];
    done.release(pot.party, pot.purpose, pot.money);
  }
  done.finish(sdk.TERMINATED);
}

function run(agreed: Agreed, kept: Kept, input: sdk.Input, done: sdk.Done): void {
  const event = input.event;
  const isOfMeter = event.meter == METER;
  if (event.kind == sdk.SIGNED) {
    done.reserve(sdk.USER, sdk.GUARANTEE, agreed.guarantee);
    done.bind(METER);
    done.mark(METER, agreed.beginOf(1));
    done.schedule(agreed.settles(0));
  } else if (event.kind == sdk.SEGMENT && isOfMeter) {
    const next = took(agreed, kept, event.segment);
    if (next > 0) done.mark(METER, next);
  } else if (event.kind == sdk.RETURNED && isOfMeter) {
    took(agreed, kept, event.segment);
  } else if (event.kind == sdk.CORRECTED && isOfMeter) {
    took(agreed, kept, event.segment);
    const place = placeOf(agreed, kept, event.segment);
    kept.taken[place] = sdk.less(kept.taken[place], total(event.bands));
  } else if (event.kind == sdk.COMMAND) {
    confirm(agreed, kept, event);
  } else if (event.kind == sdk.DUE) {
    settle(agreed, kept, input, done);
  } else if (event.kind == sdk.ENDING) {
    if (event.isWanted) endEarly(input, done);
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
