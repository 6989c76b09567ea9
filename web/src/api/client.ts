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

/// Lists are also to be had as tables; the app asks for JSON.
export const api = createClient<paths, 'application/json'>({ baseUrl: '/', fetch: patiently });

/// How long a node may take for an answer. Only moving the clock of a demonstration may take longer.
const PATIENCE_MS = 60_000;

function patiently(request: Request): Promise<Response> {
  return fetch(request, request.url.includes('/v1/development/') ? {} : { signal: AbortSignal.timeout(PATIENCE_MS) });
}

/// What is for everybody, and transactions, which are for whoever has their hashes: nobody signs in for it.
const FOR_EVERYBODY = [
  '/v1/status',
  '/v1/genesis',
  '/v1/problems',
  '/v1/session',
  '/v1/transactions',
  '/v1/packages',
  '/v1/programs',
  '/v1/development',
];

/// Gives the token to ask for `path` with, if there is one to be had; `refused` is one that the node takes no more.
type Tokens = (path: string, refused?: string) => Promise<string | undefined>;
let tokens: Tokens | undefined;

/// Who the client is, from now on.
export function askAs(given: Tokens): void {
  tokens = given;
}

/// How a token stands in a request.
export const SCHEME = 'Bearer ';

api.use({
  async onRequest({ request, schemaPath }) {
    const known = request.headers.has('authorization');
    if (known || FOR_EVERYBODY.some((open) => schemaPath.startsWith(open))) return request;
    const token = await tokens?.(schemaPath);
    if (token) request.headers.set('authorization', SCHEME + token);
    return request;
  },
  // A session ends after an hour, and with the node: sign in again, once.
  async onResponse({ request, response, schemaPath }) {
    const refused = request.headers.get('authorization')?.slice(SCHEME.length);
    if (response.status !== 401 || !refused || request.method !== 'GET') return response;
    const token = await tokens?.(schemaPath, refused);
    return token ? patiently(new Request(request.url, { headers: { authorization: SCHEME + token } })) : response;
  },
});

/// The answer, or a failure that says why there is none.
export async function answer<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let got;
  try {
    got = await asked;
  } catch (error) {
    throw new NoAnswer({ code: unanswered(error), title: String(error) }, 0);
  }
  if (got.data !== undefined) return got.data;
  if (got.response.ok) throw new NoAnswer({ code: 'app/wrong-answer', title: 'an answer without content' }, 0);
  const problem = (got.error && typeof got.error === 'object' ? got.error : {}) as Problem;
  throw new NoAnswer(problem, got.response.status);
}

function unanswered(error: unknown): string {
  // What is not in the node's form came from something else on the way.
  if (error instanceof SyntaxError) return 'app/wrong-answer';
  return error instanceof DOMException && error.name === 'TimeoutError' ? 'app/timeout' : 'app/offline';
}

export interface Page<T> {
  items: T[];
  next?: string | null;
}

export interface List<T> {
  items: T[];
  /// Whether the node has more of them.
  cut: boolean;
}

/// The fewest items that a page has on average, where a list does end.
const PAGE = 100;

/// The items of a list, page by page, about `most` of them.
export async function every<T>(page: (cursor?: string) => Promise<Page<T>>, most = 10_000): Promise<List<T>> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (let turn = 0; turn === 0 || (cursor && items.length < most && turn < most / PAGE); turn += 1) {
    const { items: more, next } = await page(cursor);
    items.push(...more);
    cursor = next ?? undefined;
  }
  return { items, cut: cursor !== undefined };
}

/// All items of a list that something is worked out from: there is no result from a part of them.
export async function whole<T>(page: (cursor?: string) => Promise<Page<T>>, most?: number): Promise<T[]> {
  const { items, cut } = await every(page, most);
  if (cut) throw new NoAnswer({ code: 'app/too-long', title: `more than ${items.length}` }, 0);
  return items;
}

export type FoundId = Schemas['FoundId'];

/// Ids that begin with these digits, and no others that a node may tell.
export async function beginningWith(digits: string): Promise<FoundId[]> {
  const { items } = await answer(api.GET('/v1/ids/{beginning}', { params: { path: { beginning: digits } } }));
  return items.filter((each) => each.id.startsWith(digits));
}
