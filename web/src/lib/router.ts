// Every page has an address.

import { createRouter } from 'sv-router';
import First from '../pages/First.svelte';
import Missing from '../pages/Missing.svelte';

export const { p, navigate, isActive, route } = createRouter({
  '/': First,
  '/energy': () => import('../pages/Energy.svelte'),
  '/bills': () => import('../pages/Bills.svelte'),
  '/bills/:agreement/:number': () => import('../pages/Bill.svelte'),
  '/money': () => import('../pages/Money.svelte'),
  '/market': () => import('../pages/Market.svelte'),
  '/market/new': () => import('../pages/NewOffer.svelte'),
  '/market/:offer': () => import('../pages/Offer.svelte'),
  '/agreements': () => import('../pages/Agreements.svelte'),
  '/agreements/:agreement': () => import('../pages/Agreement.svelte'),
  '/packages': () => import('../pages/Packages.svelte'),
  '/packages/:package/:version': () => import('../pages/Package.svelte'),
  '/meters': () => import('../pages/Meters.svelte'),
  '/meters/:meter': () => import('../pages/Meter.svelte'),
  '/oversight': () => import('../pages/Oversight.svelte'),
  '/consortium': () => import('../pages/Consortium.svelte'),
  '/explorer': () => import('../pages/Explorer.svelte'),
  '/explorer/block/:height': () => import('../pages/Block.svelte'),
  '/explorer/transaction/:hash': () => import('../pages/Transaction.svelte'),
  '/explorer/account/:account': () => import('../pages/Account.svelte'),
  '/explorer/refusals': () => import('../pages/Refusals.svelte'),
  '/keys': () => import('../pages/Keys.svelte'),
  '/seat': () => import('../pages/Seats.svelte'),
  '*': Missing,
});
