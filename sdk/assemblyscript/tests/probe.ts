// Says all that it was told as numbers in its head, and asks for everything that there is, as the program of
// crates/program-sdk/tests/vectors.rs does.

import * as sdk from "../assembly/index";

export const buffer: i32 = sdk.BUFFER;

function bytes(into: Array<u64>, bytes: StaticArray<u8>): void {
  into.push(bytes.length);
  for (let i = 0; i < bytes.length; i++) into.push(bytes[i]);
}

function bands(into: Array<u64>, bands: StaticArray<u64>): void {
  for (let i = 0; i < bands.length; i++) into.push(bands[i]);
}

function segment(into: Array<u64>, segment: sdk.Segment): void {
  into.push(segment.interval.from);
  into.push(segment.interval.to);
  bands(into, segment.bands);
  into.push(segment.peak);
  into.push(segment.peakMs);
}

function told(input: sdk.Input): Array<u64> {
  const all: Array<u64> = [];
  const event = input.event;
  all.push(event.kind);
  switch (event.kind) {
    case sdk.SEGMENT:
    case sdk.RETURNED:
      all.push(event.meter);
      segment(all, event.segment);
      break;
    case sdk.LEVEL:
      all.push(event.meter);
      bands(all, event.bands);
      break;
    case sdk.PREPAID:
      all.push(event.carrier);
      all.push(event.money);
      break;
    case sdk.CORRECTED:
      all.push(event.meter);
      segment(all, event.segment);
      bands(all, event.bands);
      break;
    case sdk.COMMAND:
      all.push(event.party);
      bytes(all, event.bytes);
      break;
    case sdk.AMENDED:
      bytes(all, event.bytes);
      all.push(event.from);
      break;
    case sdk.ENDING:
      all.push(event.isByParty ? 1 : 0);
      all.push(event.party);
      all.push(event.isWanted ? 1 : 0);
      break;
    case sdk.ENDING_WITHDRAWN:
      all.push(event.party);
      break;
  }
  const terms = input.terms;
  bytes(all, terms.agreement);
  all.push(terms.parties);
  all.push(terms.hardEnd);
  all.push(terms.grants.length);
  for (let i = 0; i < terms.grants.length; i++) {
    const grant = terms.grants[i];
    all.push(grant.party);
    all.push(grant.reserve);
    all.push(grant.allowance);
    all.push(grant.renews ? 1 : 0);
  }
  all.push(terms.meters.length);
  for (let i = 0; i < terms.meters.length; i++) {
    const meter = terms.meters[i];
    all.push(meter.carrier);
    all.push(meter.party);
    all.push(meter.window.from);
    all.push(meter.window.to);
    all.push(meter.hasVolume ? 1 : 0);
    all.push(meter.fills);
  }
  bytes(all, terms.parameters);
  bytes(all, input.head);
  all.push(input.slots.length);
  for (let i = 0; i < input.slots.length; i++) {
    all.push(input.slots[i].number);
    bytes(all, input.slots[i].bytes);
  }
  all.push(input.now);
  all.push(input.available.length);
  for (let i = 0; i < input.available.length; i++) all.push(input.available[i]);
  all.push(input.debt);
  all.push(input.pots.length);
  for (let i = 0; i < input.pots.length; i++) {
    all.push(input.pots[i].party);
    all.push(input.pots[i].purpose);
    all.push(input.pots[i].money);
  }
  all.push(input.sums.length);
  for (let i = 0; i < input.sums.length; i++) {
    all.push(input.sums[i].meter);
    bands(all, input.sums[i].bands);
    all.push(input.sums[i].until);
  }
  return all;
}

function everything(done: sdk.Done): void {
  const one = sdk.USER;
  const other = sdk.OWNER;
  const meter: u8 = 3;
  const period = new sdk.Window();
  period.from = 1;
  period.to = u64.MAX_VALUE;
  const line = new sdk.Line(513, period, 5, one, other, 7).about(sdk.GAS).at(6, sdk.PER_GJ);
  const bare = new sdk.Line(513, period, 5, one, other, 7);
  done.reserve(one, sdk.DEPOSIT, 1);
  done.release(other, sdk.GUARANTEE, 2);
  done.payFromPot(one, sdk.PREPAYMENT, other, 3);
  done.payFromAllowance(other, one, 4);
  done.forfeit(one, other, 5);
  done.owe(6);
  done.payDebt(7);
  done.schedule(8);
  done.bind(meter);
  done.endBinding(meter, 9);
  done.settle(meter, 10, 11);
  done.mark(meter, 12);
  done.noMark(meter);
  done.level(meter, 13);
  done.noLevel(meter);
  done.issue(sdk.CLOSING_PERIOD, period, [line, bare], true);
  done.issue(sdk.CLOSING_END, period, [], false);
  done.issue(sdk.CLOSING_SUPPLEMENT, period, [], false);
  done.finish(sdk.SETTLED);
  done.finish(sdk.DEFAULTED);
  done.finish(sdk.TERMINATED);
}

export function act(length: u32): u64 {
  const input = sdk.readInput(sdk.BUFFER, length);
  if (input === null) return sdk.answerFault(sdk.FAULT_UNREADABLE);
  if (input.event.kind == sdk.COMMAND && input.event.bytes.length == 0) sdk.fault(sdk.FAULT_COMMAND);
  const done = new sdk.Done();
  done.keep(sdk.bytesOf(told(input)));
  const bytes = new StaticArray<u8>(3);
  for (let i = 0; i < 3; i++) bytes[i] = <u8>(i + 1);
  done.slot(1, bytes);
  done.slot(2, null);
  done.slot(3, new StaticArray<u8>(0));
  everything(done);
  return done.answer();
}

/** For the test of shares: half to even, or rounded down. An instance is good for one that fails. */
export function share(value: u64, part: u64, by: u64, down: bool): u64 {
  return down ? sdk.shareFloor(value, part, by) : sdk.shareHalfEven(value, part, by);
}

export function why(): u32 {
  return sdk.faulted();
}
