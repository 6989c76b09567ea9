// What waits for somebody: the first thing that the first page says.

import { type Schemas, answer, api, whole } from '../api/client';
import { micro } from './amount';
import { money } from './format';
import { people } from './people.svelte';
import { agreementsOf } from './retail';
import { p } from './router';
import { text } from './text.svelte';

export interface ToDo {
  what: string;
  why: string;
  address: string;
  urgent: boolean;
}

export async function toDos(account: string): Promise<ToDo[]> {
  const [{ items: agreements }, offers] = await Promise.all([agreementsOf(account), awarding(account)]);
  const t = text.t.todo;
  const found: ToDo[] = [];
  for (const agreement of agreements) {
    const address = p('/agreements/:agreement', { params: { agreement: agreement.agreement } });
    const signed = agreement.steps?.some((step) => step.step === 'signed' && step.account === account);
    if (agreement.status === 'proposed' && !signed) {
      const who = agreement.owner === account ? agreement.user : agreement.owner;
      found.push({ what: t.sign, why: t.signWhy(people.called(who)), address, urgent: true });
    }
    for (const debt of agreement.debts ?? []) {
      if (debt.account === account && micro(debt.owes) > 0n) {
        found.push({ what: t.owe(money(debt.owes)), why: t.oweWhy, address, urgent: true });
      }
    }
  }
  for (const offer of offers) {
    found.push({
      what: t.award,
      why: t.awardWhy(offer.quotes),
      address: p('/market/:offer', { params: { offer: offer.id } }),
      urgent: false,
    });
  }
  if (people.key && !people.key.backedUp) found.push({ what: t.backUp, why: t.backUpWhy, address: p('/keys'), urgent: true });
  return found;
}

async function awarding(owner: string): Promise<Schemas['OfferView'][]> {
  if (!people.has('owner')) return [];
  const items = await whole((cursor) =>
    answer(api.GET('/v1/offers', { params: { query: { owner, status: 'awarding', cursor, limit: 1000 } } })),
  );
  return items.filter((offer) => offer.quotes > 0);
}
