// Where a bill as the node shows it is not the one that the members have signed, in the reader's words.

import type { Schemas } from '../api/client';
import { count, exactMoney, short, whenExactly, window } from './format';
import { people } from './people.svelte';
import { canonical } from './same';
import { text } from './text.svelte';

/// A bill: its statement, and what stands around it.
export type Told = Pick<Schemas['StatementView'], 'statement' | 'owner' | 'user' | 'kind'> & { height: number };

type Show<T> = (value: T) => string;
type Field = Exclude<keyof Schemas['Statement'], 'lines'>;

const fields: { [field in Field]: Show<Schemas['Statement'][field]> } = {
  agreement: (id) => people.called(id),
  number: count,
  period: ({ from, to }) => window(from, to),
  closing: (closing) => text.t.bill.closing[closing],
  issued: whenExactly,
  paid: exactMoney,
  unpaid: exactMoney,
  debt: exactMoney,
  available: exactMoney,
  substituted: (substituted) => (substituted ? text.t.common.yes : text.t.common.no),
  state_before: short,
  state_after: short,
};

export function differences(said: Told, signed: Told): string[] {
  const t = text.t.bill;
  const { statement } = signed;
  const found = [
    difference(t.from, said.owner, signed.owner, (id) => people.called(id)),
    difference(t.to, said.user, signed.user, (id) => people.called(id)),
    difference(t.contract, said.kind, signed.kind, (kind) => text.t.kind[kind]),
    difference(text.t.explorer.inBlock, said.height, signed.height, count),
    ...(Object.keys(fields) as Field[]).map((field) => difference(t.field[field], said.statement[field], statement[field], fields[field] as Show<unknown>)),
  ];
  const lines = Math.max(said.statement.lines.length, statement.lines.length);
  for (let line = 0; line < lines; line += 1) {
    if (canonical(said.statement.lines[line]) !== canonical(statement.lines[line])) found.push(t.lineDiffers(line + 1));
  }
  return found.filter((each) => each !== undefined);
}

function difference<T>(term: string, said: T, signed: T, show: Show<T>): string | undefined {
  if (canonical(said) === canonical(signed)) return undefined;
  const [one, other] = [said, signed].map((each) => shown(each, show));
  // What is short can begin and end alike.
  return one === other ? `${term}: ${canonical(said)} ≠ ${canonical(signed)}` : `${term}: ${one} ≠ ${other}`;
}

/// A node can say what is no value of its field.
function shown<T>(value: T, show: Show<T>): string {
  try {
    return show(value) ?? canonical(value);
  } catch {
    return canonical(value);
  }
}
