// A statement's lines in words: what it is for, how the amount comes about, and the amount.

import type { Schemas } from '../api/client';
import { micro } from './amount';
import { count, exactMoney, exactQuantity, permille, price, window } from './format';
import { text } from './text.svelte';

type Line = Schemas['StatementLine'];

export interface Said {
  what: string;
  how: string;
  /// What it adds to what is due, in millionths; nothing for a line without money.
  amount?: bigint;
}

const BANDS: Schemas['Band'][] = ['flat', 'sharp', 'peak', 'valley', 'deep'];

function bands(line: { bands: string[]; carrier: Schemas['Carrier'] }): string {
  const used = line.bands.flatMap((base, index) => (base === '0' ? [] : [`${text.t.band[BANDS[index]!]} ${exactQuantity(base, line.carrier)}`]));
  return used.join(' + ');
}

function unitPrice({ price: unit, discount_permille }: Schemas['UnitPrice']): string {
  return discount_permille ? `${price(unit)} − ${permille(discount_permille)}` : price(unit);
}

/// A party by its number in the terms.
export function partyName(party: number): string {
  const { owner, user, further } = text.t.party;
  return party === 0 ? owner : party === 1 ? user : further(party + 1);
}

export function say(line: Line): Said {
  const t = text.t.line;
  const carrier = 'carrier' in line && line.carrier ? text.t.carrier[line.carrier] : '';
  switch (line.kind) {
    case 'delivery':
      return { what: t.delivery(carrier), how: `${exactQuantity(line.delivered, line.carrier)} × ${price(line.price)}${line.substituted === '0' ? '' : ` · ${t.substituted(exactQuantity(line.substituted, line.carrier))}`}`, amount: micro(line.amount) };
    case 'no_reading':
      return { what: t.noReading(carrier), how: '' };
    case 'forfeit':
      return { what: t.forfeit(partyName(line.by)), how: `${t.shortfall} ${exactQuantity(line.shortfall, line.carrier)} / ${exactQuantity(line.contracted, line.carrier)} × ${exactMoney(line.deposit)}`, amount: micro(line.amount) };
    case 'default_forfeit':
      return { what: t.defaultForfeit(partyName(line.by)), how: '', amount: micro(line.amount) };
    case 'usage':
      return { what: t.usage(carrier, text.t.band[line.band]), how: `${exactQuantity(line.quantity, line.carrier)}${line.factor_permille === 1000 ? '' : ` · ${t.factor} ${permille(line.factor_permille)}`}` };
    case 'energy':
      return { what: `${t.energy(carrier)} · ${line.tranche ? t.tranche(line.tranche) : t.notPrepaid}`, how: `${bands(line)} · ${unitPrice(line.price)}`, amount: micro(line.amount) };
    case 'levy':
      return { what: t.levy(carrier), how: `${exactQuantity(line.quantity, line.carrier)} × ${price(line.price)}`, amount: micro(line.amount) };
    case 'floor_area':
      return { what: `${t.floorArea(carrier)} · ${line.tranche ? t.tranche(line.tranche) : t.notPrepaid}`, how: `${count(line.area / 100)} m² · ${t.days(line.days)}${line.discount_permille ? ` · − ${permille(line.discount_permille)}` : ''}`, amount: micro(line.amount) };
    case 'fixed':
      return { what: line.name, how: `${exactMoney(line.per_month)} / ${text.t.period.month}`, amount: micro(line.amount) };
    case 'minimum':
      return { what: line.name, how: `${exactMoney(line.least)} − ${exactMoney(line.charged)}`, amount: micro(line.amount) };
    case 'demand':
      return { what: line.name, how: `${t.demand(exactQuantity(line.quantity, line.carrier), Math.round(line.ms / 60_000))} · ${exactMoney(line.per_kw)}/kW`, amount: micro(line.amount) };
    case 'credit':
      return { what: t.credit(carrier), how: `${bands(line)} · ${unitPrice(line.price)}`, amount: -micro(line.amount) };
    case 'tax':
      return { what: t.tax, how: `${permille(line.permille)} × ${exactMoney(line.base)}`, amount: micro(line.amount) };
    case 'clause': {
      const used = line.carrier ? exactQuantity(line.quantity, line.carrier) : line.quantity === '0' ? '' : line.quantity;
      const how = [used, line.price ? price(line.price) : ''].filter((part) => part !== '').join(' × ');
      return { what: `${t.clause(line.clause + 1)} · ${t.pays(partyName(line.from), partyName(line.to))}`, how, amount: micro(line.amount) };
    }
    case 'refund':
      return { what: t.refund(carrier, line.tranche), how: line.withheld === '0.000000' ? '' : t.withheld(exactMoney(line.withheld)), amount: -micro(line.amount) };
  }
}

/// The period of a line, where it is another than the statement's.
export function periodOf(line: Line, { period }: Schemas['Statement']): string {
  const own = 'period' in line ? window(line.period.from, line.period.to) : '';
  return own === window(period.from, period.to) ? '' : own;
}

/// What a statement is about, in the terms of whoever reads it.
export function due(statement: Schemas['Statement']): bigint {
  return micro(statement.paid) + micro(statement.unpaid);
}
