import { expect, test } from 'vitest';
import openapi from '../../../crates/api/openapi.json?raw';
import refusals from '../../../crates/types/src/refusal.rs?raw';
import problems from '../../../crates/view/src/problem.rs?raw';
import describe from '../lib/describe.ts?raw';
import { en } from './en';
import { PROBLEMS, RULES } from './rules.zh';
import { zh } from './zh';

interface Variant {
  properties: Record<string, { enum?: string[] }>;
}
const variants = (JSON.parse(openapi) as { components: { schemas: { Refusal: { oneOf: Variant[] } } } }).components.schemas.Refusal.oneOf;
const fields = new Map(variants.map(({ properties: { refusal, ...rest } }) => [refusal?.enum?.[0], Object.keys(rest)]));
interface Field {
  $ref?: string;
  properties?: Record<string, Field>;
}
const schemas = (JSON.parse(openapi) as { components: { schemas: Record<string, Field & { oneOf?: Field[] }> } }).components.schemas;
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match[1]!);

test('every rule of the ledger is said in Chinese, under the code that it has there', () => {
  const codes = matches(refusals, /^ {4}\w+(?: \{[^}]*\})? = "([a-z-]+\/[a-z-]+)",/gm);
  expect(Object.keys(RULES)).toEqual([...fields.keys()]);
  expect(Object.values(RULES).map(([code]) => code)).toEqual(codes);
});

test('every answer of a node that is none is said in Chinese', () => {
  const codes = matches(problems, /^ {4}\w+ = \d+, "([a-z/-]+)",/gm);
  expect(Object.keys(PROBLEMS).toSorted()).toEqual(codes.toSorted());
});

test.each([
  ['English', en.refusal],
  ['Chinese', zh.refusal],
])('a refusal in %s names what the ledger tells, and no more', (_, sentences) => {
  const untold = Object.entries(sentences).flatMap(([rule, sentence]) => {
    const told = fields.get(rule);
    if (!told) return [rule];
    return matches(sentence, /\{(\w+)\}/g).filter((field) => !told.includes(field)).map((field) => `${rule}.${field}`);
  });
  expect(untold).toEqual([]);
});

test('every field of an action has a name', () => {
  // Some have words of their own.
  const described = matches(describe, /^ {2}(\w+): \(\{/gm);
  const parts = (field: Field): Record<string, Field> => field.properties ?? schemas[field.$ref?.split('/').at(-1) ?? '']?.properties ?? {};
  const named = (schemas.Action?.oneOf ?? []).flatMap((action) => Object.entries(parts(action)).flatMap(([kind, fields]) => (described.includes(kind) ? [] : Object.keys(parts(fields)))));
  expect(named.filter((field) => !(field in en.fact))).toEqual([]);
  expect(named.length).toBeGreaterThan(20);
});
