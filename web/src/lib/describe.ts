// What an action does, in words: for the sheet before a signature, and for the explorer.

import type { Schemas } from '../api/client';
import type { Carrier } from './amount';
import { count, exactMoney, label, money, permille, price, quantity, when, window } from './format';
import { packageName } from './packages.svelte';
import { people } from './people.svelte';
import { fieldText } from './refusal';
import { optionsOf } from './tariff';
import { text } from './text.svelte';

export interface Described {
  title: string;
  facts: [string, string][];
}

/// What an action names by its id or digest alone, checked before it is asked for: with it, it is told what is signed for.
export interface Named {
  offer?: Schemas['Offer'];
  /// What is sealed in a quote.
  quoted?: Schemas['QuoteLine'][];
  package?: Schemas['Package'];
  motion?: Pick<Schemas['MotionView'], 'decision' | 'reason'>;
  terms?: Schemas['AgreementTerms'];
}

type Of<K extends string> = Extract<Schemas['Action'], { [key in K]: unknown }>[K];

/// The name of an action or a decision as the ledger has it.
export function kindOf(value: Schemas['Action'] | Schemas['Decision']): string {
  return Object.entries(value).find(([, fields]) => fields !== null)?.[0] ?? '';
}

export function nameOf(kind: string): string {
  return (text.t.action as Record<string, string>)[kind] ?? kind.replaceAll('_', ' ');
}

/// What an offer is called: by the reader, or by its notice.
export function offerName({ id, offer }: Schemas['OfferView']): string {
  return people.nameOf(id) ?? (offer.notice || label(offer.label));
}

/// What has this id, whole: another may begin like it, and a signature is about this one.
function whole(id: string): string {
  const name = people.nameOf(id);
  return name ? `${name} (${id})` : id;
}

/// The same of an offer, with what its owner calls it, if that was checked.
const wholeOffer = (id: string, offer: Schemas['Offer'] | undefined) => (offer?.notice ? `${offer.notice} (${id})` : whole(id));

export function lots(list: Schemas['Lot'][]): string {
  return list
    .map((lot) => `${text.t.carrier[lot.carrier]} ${quantity(lot.quantity, lot.carrier)} · ${price(lot.asking_price)}`)
    .join('; ');
}

/// What both sides have at stake, and when it is delivered.
function stakes(delivered: Schemas['Window'], terms: { deposit_permille: number; guarantee_permille: number; tolerance_permille: number }): [string, string][] {
  const t = text.t.terms;
  return [
    [t.window, window(delivered.from, delivered.to)],
    [t.deposit, permille(terms.deposit_permille)],
    [t.guarantee, permille(terms.guarantee_permille)],
    [t.tolerance, permille(terms.tolerance_permille)],
  ];
}

/// What was quoted for an offer's lots.
function quoted(offer: Schemas['Offer'], lines: Schemas['QuoteLine'][]): string {
  const wanted = offer.lots.flatMap((lot, index) => {
    const line = lines[index];
    return line && line.quantity !== '0' ? [`${text.t.carrier[lot.carrier]} ${quantity(line.quantity, lot.carrier)} · ${price({ money: line.price, per: lot.asking_price.per })}`] : [];
  });
  return wanted.join('; ');
}

/// The tariff that a service of a package has chosen.
export function tariffOf(service: Schemas['Service'], terms: Schemas['Package']): string {
  const t = text.t.agreement.clause;
  const option = optionsOf(terms, service.carrier)[service.option];
  if (!option) return '';
  if ('metered' in option.tariff) return t.metered(price(option.tariff.metered.price));
  if ('metered_by_period' in option.tariff) return t.byPeriod(price(option.tariff.metered_by_period.price));
  return t.area(exactMoney(option.tariff.floor_area.per_m2), `${count(service.floor_area / 100)} m²`);
}

function subscription(terms: Schemas['SubscriptionTerms'], offered: Schemas['Package'] | undefined): [string, string][] {
  const t = text.t.terms;
  const service = (each: Schemas['Service']): [string, string] => [
    text.t.carrier[each.carrier],
    [offered ? tariffOf(each, offered) : '', each.meter ? `${text.t.market.meter}: ${people.called(each.meter)}` : ''].filter(Boolean).join(' '),
  ];
  return [[t.package, `${packageName(terms.package)} · ${t.version(terms.version)}`], ...terms.services.map(service), [t.allowance, money(terms.allowance)]];
}

