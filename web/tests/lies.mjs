// A node that was changed by hand: nothing that it says otherwise than the members have signed is called proven, and what they have signed
// is shown in its place.

import { accountOf, before, decline, lastBill, sign, sit } from './steps.mjs';

/// What the node answers, changed.
export const lie = (change) => async (route) => {
  const response = await route.fetch();
  const body = await response.json();
  change(body);
  await route.fulfill({ response, json: body });
};

/// Asks for a signature on a page about whose subject the node lies: there is none to be had.
export async function signsNothing(me, { settled, expect, t }, what, asked, change, ask) {
  const { page } = me;
  await page.route(asked, lie(change));
  await page.reload();
  await settled(me, what);
  await ask();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(t.trouble.differs.what).waitFor();
  expect((await dialog.getByRole('button', { name: t.consent.sign }).count()) === 0, `nothing is signed about ${what}`);
  await me.press(dialog.getByRole('button', { name: t.common.close }));
  await page.unroute(asked);
  await page.reload();
  await settled(me, `not ${what}`);
}

export async function aChangedBillIsNotCalledProven({ node, person, seat, asker, settled, expect, t }) {
  const me = await person();
  const { page } = me;
  const bill = await lastBill(node, asker, 'hotel');
  // A node whose read model was changed by hand: it shows another amount than the members have signed.
  await page.route(`**/v1/statements/${bill.agreement}/${bill.number}`, async (route) => {
    const response = await route.fetch();
    const view = await response.json();
    view.statement.paid = '1.000000';
    const line = view.statement.lines.find((each) => each.amount);
    line.amount = '0.010000';
    Object.assign(view, { owner: '0'.repeat(64), kind: 'coded' });
    view.cause.height += 1_000_000;
    await route.fulfill({ response, json: view });
  });
  await seat(page, 'hotel');
  await page.goto(`${node}/bills/${bill.agreement}/${bill.number}`);
  await me.press(page.getByRole('button', { name: t.bill.verify }));
  await page.locator('[data-different]').waitFor();
  await settled(me, 'a changed bill');
  expect((await page.locator('[data-proven]').count()) === 0, 'a changed bill is not called right');
  const facts = await page.locator('dl.facts').first().innerText();
  expect(!facts.includes('00000000') && facts.includes(t.kind.subscription), 'a changed bill is shown with the parties and the agreement that were signed');
  expect(await page.getByText(t.bill.where('#', '#').split('#')[0]).last().innerText().then((where) => !/[\d,]{9}/.test(where)), 'a changed bill is shown in the block that issued it');
  await me.context.close();
}

export async function theStateProvesABalance({ node, person, seat, settled, expect, t }) {
  const me = await person();
  const { page } = me;
  await page.route('**/v1/accounts/*', async (route) => {
    const response = await route.fetch();
    const view = await response.json();
    if (!route.request().url().includes('movements')) view.free = '99999999.000000';
    await route.fulfill({ response, json: view });
  });
  await seat(page, 'hotel');
  await page.goto(`${node}/money`);
  await me.press(page.getByRole('button', { name: `${t.proof.verify}: ${t.money.balance}` }));
  await page.getByText(t.trouble.differs.what).waitFor();
  await settled(me, 'a balance that the node makes up');
  const shown = await page.locator('section', { has: page.locator('.figure-large') }).first().innerText();
  expect(!shown.includes('99,999,999.00'), 'what the members have signed is shown in the place of what the node makes up');
  // A proof of an earlier time than this browser knows of proves no present balance.
  await page.evaluate(() => localStorage.setItem('utilidor/newest-proven', '999999999'));
  await me.press(page.getByRole('button', { name: `${t.proof.verify}: ${t.money.balance}` }));
  await page.getByText(t.trouble.oldProof.what).waitFor();
  await me.context.close();
}

