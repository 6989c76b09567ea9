// What the node answers, typed by its own OpenAPI document.

import createClient from 'openapi-fetch';
import type { Readable } from 'openapi-typescript-helpers';
import type { components, paths } from './schema';

/// The answers' types as the client gives them.
export type Schemas = Readable<components['schemas']>;
export type Problem = Schemas['Problem'];

/// What the node, or the way to it, said instead of an answer.
export class NoAnswer extends Error {
  constructor(
    readonly problem: Problem,
    readonly status: number,
  ) {
    super(problem.detail || problem.title || `HTTP ${status}`);
  }

  get code(): string {
    return this.problem.code ?? '';
  }
}

export const api = createClient<paths>({ baseUrl: '/' });

/// The answer, or a failure that says why there is none.
export async function answer<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let got;
  try {
    got = await asked;
  } catch {
    throw new NoAnswer({ code: 'app/offline', title: 'the node cannot be reached' }, 0);
  }
  if (got.data !== undefined) return got.data;
  const problem = (got.error && typeof got.error === 'object' ? got.error : {}) as Problem;
  throw new NoAnswer(problem, got.response.status);
}

export interface Page<T> {
  items: T[];
  next?: string | null;
}

/// All items of a list, page by page, at most `most` of them. `next` is set if there are more.
export async function every<T>(page: (cursor?: string) => Promise<Page<T>>, most = 10_000): Promise<Page<T>> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const { items: more, next } = await page(cursor);
    items.push(...more);
    cursor = next ?? undefined;
  } while (cursor && items.length < most);
  return { items, next: cursor ?? null };
}

export interface FoundId {
  kind: 'account' | 'member' | 'offer' | 'agreement' | 'meter' | 'package' | 'transaction';
  id: string;
}

/// Ids that begin with these digits.
export async function beginningWith(digits: string): Promise<FoundId[]> {
  const response = await fetch(`/v1/ids/${digits}`);
  return response.ok ? ((await response.json()) as { items: FoundId[] }).items : [];
}
