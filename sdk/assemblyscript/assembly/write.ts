// Writes what comes out, as crates/program-sdk/src/write.rs does.

import { Window } from "./wire";
import { faulted } from "./math";

/** Bytes that are written in turn. */
class Bytes {
  private place: usize = heap.alloc(1_024);
  private room: usize = 1_024;
  length: usize = 0;

  private end(more: usize): usize {
    if (this.length + more > this.room) {
      while (this.length + more > this.room) this.room <<= 1;
      const place = heap.alloc(this.room);
      memory.copy(place, this.place, this.length);
      this.place = place;
    }
    const end = this.place + this.length;
    this.length += more;
    return end;
  }

  byte(byte: u8): void {
    store<u8>(this.end(1), byte);
  }

  flag(flag: bool): void {
    this.byte(flag ? 1 : 0);
  }

  short(short: u16): void {
    store<u16>(this.end(2), short);
  }

  size(size: u32): void {
    store<u32>(this.end(4), size);
  }

  number(number: u64): void {
    store<u64>(this.end(8), number);
  }

  bytes(bytes: StaticArray<u8>): void {
    this.size(<u32>bytes.length);
    memory.copy(this.end(<usize>bytes.length), changetype<usize>(bytes), <usize>bytes.length);
  }

  append(other: Bytes): void {
    memory.copy(this.end(other.length), other.place, other.length);
  }

  window(window: Window): void {
    this.number(window.from);
    this.number(window.to);
  }

  /** Place and length, as the ledger wants them. */
  told(): u64 {
    return ((<u64>this.place) << 32) | <u64>this.length;
  }
}

/** What a clause comes to. */
export class Line {
  hasCarrier: bool = false;
  carrier: u8 = 0;
  hasPrice: bool = false;
  price: u64 = 0;
  unit: u8 = 0;

  constructor(
    public clause: u16,
    public period: Window,
    public quantity: u64,
    public from: u8,
    public to: u8,
    public amount: u64,
  ) {}

  about(carrier: u8): Line {
    this.hasCarrier = true;
    this.carrier = carrier;
    return this;
  }

  at(price: u64, unit: u8): Line {
    this.hasPrice = true;
    this.price = price;
    this.unit = unit;
    return this;
  }
}

/** What is to be done. */
export class Done {
  private head: StaticArray<u8> | null = null;
  private slots: Bytes = new Bytes();
  private slotCount: u32 = 0;
  private effects: Bytes = new Bytes();
  private effectCount: u32 = 0;

  /** The new head of the state. */
  keep(head: StaticArray<u8>): void {
    this.head = head;
  }

  /** A slot has changed; null: it goes. By rising number. */
  slot(number: u8, bytes: StaticArray<u8> | null): void {
    this.slotCount += 1;
    this.slots.byte(number);
    this.slots.flag(bytes !== null);
    if (bytes !== null) this.slots.bytes(bytes);
  }

  private effect(kind: u8): Bytes {
    this.effectCount += 1;
    this.effects.byte(kind);
    return this.effects;
  }

  private pot(kind: u8, party: u8, purpose: u8, amount: u64): void {
    const write = this.effect(kind);
    write.byte(party);
    write.byte(purpose);
    write.number(amount);
  }

  /** A party's free money is reserved, up to what its grant says. */
  reserve(party: u8, purpose: u8, amount: u64): void {
    this.pot(0, party, purpose, amount);
  }

  /** It is free again. */
  release(party: u8, purpose: u8, amount: u64): void {
    this.pot(1, party, purpose, amount);
  }

  /** One party pays another out of what it has reserved. */
  payFromPot(from: u8, purpose: u8, to: u8, amount: u64): void {
    const write = this.effect(2);
    write.byte(from);
    write.byte(0);
    write.byte(purpose);
    write.byte(to);
    write.number(amount);
  }