/// A node that was changed by hand: nothing that it shows otherwise than the members have signed is called proven.
export async function aNodeThatLiesIsFoundOut({ node, person, seat, asker, expect, t }) {
  const bill = await lastBill(node, asker, 'hotel');
  const get = await asker('hotel');
  const { items } = await get(`/v1/accounts/${await accountOf(node, 'hotel')}/movements?limit=1000`);
  const hash = items.map((each) => each.cause.transaction).findLast(Boolean);
  const [{ certificate: reading }] = (await get(`/v1/statements/${bill.agreement}/${bill.number}/readings?limit=1`)).items;
  const me = await person();
  const { page } = me;
  await seat(page, 'hotel');
  const check = (what) => page.getByRole('button', { name: before(`${t.proof.verify}: ${what}`) });
  const changed = (page) => page.items.forEach((each) => (each.certificate.quantity = String(BigInt(each.certificate.quantity) + 36_000_000n)));
  const latest = page.getByRole('group', { name: t.meter.latest }).locator('tbody tr').first();
  await page.goto(`${node}/meters/${reading.meter}`);
  const signed = await latest.innerText();
  const another = async (route) => route.fulfill({ response: await route.fetch({ url: `${node}/v1/certificates/${reading.id}/proof` }) });
  const [{ differs, otherProof }, readings] = [t.trouble, `/v1/statements/${bill.agreement}/${bill.number}/readings`];
  for (const [what, address, asked, answer, press, says] of [
    ['a reading', `/meters/${reading.meter}`, '**/v1/meters/*/certificates?*', lie(changed), [check(t.meter.trading)], differs],
    ['the proof of another reading', `/meters/${reading.meter}`, '**/v1/certificates/*/proof', another, [check(t.meter.trading)], otherProof],
    ['what a meter counts', `/meters/${reading.meter}`, `**/v1/meters/${reading.meter}`, lie((view) => (view.carrier = 'water')), [check(t.meter.trading)], differs],
    ['who asked', `/explorer/transaction/${hash}`, `**/v1/transactions/${hash}`, lie((view) => (view.account = '0'.repeat(64))), [check(t.explorer.transaction)], differs],
    ['when it came', `/explorer/transaction/${hash}`, `**/v1/transactions/${hash}`, lie((view) => (view.time_ms += 1)), [check(t.explorer.transaction)], differs],
    ['a bill’s readings', `/bills/${bill.agreement}/${bill.number}`, `**${readings}?*`, lie(changed), [page.getByRole('button', { name: t.bill.showReadings }), check(t.bill.readings)], differs],
    ['who signed a bill’s readings', `/bills/${bill.agreement}/${bill.number}`, `**${readings}?*`, lie((page) => page.items.forEach((each) => (each.signed_by = 'device'))), [page.getByRole('button', { name: t.bill.showReadings }), check(t.bill.readings)], differs],
    ['what a bill’s meters count', `/bills/${bill.agreement}/${bill.number}`, `**/v1/meters/${reading.meter}`, lie((view) => (view.carrier = 'water')), [page.getByRole('button', { name: t.bill.showReadings }), check(t.bill.readings)], differs],
  ]) {
    await page.route(asked, answer);
    await page.goto(`${node}${address}`);
    for (const button of press) await me.press(button);
    await page.getByText(t.proof.holds).or(page.getByText(says.what)).first().waitFor();
    expect(await page.getByText(says.what).isVisible(), `a node that lies about ${what} is found out`);
    if (says === differs && address.startsWith('/meters')) expect((await latest.innerText()) === signed, `what was signed stands in the place of a lie about ${what}`);
    await page.unroute(asked);
  }
  await page.route(`**/v1/transactions/${hash}`, lie((view) => (view.receipt.verdict = { refused: null, applied: [] })));
  await page.goto(`${node}/explorer/transaction/${hash}`);
  await page.getByText(t.trouble.wrongAnswer.what).waitFor();
  await me.context.close();
}

