// What people do in many journeys.

/// The words that a text of the catalogue begins with, before what is put into it.
export const before = (text) => new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`);

export async function sit(me, { node, t, settled }, name) {
  await me.page.goto(`${node}/seat`);
  await me.press(me.page.getByRole('button', { name: t.seat.sit(name), exact: true }));
  await me.page.waitForURL(`${node}/`);
  await settled(me, `home of ${name}`);
}

/// Consents to what is shown, and waits for its outcome; then the dialog is put away.
export async function sign(me, { t }) {
  const dialog = me.page.getByRole('dialog');
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
