// What a word may mean: a height, an id or hash in full or its beginning, or a name that the reader knows.

import { beginningWith } from '../api/client';
import { live } from './live.svelte';
import { packageName } from './packages.svelte';
import { people } from './people.svelte';
import { p } from './router';

export interface Found {
  kind: 'block' | 'transaction' | 'account' | 'offer' | 'agreement' | 'meter' | 'package' | 'member' | 'motion';
  id: string;
  name?: string;
  address: string;
}

/// Where something of a kind is shown.
const ADDRESSES: Record<Exclude<Found['kind'], 'block'>, (id: string) => string> = {
  transaction: (hash) => p('/explorer/transaction/:hash', { params: { hash } }),
  account: (account) => p('/explorer/account/:account', { params: { account } }),
  offer: (offer) => p('/market/:offer', { params: { offer } }),
  agreement: (agreement) => p('/agreements/:agreement', { params: { agreement } }),
  meter: (meter) => p('/meters/:meter', { params: { meter } }),
  package: (id) => p('/packages/:package/:version', { params: { package: id, version: '1' } }),
  member: () => p('/consortium'),
  motion: () => p('/consortium'),
};

export async function find(wanted: string): Promise<Found[]> {
  const found: Found[] = [];
  const plain = wanted.replaceAll(/[,\s]/g, '');
  if (/^\d{1,12}$/.test(plain)) {
    const height = Number(plain);
    if (height >= 1 && height <= live.height) {
      found.push({ kind: 'block', id: plain, address: p('/explorer/block/:height', { params: { height: plain } }) });
    }
  }
  const named = people.known.filter(([, name]) => name.toLowerCase().includes(wanted.toLowerCase())).map(([id]) => id);
  // The demonstration's people are accounts, whether or not the reader may see more of them.
  const seats = new Set(people.seats?.people.map((each) => each.account));
  for (const id of named.filter((id) => seats.has(id))) found.push({ kind: 'account', id, name: people.nameOf(id), address: ADDRESSES.account(id) });
  const id = plain.toLowerCase();
  const beginnings = [...named.filter((id) => !seats.has(id)), ...(/^[0-9a-f]{4,64}$/.test(id) ? [id] : [])];
  for (const each of (await Promise.all(beginnings.map(beginningWith))).flat()) {
    // Published programs and indices have no page here: the command line shows them.
    if (each.kind !== 'program' && each.kind !== 'price_index' && !found.some((other) => other.id === each.id)) {
      found.push({ kind: each.kind, id: each.id, name: each.kind === 'package' ? packageName(each.id) : people.nameOf(each.id), address: ADDRESSES[each.kind](each.id) });
    }
  }
  return found;
}
