// How amounts, times and ids are written, in the reader's language.

import { type Carrier, readable, unit } from './amount';
import { clock } from './clock.svelte';
import { text } from './text.svelte';

const kept = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function numbers(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `n${text.language}${JSON.stringify(options)}`;
  let format = kept.get(key);
  if (!format) kept.set(key, (format = new Intl.NumberFormat(text.language, options)));
  return format as Intl.NumberFormat;
}

function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const locale = text.language === 'en' ? 'en-GB' : 'zh-CN';
  const key = `d${locale}${clock.zone}${JSON.stringify(options)}`;
  let format = kept.get(key);
  if (!format) kept.set(key, (format = new Intl.DateTimeFormat(locale, { ...options, timeZone: clock.zone })));
  return format as Intl.DateTimeFormat;
}

/// `Intl` formats a decimal string exactly; its types do not say so yet.
function exactly(format: Intl.NumberFormat, decimal: string): string {
  return format.format(decimal as unknown as number);
}

export function count(number: number | bigint): string {
  return numbers({}).format(number);
}

/// Money to the hundredth, for reading.
export function money(decimal: string): string {
  return exactly(
    numbers({ style: 'currency', currency: 'CNY', currencyDisplay: 'narrowSymbol', minimumFractionDigits: 2, maximumFractionDigits: 2 }),
    decimal,
  );
}

/// Money with all its decimals: unit prices, and whatever has to be exact.
export function exactMoney(decimal: string): string {
  return exactly(
    numbers({ style: 'currency', currency: 'CNY', currencyDisplay: 'narrowSymbol', minimumFractionDigits: 2, maximumFractionDigits: 6 }),
    decimal,
  );
}

/// A quantity with its unit.
export function quantity(base: string | bigint, carrier: Carrier, decimals = 1): string {
  return `${amount(base, carrier, decimals)} ${unit(carrier)}`;
}

/// A quantity with its unit, to the base unit: whoever works it out again comes to the same sum.
export function exactQuantity(base: string | bigint, carrier: Carrier): string {
  const format = numbers({ minimumFractionDigits: 1, maximumFractionDigits: 6 });
  return `${exactly(format, readable(BigInt(base), carrier, 6))} ${unit(carrier)}`;
}

/// A quantity without its unit.
export function amount(base: string | bigint, carrier: Carrier, decimals = 1): string {
  const format = numbers({ minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return exactly(format, readable(BigInt(base), carrier, decimals));
}

export function price(value: { money: string; per: string }): string {
  return `${exactMoney(value.money)}/${text.t.unit[value.per as keyof typeof text.t.unit] ?? value.per}`;
}

export function permille(thousandths: number): string {
  return numbers({ style: 'percent', maximumFractionDigits: 1 }).format(thousandths / 1000);
}

export function when(time: number): string {
  return dates({ dateStyle: 'medium', timeStyle: 'short' }).format(time);
}

export function whenExactly(time: number): string {
  return dates({ dateStyle: 'medium', timeStyle: 'medium' }).format(time);
}

export function day(time: number): string {
  return dates({ dateStyle: 'medium' }).format(time);
}

export function dayAndMonth(time: number): string {
  return dates({ day: 'numeric', month: 'short' }).format(time);
}

export function weekday(time: number): string {
  return dates({ weekday: 'long', day: 'numeric', month: 'long' }).format(time);
}

export function month(time: number): string {
  return dates({ year: 'numeric', month: 'long' }).format(time);
}

export function hour(time: number): string {
  return dates({ hour: '2-digit', minute: '2-digit' }).format(time);
}

/// A window of whole days as its first and last day; others with their hours. What is no minute is no part of a day, either: an agreement
/// that came into force within the first minute runs from that day on.
export function window(since: number, until: number): string {
  const [from, to] = [since, until].map((time) => time - (time % 60_000)) as [number, number];
  const whole = (time: number) => (time + clock.offset * 60_000) % 86_400_000 === 0;
  if (whole(from) && whole(to)) return to - from <= 86_400_000 ? day(from) : `${day(from)} – ${day(to - 1)}`;
  return `${when(from)} – ${when(to)}`;
}

/// How long, in the two largest units that matter.
export function duration(ms: number): string {
  const minutes = Math.max(0, Math.round(ms / 60_000));
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60)];
  const { d, h, m } = text.t.duration;
  if (days) return hours && days < 10 ? `${d(days)} ${h(hours)}` : d(days);
  if (hours) return minutes % 60 && hours < 10 ? `${h(hours)} ${m(minutes % 60)}` : h(hours);
  return m(minutes);
}

/// The beginning of an id, enough to tell it from others at a glance.
export function short(id: string): string {
  return id.length > 14 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id;
}

/// A label as its owner wrote it, if it is text.
export function label(hex: string): string {
  const bytes = hex.match(/../g)?.map((pair) => Number.parseInt(pair, 16)) ?? [];
  const end = bytes.indexOf(0);
  const written = bytes.slice(0, end < 0 ? bytes.length : end);
  if (!written.length || bytes.slice(end < 0 ? bytes.length : end).some((byte) => byte !== 0)) return short(hex);
  try {
    const plain = new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(written));
    return /^[\p{L}\p{N}\p{P}\p{S} ]+$/u.test(plain) ? plain : short(hex);
  } catch {
    return short(hex);
  }
}
