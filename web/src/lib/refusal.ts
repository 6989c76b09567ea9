// A refusal in words. Those that people meet have a sentence of their own; of the others the rule's name and figures are told.

import type { Schemas } from '../api/client';
import { RULES } from '../text/rules.zh';
import type { Carrier } from './amount';
import { money, quantity, when, window } from './format';
import { people } from './people.svelte';
import { text } from './text.svelte';

type Fields = Record<string, unknown> & { refusal: keyof typeof RULES };

export function refusalText(refusal: Schemas['Refusal']): string {
  const { refusal: rule, ...fields } = refusal as unknown as Fields;
  const sentences = text.t.refusal as unknown as Record<string, string | undefined>;
  const carrier = fields.carrier as Carrier | undefined;
  const shown: Record<string, string> = {};
  for (const [field, value] of Object.entries(fields)) shown[field] = fieldText(field, value, carrier);
  const sentence = sentences[rule];
  if (sentence) return sentence.replaceAll(/\{(\w+)\}/g, (_, field: string) => shown[field] ?? '');
  if (text.language !== 'en') return [RULES[rule][1], ...Object.values(shown)].join(' · ');
  const figures = Object.entries(shown).map(([field, value]) => `${field.replaceAll('_', ' ')}: ${value}`);
  return [rule.replaceAll('_', ' '), ...figures].join(' · ');
}

const BY_CODE = new Map(Object.values(RULES));

/// A rule by its code; in English as the node has it.
export function ruleOf(code: string, english: string | undefined): string {
  return (text.language === 'en' ? english : BY_CODE.get(code)) ?? '';
}

const MONEY = new Set(['needed', 'amount', 'at_most', 'owed']);
const ID = new Set(['account', 'holder', 'bidder', 'owner', 'agreement', 'offer', 'meter', 'package', 'motion', 'member', 'subscription', 'program', 'digest', 'terms']);
const TIME = new Set(['now', 'gate', 'lapses', 'lapsed', 'sign_by', 'until', 'at', 'hour', 'from', 'to', 'time', 'last', 'since']);
const QUANTITY = new Set(['wanted', 'left', 'sold', 'capacity', 'quantity', 'most']);

/// What stands in a field that the ledger tells, by the field's name.
export function fieldText(field: string, value: unknown, carrier: Carrier | undefined): string {
  if (MONEY.has(field) && typeof value === 'string') return money(value);
  if (field === 'max' && typeof value === 'string' && value.includes('.')) return money(value);
  if (TIME.has(field) && typeof value === 'number') return when(value);
  if (QUANTITY.has(field) && typeof value === 'string' && carrier) return quantity(value, carrier);
  if (field === 'carrier') return text.t.carrier[value as Carrier] ?? String(value);
  if (field === 'role') return text.t.role[value as keyof typeof text.t.role] ?? String(value);
  if (field === 'status') return text.t.status[value as keyof typeof text.t.status] ?? String(value);
  if (ID.has(field) && typeof value === 'string') return people.called(value);
  if (typeof value === 'object' && value && 'from' in value && 'to' in value) return window(value.from as number, value.to as number);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
