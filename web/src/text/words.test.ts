import { expect, test } from 'vitest';
import openapi from '../../../crates/api/openapi.json?raw';
import refusals from '../../../crates/types/src/refusal.rs?raw';
import problems from '../../../crates/view/src/problem.rs?raw';
import { en } from './en';
import { PROBLEMS, RULES } from './rules.zh';
import { zh } from './zh';

interface Variant {
  properties: Record<string, { enum?: string[] }>;
}
const variants = (JSON.parse(openapi) as { components: { schemas: { Refusal: { oneOf: Variant[] } } } }).components.schemas.Refusal.oneOf;
const fields = new Map(variants.map(({ properties: { refusal, ...rest } }) => [refusal?.enum?.[0], Object.keys(rest)]));
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
