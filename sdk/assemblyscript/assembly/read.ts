// Reads what goes in, as crates/program-sdk/src/read.rs does: bytes that are anything else, or more, are not read.

import { Event, Grant, Input, MeterTerms, Pot, Segment, Slot, Sum, Terms, Window, BANDS } from "./wire";
import * as wire from "./wire";

/** Bytes of the memory, to be read in turn. After the first that are not what is read, everything is nothing. */
class Bytes {
  failed: bool = false;

  constructor(public at: usize, public end: usize) {}

  has(length: usize): bool {
    if (!this.failed && this.end - this.at >= length) return true;
    this.failed = true;
    return false;
  }

  byte(): u8 {
    if (!this.has(1)) return 0;
    this.at += 1;
    return load<u8>(this.at - 1);
  }

  upTo(most: u8): u8 {
    const byte = this.byte();
    if (byte > most) this.failed = true;
    return byte;
  }

  flag(): bool {
    return this.upTo(1) == 1;
  }

  length(): u32 {
    if (!this.has(4)) return 0;
    this.at += 4;
    return load<u32>(this.at - 4);
  }

  number(): u64 {
    if (!this.has(8)) return 0;
    this.at += 8;
    return load<u64>(this.at - 8);
  }

  taken(length: usize): StaticArray<u8> {
    if (!this.has(length)) return new StaticArray<u8>(0);
    const bytes = new StaticArray<u8>(<i32>length);
    memory.copy(changetype<usize>(bytes), this.at, length);
    this.at += length;
    return bytes;
  }

  bytes(): StaticArray<u8> {
    return this.taken(<usize>this.length());
  }

  window(): Window {
    const window = new Window();
    window.from = this.number();
    window.to = this.number();
    return window;
  }

  bands(): StaticArray<u64> {
    const bands = new StaticArray<u64>(BANDS);
    for (let band = 0; band < BANDS; band++) bands[band] = this.number();
    return bands;
  }

  segment(): Segment {
    const segment = new Segment();
    segment.interval = this.window();
    segment.bands = this.bands();
    segment.peak = this.number();
    segment.peakMs = this.length();
    return segment;
  }

  event(): Event {
    const event = new Event();
    event.kind = this.upTo(wire.ENDING_WITHDRAWN);
    switch (event.kind) {
      case wire.SEGMENT:
      case wire.RETURNED:
        event.meter = this.byte();
        event.segment = this.segment();
        break;
      case wire.LEVEL:
        event.meter = this.byte();
        event.bands = this.bands();
        break;
      case wire.PREPAID:
        event.carrier = this.upTo(wire.WATER);
        event.money = this.number();
        break;
      case wire.CORRECTED:
        event.meter = this.byte();
        event.segment = this.segment();
        event.bands = this.bands();
        break;
      case wire.COMMAND:
        event.party = this.byte();
        event.bytes = this.bytes();
        break;
      case wire.AMENDED:
        event.bytes = this.bytes();
        event.from = this.number();
        break;
      case wire.ENDING:
        event.isByParty = this.flag();
        if (event.isByParty) event.party = this.byte();
        event.isWanted = this.flag();
        break;
      case wire.ENDING_WITHDRAWN:
        event.party = this.byte();
        break;
    }
    return event;
  }

  terms(): Terms {
    const terms = new Terms();
    terms.agreement = this.taken(16);
    terms.parties = this.byte();
    terms.hardEnd = this.number();
    for (let left = this.length(); left > 0 && !this.failed; left--) {
      const grant = new Grant();
      grant.party = this.byte();
      grant.reserve = this.number();
      grant.allowance = this.number();
      grant.renews = this.flag();
      terms.grants.push(grant);
    }
    for (let left = this.length(); left > 0 && !this.failed; left--) {
      const meter = new MeterTerms();
      meter.carrier = this.upTo(wire.WATER);
      meter.party = this.byte();
      meter.window = this.window();
      meter.hasVolume = this.flag();
      if (meter.hasVolume) meter.fills = this.number();
      terms.meters.push(meter);
    }
    terms.parameters = this.bytes();
    return terms;
  }

  input(): Input {
    const input = new Input();
    input.event = this.event();
    input.terms = this.terms();
    input.head = this.bytes();
    for (let left = this.length(); left > 0 && !this.failed; left--) {
      const slot = new Slot();
      slot.number = this.byte();
      slot.bytes = this.bytes();
      input.slots.push(slot);
    }
    input.now = this.number();
    for (let left = this.length(); left > 0 && !this.failed; left--) input.available.push(this.number());
    input.debt = this.number();
    for (let left = this.length(); left > 0 && !this.failed; left--) {
      const pot = new Pot();
      pot.party = this.byte();
      pot.purpose = this.upTo(wire.PREPAYMENT);
      pot.money = this.number();
      input.pots.push(pot);
    }
    for (let left = this.length(); left > 0 && !this.failed; left--) {
      const sum = new Sum();
      sum.meter = this.byte();
      sum.bands = this.bands();
      sum.until = this.number();
      input.sums.push(sum);
    }
    return input;
  }
}

/** What a program is given; null if the bytes are anything else, or more. */
export function readInput(at: usize, length: usize): Input | null {
  const bytes = new Bytes(at, at + length);
  const input = bytes.input();
  return bytes.failed || bytes.at != bytes.end ? null : input;
}

/** Integers of eight bytes: parameters, or the head of a state, to be read in turn. */
export class Numbers {
  private at: i32 = 0;
  /** Whether one was missing, or below nothing where none may be. */
  failed: bool = false;

  constructor(private bytes: StaticArray<u8>) {}

  integer(): i64 {
    if (this.bytes.length - this.at < 8) {
      this.failed = true;
      return 0;
    }
    this.at += 8;
    return load<i64>(changetype<usize>(this.bytes) + this.at - 8);
  }

  number(): u64 {
    const number = this.integer();
    if (number < 0) this.failed = true;
    return <u64>number;
  }

  /** Whether all of them were read, and were what they had to be. */
  isRead(): bool {
    return !this.failed && this.at == this.bytes.length;
  }
}