  /** One party pays another out of its free balance, up to its allowance. */
  payFromAllowance(from: u8, to: u8, amount: u64): void {
    const write = this.effect(2);
    write.byte(from);
    write.byte(1);
    write.byte(to);
    write.number(amount);
  }

  /** A party's deposit goes to another one. */
  forfeit(by: u8, to: u8, amount: u64): void {
    const write = this.effect(3);
    write.byte(by);
    write.byte(to);
    write.number(amount);
  }

  /** The user owes the owner so much more. */
  owe(amount: u64): void {
    this.effect(4).number(amount);
  }

  /** So much of what the user owes is paid out of what it has paid ahead. */
  payDebt(amount: u64): void {
    this.effect(5).number(amount);
  }

  /** Act again at this time; a new one replaces it. */
  schedule(at: u64): void {
    this.effect(6).number(at);
  }

  /** A meter begins to serve. */
  bind(meter: u8): void {
    this.effect(7).byte(meter);
  }

  /** A meter without a volume serves until this time. */
  endBinding(meter: u8, at: u64): void {
    const write = this.effect(8);
    write.byte(meter);
    write.number(at);
  }

  /** A meter with a volume is done: what is kept, and what no reading has proven yet. */
  settle(meter: u8, keep: u64, absorb: u64): void {
    const write = this.effect(9);
    write.byte(meter);
    write.number(keep);
    write.number(absorb);
  }

  private perhaps(kind: u8, meter: u8, is: bool, number: u64): void {
    const write = this.effect(kind);
    write.byte(meter);
    write.flag(is);
    if (is) write.number(number);
  }

  /** Tell the program when the meter passes this time. */
  mark(meter: u8, at: u64): void {
    this.perhaps(10, meter, true, at);
  }

  noMark(meter: u8): void {
    this.perhaps(10, meter, false, 0);
  }

  /** Tell the program when the meter has brought so much since its last segment. */
  level(meter: u8, quantity: u64): void {
    this.perhaps(11, meter, true, quantity);
  }

  noLevel(meter: u8): void {
    this.perhaps(11, meter, false, 0);
  }

  /** Issue a statement. What its lines say is what the same answer moves, pair of parties by pair. */
  issue(closing: u8, period: Window, lines: Array<Line>, substituted: bool): void {
    const write = this.effect(12);
    write.byte(closing);
    write.window(period);
    write.size(<u32>lines.length);
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i];
      write.short(line.clause);
      write.window(line.period);
      write.flag(line.hasCarrier);
      if (line.hasCarrier) write.byte(line.carrier);
      write.number(line.quantity);
      write.flag(line.hasPrice);
      if (line.hasPrice) {
        write.number(line.price);
        write.byte(line.unit);
      }
      write.byte(line.from);
      write.byte(line.to);
      write.number(line.amount);
    }
    write.flag(substituted);
  }

  /** The agreement is over. Nothing is reserved any more. */
  finish(end: u8): void {
    this.effect(13).byte(end);
  }

  /** The answer's place and length; the fault, where there was one. */
  answer(): u64 {
    const why = faulted();
    if (why != 0) return answerFault(why);
    const write = new Bytes();
    write.byte(0);
    const head = this.head;
    write.flag(head !== null);
    if (head !== null) write.bytes(head);
    write.size(this.slotCount);
    write.append(this.slots);
    write.size(this.effectCount);
    write.append(this.effects);
    return write.told();
  }
}

/** The program cannot act. */
export function answerFault(why: u16): u64 {
  const write = new Bytes();
  write.byte(1);
  write.short(why);
  return write.told();
}

/** Integers as `Numbers` reads them, such as for the head of a state. */
export function bytesOf(numbers: Array<u64>): StaticArray<u8> {
  const bytes = new StaticArray<u8>(numbers.length << 3);
  for (let i = 0; i < numbers.length; i++) store<u64>(changetype<usize>(bytes) + (<usize>i << 3), numbers[i]);
  return bytes;
}
