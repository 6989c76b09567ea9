// Times are shown at a fixed offset from UTC, that of the tariffs, whatever the reader's device says.

let offset = $state(480);

export const clock = {
  /// Minutes east of UTC.
  get offset(): number {
    return offset;
  },
  set offset(minutes: number) {
    offset = minutes;
  },
  /// As a time zone for `Intl`.
  get zone(): string {
    const minutes = Math.abs(offset);
    const two = (number: number) => String(number).padStart(2, '0');
    return `${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  },
};

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/// The local midnight at or before a time.
export function dayBegin(time: number): number {
  const shift = offset * 60_000;
  return Math.floor((time + shift) / DAY) * DAY - shift;
}

/// Year, month (1 to 12) and day of a time.
export function civil(time: number): { year: number; month: number; day: number; hour: number } {
  const date = new Date(time + offset * 60_000);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
  };
}

/// A day as a person writes it, year first, in the form that the ledger's tools read; nothing if the calendar has no such day.
export function dayOf(written: string): string | undefined {
  const [, year = '', month = '', day = ''] = /^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?$/.exec(written.trim()) ?? [];
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  const exact = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day);
  return year && exact ? date.toISOString().slice(0, 10) : undefined;
}

/// The hour of a time as a field holds it: `2026-01-31T12`.
export function moment(time: number): string {
  return new Date(time + offset * 60_000).toISOString().slice(0, 13);
}

/// The time that a field holds; no number if it is none.
export function timeOf(moment: string): number {
  const [written = '', hour = ''] = moment.split('T');
  const day = dayOf(written);
  return day && /^\d{2}$/.test(hour) ? Date.parse(`${day}T${hour}:00:00Z`) - offset * 60_000 : Number.NaN;
}

/// The beginning of a month; months beyond 1 to 12 carry over.
export function monthBegin(year: number, month: number): number {
  return Date.UTC(year, month - 1, 1) - offset * 60_000;
}
