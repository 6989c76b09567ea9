// What people do in many journeys.

/// The words that a text of the catalogue begins with, before what is put into it.
export const before = (text) => new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`);

export async function sit(me, { node, t, settled }, name) {
  await me.page.goto(`${node}/seat`);
  await me.press(me.page.getByRole('button', { name: t.seat.sit(name), exact: true }));
  await me.page.waitForURL(`${node}/`);
  await settled(me, `home of ${name}`);
}

/// What is to be signed, as it is told: it says all this.
async function told({ page }, { expect, t }, reads) {
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: t.consent.sign }).waitFor();
  const shown = await dialog.innerText();
  for (const each of reads) expect(shown.includes(each), `what is to be signed says “${each}”: ${shown}`);
  return dialog;
}

/// Reads what is to be signed, and does not sign it.
export async function decline(me, world, reads) {
  const dialog = await told(me, world, reads);
  await me.press(dialog.getByRole('button', { name: world.t.common.cancel }));
  await dialog.waitFor({ state: 'hidden' });
}

/// Consents to what is shown, and waits for its outcome; then the dialog is put away.
export async function sign(me, world, reads = []) {
  const { t } = world;
  const dialog = await told(me, world, reads);
  await me.press(dialog.getByRole('button', { name: t.consent.sign }));
  await dialog.getByRole('listitem').filter({ hasText: t.consent.done }).waitFor();
  await dialog.getByRole('listitem').filter({ hasText: t.consent.proven }).waitFor();
  await me.press(dialog.getByRole('button', { name: t.common.close }));
  await dialog.waitFor({ state: 'hidden' });
  await me.landed('a signature');
}

export async function accountOf(node, name) {
  const { people } = await (await fetch(`${node}/seats.json`)).json();
  return people.find((each) => each.name === name).account;
}

export async function lastBill(node, asker, name) {
  const get = await asker(name);
  const { items } = await get(`/v1/statements?account=${await accountOf(node, name)}&limit=1000`);
  return items.filter((each) => each.kind === 'subscription').at(-1).statement;
}
