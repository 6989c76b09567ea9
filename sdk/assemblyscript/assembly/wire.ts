// What goes in and comes out of a program, as crates/program-sdk/src/wire.rs has it. Money is in millionths, quantities in joules
// or millilitres, times in milliseconds since 1970 in UTC. A list of five quantities is by band.

import { less, min } from "./math";

export const OWNER: u8 = 0;
export const USER: u8 = 1;
export const BANDS: i32 = 5;
export const MAX_OWED_PERIODS: u64 = 12;
export const MAX_OWED: u64 = 100_000_000_000_000;
export const DAY_MS: u64 = 86_400_000;

// Carriers.
export const ELECTRICITY: u8 = 0;
export const HEATING: u8 = 1;
export const COOLING: u8 = 2;
export const HOT_WATER: u8 = 3;
export const GAS: u8 = 4;
export const WATER: u8 = 5;

// What a price is for.
export const PER_KWH: u8 = 0;
export const PER_GJ: u8 = 1;
export const PER_M3: u8 = 2;

// What reserved money is for.
export const DEPOSIT: u8 = 0;
export const GUARANTEE: u8 = 1;
export const PREPAYMENT: u8 = 2;

// Kinds of events.
export const SIGNED: u8 = 0;
export const SEGMENT: u8 = 1;
export const RETURNED: u8 = 2;
export const LEVEL: u8 = 3;
export const DUE: u8 = 4;
export const PREPAID: u8 = 5;
export const CORRECTED: u8 = 6;
export const COMMAND: u8 = 7;
export const AMENDED: u8 = 8;
export const ENDING: u8 = 9;
export const ENDING_WITHDRAWN: u8 = 10;

// What a statement closes, and how an agreement ends.
export const CLOSING_PERIOD: u8 = 0;
export const CLOSING_END: u8 = 1;
export const CLOSING_SUPPLEMENT: u8 = 2;
export const SETTLED: u8 = 0;
export const DEFAULTED: u8 = 1;
export const TERMINATED: u8 = 2;

// Why a program cannot act; its own numbers are others below 0x7000.
export const FAULT_OVERFLOW: u16 = 1;
export const FAULT_STATE: u16 = 2;
export const FAULT_UNEXPECTED: u16 = 3;
export const FAULT_PARAMETERS: u16 = 4;
export const FAULT_UNREADABLE: u16 = 5;
export const FAULT_COMMAND: u16 = 6;

/** From a time until another one, which is not in it. */
export class Window {
  from: u64 = 0;
  to: u64 = 0;
}

/** What a meter brought between two marks. */
export class Segment {
  interval: Window = new Window();
  bands: StaticArray<u64> = new StaticArray<u64>(BANDS);
  peak: u64 = 0;
  peakMs: u32 = 0;
}

/** What has happened. Which fields count, its kind says. */
export class Event {
  kind: u8 = 0;
  meter: u8 = 0;
  /** SEGMENT, RETURNED; of CORRECTED what came on top. */
  segment: Segment = new Segment();
  /** LEVEL; of CORRECTED what was taken off. */
  bands: StaticArray<u64> = new StaticArray<u64>(BANDS);
  carrier: u8 = 0;
  money: u64 = 0;
  /** COMMAND, ENDING_WITHDRAWN, and ENDING if it is by a party. */
  party: u8 = 0;
  isByParty: bool = false;
  /** ENDING: whether another party wanted it before. */
  isWanted: bool = false;
  /** COMMAND, and of AMENDED the parameters before. */
  bytes: StaticArray<u8> = new StaticArray<u8>(0);
  /** AMENDED: from when on the new terms count. */
  from: u64 = 0;
}

export class Grant {
  party: u8 = 0;
  reserve: u64 = 0;
  allowance: u64 = 0;
  renews: bool = false;
}

export class MeterTerms {
  carrier: u8 = 0;
  party: u8 = 0;
  window: Window = new Window();
  hasVolume: bool = false;
  fills: u64 = 0;
}

export class Terms {
  agreement: StaticArray<u8> = new StaticArray<u8>(16);
  parties: u8 = 0;
  hardEnd: u64 = 0;
  grants: Array<Grant> = [];
  meters: Array<MeterTerms> = [];
  parameters: StaticArray<u8> = new StaticArray<u8>(0);
}

export class Slot {
  number: u8 = 0;
  bytes: StaticArray<u8> = new StaticArray<u8>(0);
}

export class Pot {
  party: u8 = 0;
  purpose: u8 = 0;
  money: u64 = 0;
}

export class Sum {
  meter: u8 = 0;
  bands: StaticArray<u64> = new StaticArray<u64>(BANDS);
  until: u64 = 0;
}

/** All that a program is given. */
export class Input {
  event: Event = new Event();
  terms: Terms = new Terms();
  head: StaticArray<u8> = new StaticArray<u8>(0);
  slots: Array<Slot> = [];
  now: u64 = 0;
  available: Array<u64> = [];
  debt: u64 = 0;
  pots: Array<Pot> = [];
  sums: Array<Sum> = [];

  /** What is reserved of a party for a purpose. */
  pot(party: u8, purpose: u8): u64 {
    for (let i = 0; i < this.pots.length; i++) {
      const pot = this.pots[i];
      if (pot.party == party && pot.purpose == purpose) return pot.money;
    }
    return 0;
  }

  /** How much more the user can be let owe: what its grant gives, in MAX_OWED_PERIODS periods if it renews, MAX_OWED at most, less
   * what it owes already. */
  canOwe(): u64 {
    for (let i = 0; i < this.terms.grants.length; i++) {
      const grant = this.terms.grants[i];
      if (grant.party != USER) continue;
      const periods: u64 = grant.renews ? MAX_OWED_PERIODS : 1;
      // A sum beyond the range is beyond the most that can be owed in one period.
      const once = min(grant.reserve, MAX_OWED) + min(grant.allowance, MAX_OWED);
      return less(min(once * periods, MAX_OWED), this.debt);
    }
    return 0;
  }

  /** What a party's allowance could give now. */
  allowance(party: u8): u64 {
    return <i32>party < this.available.length ? this.available[party] : 0;
  }
}
