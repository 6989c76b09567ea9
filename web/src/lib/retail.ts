// A user's supply under an Energy Package: services with their tariffs, what is prepaid, and what the running month comes to. The
// money is worked out in the vault, by the bill's own arithmetic.

import { type Schemas, answer, api, every, whole } from '../api/client';
import { type Carrier, micro } from './amount';
import { DAY, clock, dayBegin } from './clock.svelte';
import { certificates } from './series';
import { optionsOf, restOf, tariffKind } from './tariff';
import { vault } from './vault';

type Option = Schemas['TariffOption'];
type Tranche = Schemas['TrancheView'];
type Certificate = Schemas['Certificate'];

/// One service of a subscription.
export interface Supply {
  agreement: string;
  carrier: Carrier;
  service: Schemas['Service'];
  option: Option;
  offset: number;
  package: Schemas['PackageView'];
  tranches: Tranche[];
  notices: Schemas['EventView'][];
  /// From when on there is no statement yet.
  unbilledFrom: number;
}

export interface Outlook {
  /// Prepaid and not used, as far as readings go, in millionths.
  left: bigint;
  /// What the last seven days with readings cost on average, in millionths.
  perDay: bigint;
  /// How long that lasts, in days; nothing if it is not paid by quantity, or nothing is used.
  days?: number;
  /// The end of the last prepaid period.
  until?: number;
}

const agreementsPage = (account: string, query: { kind?: Schemas['Kind']; status?: Schemas['Status'] }) => (cursor?: string) =>
  answer(api.GET('/v1/agreements', { params: { query: { account, ...query, cursor, limit: 1000 } } }));

export function agreementsOf(account: string) {
  return every(agreementsPage(account, {}));
}

/// All services of an account's running subscriptions.
export async function supplies(account: string): Promise<Supply[]> {
  const items = await whole(agreementsPage(account, { kind: 'subscription', status: 'active' }));
  const mine = items.filter((agreement) => agreement.user === account);
  return (await Promise.all(mine.map(suppliesOf))).flat();
}

async function suppliesOf(agreement: Schemas['AgreementView']): Promise<Supply[]> {
  const program = agreement.terms.program;
  if (!('subscription' in program)) return [];
  const { package: id, version, services } = program.subscription;
  const path = { agreement: agreement.agreement };
  const [view, offered, statements] = await Promise.all([
    answer(api.GET('/v1/subscriptions/{agreement}', { params: { path } })),
    answer(api.GET('/v1/packages/{package}/{version}', { params: { path: { package: id, version } } })),
    whole((cursor) =>
      answer(api.GET('/v1/agreements/{agreement}/statements', { params: { path, query: { cursor, limit: 1000 } } })),
    ),
  ]);
  const active = agreement.steps?.find((step) => step.step === 'active')?.cause.time_ms ?? 0;
  const last = statements.at(-1)?.statement.period.to ?? active;
  clock.offset = offered.package.terms.offset_minutes;
  return services.flatMap((service) => {
    const option = optionsOf(offered.package, service.carrier)[service.option];
    if (!option) return [];
    return {
      agreement: agreement.agreement,
      carrier: service.carrier,
      service,
      option,
      offset: offered.package.terms.offset_minutes,
      package: offered,
      tranches: view.tranches.filter((tranche) => tranche.carrier === service.carrier),
      notices: view.notices,
      unbilledFrom: last,
    };
  });
}

export interface Asked {
  option: Option;
  offset_minutes: number;
  discount_permille: number;
  flowed: [Schemas['Window'], string][];
  floor_area?: [number, Schemas['Window']];
}

export interface Estimated {
  bands: string[];
  money: string;
}

/// What things come to, tax included.
export async function estimate(asked: Asked[]): Promise<Estimated[]> {
  return (await vault('estimateCosts', JSON.stringify(asked))) as Estimated[];
}