/// What an agreement's terms are about.
function agreed({ parties, program }: Schemas['AgreementTerms']): [string, string][] {
  const t = text.t.agreement;
  const called = parties.map((party, place): [string, string] => [[t.seller, t.buyer][place] ?? t.party, whole(party)]);
  if ('subscription' in program) return [...called, ...subscription(program.subscription, undefined)];
  if (!('purchase' in program)) return [...called, [text.t.terms.contract, text.t.agreement.clause.coded]];
  const { lots, window, ...terms } = program.purchase;
  const bought = lots.map((lot) => `${text.t.carrier[lot.carrier]} ${quantity(lot.quantity, lot.carrier)} · ${price(lot.price)}`).join('; ');
  return [...called, [text.t.terms.bought, bought], ...stakes(window, terms)];
}

function prepayment(payment: Schemas['Prepayment']): [string, string][] {
  const t = text.t.terms;
  if ('amount' in payment) return [[t.amount, exactMoney(payment.amount)]];
  if ('amount_for_period' in payment) {
    const { amount, period } = payment.amount_for_period;
    return [[t.amount, exactMoney(amount)], [t.period, text.t.period[period]]];
  }
  const { at_most, period } = payment.period;
  return [[t.atMost, exactMoney(at_most)], [t.period, text.t.period[period]]];
}

function moved({ decision: decided, reason }: Pick<Schemas['MotionView'], 'decision' | 'reason'>): [string, string][] {
  const { title, facts } = decision(decided);
  return [[text.t.council.motion, title], ...facts, ...(reason ? [[text.t.council.reason, reason] as [string, string]] : [])];
}

/// Actions with words of their own for what they do; of the others the fields are told by their names.
const describers: { [kind: string]: ((fields: never, named: Named) => [string, string][]) | undefined } = {
  transfer: ({ to, amount, reference }: Of<'transfer'>) => [
    [text.t.terms.to, whole(to)],
    [text.t.terms.amount, exactMoney(amount)],
    [text.t.terms.reference, reference],
  ],
  issue: ({ to, amount, reference }: Of<'issue'>) => [
    [text.t.terms.to, whole(to)],
    [text.t.terms.amount, exactMoney(amount)],
    [text.t.terms.reference, reference],
  ],
  publish_offers: ({ offers }: Of<'publish_offers'>) =>
    offers.flatMap((offer): [string, string][] => [
      [text.t.terms.offer, offer.notice || label(offer.label)],
      [text.t.terms.lots, lots(offer.lots)],
      [text.t.terms.gate, when(offer.gate_closes)],
      [text.t.terms.lapses, when(offer.lapses)],
      ...stakes(offer.window, offer.terms),
      ...offer.lots.flatMap((lot): [string, string][] => (lot.delivery_meter ? [[text.t.market.deliveryMeter, people.called(lot.delivery_meter)]] : [])),
    ]),
  submit_quotes: ({ quotes }: Of<'submit_quotes'>, { offer, quoted: lines }: Named) =>
    quotes.flatMap((quote): [string, string][] => [
      [text.t.terms.offer, wholeOffer(quote.offer, offer)],
      [text.t.terms.quote, quote.binding ? text.t.terms.sealedBinding : text.t.terms.sealed],
      ...(offer && lines
        ? [[text.t.terms.bought, quoted(offer, lines)] as [string, string], ...stakes(offer.window, offer.terms), ...lines.flatMap((line): [string, string][] => (/[^0]/.test(line.user_meter) ? [[text.t.market.meter, people.called(line.user_meter)]] : []))]
        : []),
    ]),
  award: ({ awards }: Of<'award'>, { offer }: Named) => [
    ...awards.flatMap((award): [string, string][] => [
      [text.t.terms.offer, wholeOffer(award.offer, offer)],
      [text.t.terms.to, whole(award.bidder)],
      [
        text.t.terms.awardTo(people.called(award.bidder)),
        offer ? quoted(offer, award.opening.lines) : award.opening.lines.filter((line) => line.quantity !== '0').map((line) => exactMoney(line.price)).join('; '),
      ],
    ]),
    ...(offer ? stakes(offer.window, offer.terms) : []),
  ],
  propose_motion: ({ decision: decided, reason }: Of<'propose_motion'>) => moved({ decision: decided, reason }),
  vote_on_motion: ({ motion, digest, in_favour }: Of<'vote_on_motion'>, named: Named) => [
    ...(named.motion ? moved(named.motion) : []),
    [text.t.council.motion, whole(motion)],
    [text.t.council.digest, digest],
    [text.t.council.vote, in_favour ? text.t.council.inFavour : text.t.council.against],
  ],
  sign_agreement: ({ agreement, terms }: Of<'sign_agreement'>, named: Named) => [
    ...(named.terms ? agreed(named.terms) : []),
    [text.t.terms.agreement, whole(agreement)],
    [text.t.terms.digest, terms],
  ],
  prepay: ({ subscription: agreement, carrier, payment }: Of<'prepay'>) => [
    [text.t.terms.agreement, whole(agreement)],
    [text.t.terms.carrier, text.t.carrier[carrier as Carrier]],
    ...prepayment(payment),
  ],
  subscribe: ({ terms }: Of<'subscribe'>, named: Named) => subscription(terms, named.package),
  pay_debt: ({ agreement, amount }: Of<'pay_debt'>) => [
    [text.t.terms.agreement, whole(agreement)],
    [text.t.terms.amount, exactMoney(amount)],
  ],
  record_readings: ({ runs }: Of<'record_readings'>) => [
    [text.t.terms.readings, count(runs.reduce((sum, run) => sum + run.readings.length, 0))],
    [text.t.terms.meters, count(runs.length)],
  ],
};

