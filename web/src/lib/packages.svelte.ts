// What packages are called by whoever offers them.

import { type Schemas, answer, api, every } from '../api/client';
import { label, short } from './format';

let labels = $state.raw<Record<string, string>>({});
let asked: Promise<void> | undefined;
const missing = new Set<string>();

/// All packages, every version of them.
export function packages() {
  return every((cursor) => answer(api.GET('/v1/packages', { params: { query: { cursor, limit: 1000 } } })));
}

async function load(): Promise<void> {
  try {
    const { items } = await packages();
    labels = Object.fromEntries(items.map((view: Schemas['PackageView']) => [view.id, label(view.package.label)]));
  } catch {
    // Without an answer they are called by their ids.
  }
}

/// A package's label, or the beginning of its id until the labels are there.
export function packageName(id: string): string {
  const known = labels[id];
  if (known !== undefined) return known;
  // One that was published since is asked for once.
  if (!missing.has(id)) {
    missing.add(id);
    asked = (asked ?? Promise.resolve()).then(load);
  }
  return short(id);
}