/// What a node says of the kind of its chain is believed until the chain is checked.
export async function aChainOfMoneyHasNoSeats({ node, person, asker, expect, t }) {
  const get = await asker('hotel');
  const { items } = await get(`/v1/accounts/${await accountOf(node, 'hotel')}/movements?limit=1000`);
  const me = await person();
  const { page } = me;
  let asked = 0;
  await page.route('**/v1/genesis', async (route) => {
    const response = await route.fetch();
    const genesis = await response.json();
    if (asked++) genesis.kind = 'production';
    await route.fulfill({ response, json: genesis });
  });
  await page.goto(`${node}/explorer/transaction/${items.map((each) => each.cause.transaction).findLast(Boolean)}`);
  const by = page.locator('main dl').getByRole('link').first();
  expect(!(await by.innerText()).includes('…'), 'a chain that is said to be for development has names');
  await me.press(page.getByRole('button', { name: `${t.proof.verify}: ${t.explorer.transaction}` }));
  await page.getByText(t.proof.fails).waitFor();
  expect((await by.innerText()).includes('…'), 'a chain that is not for development has no seats and no names, whatever the node has said before');
  await me.context.close();
}

/// Of what was signed a node tells an outcome: the members' signatures are looked for at once.
export async function anOutcomeIsProven(world) {
  const { node, person, settled, expect, t } = world;
  const me = await person();
  const { page } = me;
  await sit(me, world, 'hotel');
  const pay = async () => {
    await page.goto(`${node}/money`);
    await me.fill(page.getByLabel(t.money.to, { exact: true }), await accountOf(node, 'roof-east'));
    await me.fill(page.getByLabel(t.money.amount, { exact: true }), '0.01');
    await me.press(page.getByRole('button', { name: t.money.review }));
  };
  // However far the node says that the chain has come: what is signed counts for some blocks beyond what the members have signed.
  await page.route('**/v1/status', lie((status) => (status.height += 1_000_000)));
  await pay();
  const says = page.getByRole('dialog').locator('pre');
  expect(JSON.parse(await says.textContent()).expires < 1_000_000, 'a node does not say for how long a signature counts');
  await page.unroute('**/v1/status');
  await sign(me, world);
  for (const [what, asked, answer] of [
    ['another block', '**/v1/transactions?*', async (route) => {
      const response = await route.fetch();
      const body = await response.json();
      body.results[0].height += 1;
      await route.fulfill({ response, json: body });
    }],
    ['no proof', '**/v1/transactions/*/proof', (route) => route.fulfill({ json: {} })],
  ]) {
    await pay();
    await page.route(asked, answer);
    const dialog = page.getByRole('dialog');
    await me.press(dialog.getByRole('button', { name: t.consent.sign }));
    await dialog.locator('[data-unproven]').waitFor();
    await settled(me, `an outcome with ${what}`);
    const told = await dialog.innerText();
    expect(told.includes(t.consent.proven) === told.includes(t.trouble.differs.what), `an outcome with ${what} is not called proven, or the members’ is shown`);
    await me.press(dialog.getByRole('button', { name: t.common.close }));
    await page.unroute(asked);
  }
  // What was sent may be carried out, whatever a node says of it: who signs next is told first that it was.
  await pay();
  await page.route('**/v1/transactions?*', async (route) => {
    const response = await route.fetch();
    const { hash } = (await response.json()).results[0];
    await route.fulfill({ response, json: { results: [{ hash, problem: { code: 'transaction/malformed', title: 'no', status: 400 } }] } });
  });
  {
    const dialog = page.getByRole('dialog');
    await me.press(dialog.getByRole('button', { name: t.consent.sign }));
    await dialog.getByText(t.consent.notTaken).waitFor();
    await me.press(dialog.getByRole('button', { name: t.common.close }));
    await page.unroute('**/v1/transactions?*');
    await pay();
    await dialog.getByText(t.trouble.carriedOut.what).waitFor();
    await settled(me, 'a payment of which the node has said that it was not taken');
    expect((await dialog.getByRole('link', { name: t.consent.see }).count()) === 1, 'what was carried out all the same can be looked at');
    await me.press(dialog.getByRole('button', { name: t.common.close }));
    await pay();
    await decline(me, world, []);
  }
  // Whoever closes the dialog before the proof has come is told all the same.
  await pay();
  let hold = () => {};
  const held = new Promise((free) => (hold = free));
  await page.route('**/v1/transactions/*/proof', async (route) => {
    await held;
    await route.fulfill({ json: {} });
  });
  const dialog = page.getByRole('dialog');
  await me.press(dialog.getByRole('button', { name: t.consent.sign }));
  await me.press(dialog.getByRole('button', { name: t.common.close }));
  await dialog.waitFor({ state: 'hidden' });
  hold();
  await dialog.locator('[data-unproven]').waitFor();
  expect((await dialog.innerText()).includes(t.consent.unproven), 'an outcome that was closed before its proof failed is told again');
  await me.press(dialog.getByRole('button', { name: t.common.close }));
  await me.context.close();
}

