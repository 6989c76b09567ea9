// What packages are called: by the reader, by the demonstration, or by whoever offers them.

import { type Schemas, answer, api, every } from '../api/client';
import { label, short } from './format';
import { people } from './people.svelte';

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

/// A package's name here, or its label.
export function nameOfPackage({ id, package: { label: written } }: Schemas['PackageView']): string {
  return people.nameOf(id) ?? label(written);
}

/// The same by its id, or the beginning of the id until the labels are there.
export function packageName(id: string): string {
  const known = people.nameOf(id) ?? labels[id];
  if (known !== undefined) return known;
  // One that was published since is asked for once.
  if (!missing.has(id)) {
    missing.add(id);
    asked = (asked ?? Promise.resolve()).then(load);
  }
  return short(id);
}