/// What an action does.
export function describe(action: Schemas['Action'], named: Named = {}): Described {
  const kind = kindOf(action);
  const fields = (action as unknown as Record<string, unknown>)[kind];
  const facts = describers[kind]?.(fields as never, named) ?? plain(fields);
  return { title: nameOf(kind), facts };
}

type Decided<K extends string> = Extract<Schemas['Decision'], { [key in K]: unknown }>[K];

const decisions: { [kind: string]: ((fields: never) => [string, string][]) | undefined } = {
  admit_member: ({ account, roles }: Decided<'admit_member'>) => [
    [text.t.council.member, whole(account.member)],
    [text.t.council.roles, roles.map((role) => text.t.role[role]).join(', ')],
  ],
  remove_member: ({ member }: Decided<'remove_member'>) => [[text.t.council.member, whole(member)]],
  change_roles: ({ member, roles }: Decided<'change_roles'>) => [
    [text.t.council.member, whole(member)],
    [text.t.council.roles, roles.map((role) => text.t.role[role]).join(', ')],
  ],
  change_limits: ({ member, limits }: Decided<'change_limits'>) => [
    [text.t.council.member, whole(member)],
    [text.t.consortium.limits, limits ? limited(limits) : text.t.council.usualLimits],
  ],
  appoint_validator: ({ member, key, address }: Decided<'appoint_validator'>) => [
    [text.t.council.member, whole(member)],
    [text.t.council.key, key],
    [text.t.council.address, address ?? '-'],
  ],
  dismiss_validator: ({ member }: Decided<'dismiss_validator'>) => [[text.t.council.member, whole(member)]],
  declare_capacity: ({ owner, carrier, per_hour }: Decided<'declare_capacity'>) => [
    [text.t.council.account, whole(owner)],
    [text.t.terms.carrier, text.t.carrier[carrier as Carrier]],
    [text.t.council.perHour, quantity(per_hour, carrier as Carrier)],
  ],
  hand_over_meters: ({ from, to }: Decided<'hand_over_meters'>) => [
    [text.t.council.from, whole(from)],
    [text.t.terms.to, whole(to)],
  ],
};

function limited(limits: Schemas['Limits']): string {
  const names = text.t.consortium.limit as Record<string, string>;
  return Object.entries(limits).map(([name, limit]) => `${names[name] ?? name} ${count(limit as number)}`).join(', ');
}

/// What the council decides.
export function decision(decided: Schemas['Decision']): Described {
  const kind = kindOf(decided);
  const fields = (decided as unknown as Record<string, unknown>)[kind];
  const facts = decisions[kind]?.(fields as never) ?? plain(fields);
  return { title: (text.t.council.decision as Record<string, string>)[kind] ?? kind.replaceAll('_', ' '), facts };
}

function plain(fields: unknown): [string, string][] {
  if (!fields || typeof fields !== 'object') return [];
  const names = text.t.fact as Record<string, string>;
  const { carrier } = fields as { carrier?: Carrier };
  return Object.entries(fields).map(([field, value]) => [names[field] ?? field.replaceAll('_', ' '), fieldText(field, value, carrier)]);
}