/// What was shown and proven of one thing does not stand under the address of another one, of which the node tells nothing.
export async function anotherAddressIsAnotherThing(world) {
  const { node, person, seat, asker, settled, expect, t } = world;
  const get = await asker('hotel');
  const { items } = await get(`/v1/accounts/${await accountOf(node, 'hotel')}/movements?limit=1000`);
  const [one, other] = [...new Set(items.map((each) => each.cause.transaction).filter(Boolean))];
  const me = await person();
  const { page } = me;
  await seat(page, 'hotel');
  await page.goto(`${node}/explorer`);
  for (const hash of [one, other]) {
    await me.go(t.nav.explorer);
    await me.fill(page.getByLabel(t.explorer.search, { exact: true }), hash);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${node}/explorer/transaction/${hash}`);
  }
  await me.press(page.getByRole('button', { name: `${t.proof.verify}: ${t.explorer.transaction}` }));
  await page.getByText(t.proof.holds).waitFor();
  // The page of the first one is still the router's when it is come back to; the node is silent.
  await page.route(`**/v1/transactions/${one}`, (route) => route.fulfill({ contentType: 'text/html', body: '' }));
  await page.evaluate(() => history.go(-2));
  await page.waitForURL(`${node}/explorer/transaction/${one}`);
  await page.getByText(t.trouble.wrongAnswer.what).waitFor();
  await settled(me, 'a transaction of which the node tells nothing');
  expect(!(await page.locator('main').innerText()).includes(t.proof.holds), 'what was proven of one transaction does not stand under another one’s address');
  await me.context.close();
}

/// An answer that pages are not made of: that is said, and other pages go on; a list that has no end is read for a while.
export async function whatCannotBeShownIsSaid(world) {
  const { node, person, seat, asker, settled, expect, t } = world;
  const bill = await lastBill(node, asker, 'hotel');
  const me = await person();
  const { page } = me;
  await seat(page, 'hotel');
  await page.route(`**/v1/statements/${bill.agreement}/${bill.number}`, lie((view) => (view.statement.period.from = 1e300)));
  await page.goto(`${node}/bills/${bill.agreement}/${bill.number}`);
  await page.getByText(t.trouble.wrongAnswer.what).waitFor();
  await settled(me, 'a bill of no time');
  let asked = 0;
  await page.route('**/v1/accounts/*/movements?*', (route) => {
    asked += 1;
    return route.fulfill({ json: { items: [], next: 'abc' } });
  });
  await page.goto(`${node}/money`);
  await page.locator('[data-cut]').waitFor({ timeout: 60_000 });
  await settled(me, 'a list without an end');
  expect(asked < 2_000, `a list without an end was asked for ${asked} times`);
  await me.context.close();
}