/// What flowed in a window, cut at its ends by shares of time.
export function flowed(list: Certificate[], from: number, to: number): [Schemas['Window'], string][] {
  return list.flatMap(({ interval, quantity }): [Schemas['Window'], string][] => {
    const [begin, end] = [Math.max(interval.from, from), Math.min(interval.to, to)];
    if (begin >= end) return [];
    const until = (time: number) =>
      (BigInt(quantity) * BigInt(time - interval.from)) / BigInt(interval.to - interval.from);
    return [[{ from: begin, to: end }, (until(end) - until(begin)).toString()]];
  });
}

/// The discount of the tranche that is drawn on now: the oldest with something left.
export function discountNow(supply: Supply, at: number): number {
  const open = supply.tranches.find(
    (tranche) => tranche.opened && restOf(tranche, supply.option) > 0n && (!tranche.period || (tranche.period.from <= at && at < tranche.period.to)),
  );
  return open?.opened?.discount_permille ?? 0;
}

/// What a window of a service comes to.
export async function cost(supply: Supply, list: Certificate[], from: number, to: number): Promise<Estimated> {
  const asked: Asked = {
    option: supply.option,
    offset_minutes: supply.offset,
    discount_permille: discountNow(supply, from),
    flowed: flowed(list, from, to),
  };
  if (tariffKind(supply.option) === 'floor_area') asked.floor_area = [supply.service.floor_area, { from, to }];
  const [result] = await estimate([asked]);
  return result!;
}

/// What is left of a service's prepayments, and how long it lasts.
export async function outlook(supply: Supply, now: number): Promise<Outlook> {
  const last = supply.tranches.at(-1);
  const until = last?.period?.to ?? undefined;
  const running = supply.tranches.filter(({ period }) => !period || now < period.to);
  const prepaid = running.reduce((sum, tranche) => sum + restOf(tranche, supply.option), 0n);
  const meter = supply.service.meter;
  if (!meter || tariffKind(supply.option) === 'floor_area') return { left: prepaid, perDay: 0n, until };
  const weekAgo = dayBegin(now) - 7 * DAY;
  const list = await certificates(meter, Math.min(supply.unbilledFrom, weekAgo), now);
  const [unbilled, week] = await Promise.all([
    cost(supply, list, supply.unbilledFrom, now),
    cost(supply, list, weekAgo, dayBegin(now)),
  ]);
  const left = prepaid - micro(unbilled.money);
  const perDay = micro(week.money) / 7n;
  const rest = left > 0n ? left : 0n;
  return { left: rest, perDay, until, days: perDay > 0n ? Number(rest / perDay) : undefined };
}

/// The meters that an account's running subscriptions bill.
export async function billedMeters(account: string): Promise<Set<string>> {
  const items = await whole(agreementsPage(account, { kind: 'subscription', status: 'active' }));
  const programs = items.filter((agreement) => agreement.user === account).map((agreement) => agreement.terms.program);
  return new Set(programs.flatMap((program) => ('subscription' in program ? program.subscription.services.flatMap(({ meter }) => meter ?? []) : [])));
}

/// The meters of an account by carrier, those in service first.
export async function metersOf(account: string): Promise<Schemas['MeterView'][]> {
  const items = await whole((cursor) =>
    answer(api.GET('/v1/meters', { params: { query: { holder: account, cursor, limit: 1000 } } })),
  );
  return items.sort((a, b) => Number(a.retired) - Number(b.retired));
}

/// An account's statements, newest first.
export async function statementsOf(account: string): Promise<Schemas['StatementView'][]> {
  const items = await whole((cursor) =>
    answer(api.GET('/v1/statements', { params: { query: { account, cursor, limit: 1000 } } })),
  );
  return items.sort((a, b) => b.statement.issued - a.statement.issued);
}

/// Until when an account's meters have been read, at most the present.
export async function lastRead(account: string, now: number): Promise<number> {
  const read = (await metersOf(account)).filter((meter) => !meter.retired).map((meter) => meter.read_ms);
  return read.length ? Math.min(now, Math.max(...read)) : now;
}
