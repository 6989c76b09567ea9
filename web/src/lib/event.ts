// What receipts tell, in words.

import type { Schemas } from '../api/client';
import { type Carrier, micro, money as decimal } from './amount';
import { count, money, short, when, whenExactly, window } from './format';
import { decision } from './describe';
import { partyName } from './line';
import { people } from './people.svelte';
import { refusalText } from './refusal';
import { text } from './text.svelte';

type Event = Schemas['Event'];
type Of<K extends Event['event']> = Extract<Event, { event: K }>;

const purpose = (name: Schemas['Purpose']) => text.t.purpose[name];

function movement({ movement: how, amount }: Of<'moved'>): string {
  const t = text.t.event;
  const sum = money(amount);
  if ('reserve' in how) return t.reserved(partyName(how.reserve.party), sum, purpose(how.reserve.purpose));
  if ('release' in how) return t.released(partyName(how.release.party), sum, purpose(how.release.purpose));
  if ('pay' in how) return t.paid(partyName(how.pay.from), partyName(how.pay.to), sum);
  if ('forfeit' in how) return t.forfeited(partyName(how.forfeit.by), partyName(how.forfeit.to), sum);
  return t.fellBack(partyName(how.fall_back.party), sum);
}

/// A window; one of less than a minute is no day and no hour.
function span({ from, to }: Schemas['Window']): string {
  return to - from < 60_000 ? `${whenExactly(from)} (${count(to - from)} ms)` : window(from, to);
}

type Sayers = { [K in Event['event']]: (event: Of<K>) => string };

const sayers: Sayers = {
  moved: movement,
  agreement_proposed: (event) => text.t.event.proposed(people.called(event.agreement), when(event.sign_by)),
  agreement_status: (event) => text.t.event.status(people.called(event.agreement), text.t.status[event.status]),
  agreement_amended: (event) => text.t.event.amended(people.called(event.agreement)),
  certified: (event) => text.t.event.certified(count(event.count), event.refused.length),
  gap: (event) => text.t.event.gap(people.called(event.meter), window(event.interval.from, event.interval.to)),
  statement_issued: (event) =>
    text.t.event.statement(event.number, window(event.period.from, event.period.to), money(decimal(micro(event.paid) + micro(event.unpaid)))),
  segment: (event) => text.t.event.segment(people.called(event.meter), window(event.interval.from, event.interval.to)),
  prepaid: (event) => text.t.event.prepaid(text.t.carrier[event.carrier as Carrier], money(event.paid)),
  tranche_opened: (event) => text.t.event.opened(text.t.carrier[event.carrier as Carrier], event.tranche, money(event.paid)),
  low_balance: (event) => text.t.event.low(text.t.carrier[event.carrier as Carrier]),
  exhausted: (event) => text.t.event.exhausted(text.t.carrier[event.carrier as Carrier]),
  debt: (event) => text.t.event.debt(partyName(event.party), money(event.owes)),
  ending: (event) => text.t.event.ending(people.called(event.agreement), when(event.at)),
  ending_stands: (event) => text.t.event.endingStands(people.called(event.agreement), when(event.at)),
  day_passed_on: (event) => text.t.event.dayPassedOn(people.called(event.subscription), people.called(event.to)),
  readings_missing: (event) => text.t.event.missing(people.called(event.meter), when(event.at)),
  offer_lapsed: (event) => text.t.event.lapsed(people.called(event.offer)),
  unsupplied: (event) => text.t.event.unsupplied(people.called(event.meter), span(event.interval)),
  returned: (event) => text.t.event.returned(people.called(event.agreement), window(event.interval.from, event.interval.to)),
  level_reached: (event) => text.t.event.level(people.called(event.agreement)),
  adjusted: (event) => text.t.event.adjusted(people.called(event.agreement), window(event.interval.from, event.interval.to)),
  program_ran: (event) => text.t.event.ran(people.called(event.agreement)),
  program_failed: (event) => text.t.event.failed(people.called(event.agreement), event.failures),
  indices_read: (event) => text.t.event.indices(people.called(event.agreement)),
  bond: (event) => text.t.event.bond(people.called(event.bidder), money(event.amount)),
  award_refused: (event) => text.t.event.awardRefused(people.called(event.bidder), refusalText(event.refusal)),
  motion_opened: (event) => text.t.event.motionOpened(short(event.motion), when(event.closes)),
  voted: (event) => text.t.event.voted(short(event.member), event.in_favour ? text.t.council.inFavour : text.t.council.against),
  decided: (event) => text.t.event.decided(short(event.motion), decision(event.decision).title),
  motion_ended: (event) => text.t.event.motionEnded(short(event.motion), text.t.council.status[typeof event.end === 'string' ? event.end : 'failed']),
  validator_ready: (event) => text.t.event.ready(short(event.member), event.epoch),
  validators_changed: (event) => text.t.event.validatorsChanged(event.epoch),
  validators_kept: (event) => text.t.event.validatorsKept(event.epoch, event.live, event.needed),
  corrected: (event) => text.t.event.corrected(people.called(event.meter), event.reason),
};

export function eventText(event: Event): string {
  return (sayers[event.event] as (event: Event) => string)(event);
}
