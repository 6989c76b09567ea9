// What people of the park do, from beginning to end, through the pages alone.

import fs from 'node:fs';
import path from 'node:path';

const HOUR = 3_600_000;

export async function journeys(world) {
  const all = [tenantVerifiesItsBill, aChangedBillIsNotCalledProven, theStateProvesABalance, anOfferIsQuotedAwardedAndAgreed, aTenantSubscribesAndPrepays, aKeyIsMadeSavedAndBroughtBack, theTenantVerifiesByKeyboardInChinese];
  for (const journey of all) {
    if (world.only && journey.name !== world.only) continue;
    const begun = Date.now();
    try {
      await journey(world);
    } catch (error) {
      world.expect(false, `${journey.name}: ${error.message.split('\n').slice(0, 6).join(' | ')}`);
    }
    console.log(`${journey.name} ${Date.now() - begun} ms`);
  }
}

async function sit(page, node, name) {
  await page.goto(`${node}/seat`);
  await page.getByRole('button', { name: `Sit as ${name}` }).click();
  await page.waitForURL(`${node}/`);
}

/// Consents to what is shown, and waits for its outcome.
async function sign(page) {
  await page.getByRole('button', { name: 'Sign and send' }).click();
  await page.getByRole('dialog').getByText('Done').waitFor();
}

async function lastBill(node, name) {
  const { people } = await (await fetch(`${node}/seats.json`)).json();
  const { account } = people.find((each) => each.name === name);
  const { items } = await (await fetch(`${node}/v1/statements?account=${account}&limit=1000`)).json();
  return items.filter((each) => each.kind === 'subscription').at(-1).statement;
}

async function tenantVerifiesItsBill({ node, person, settled, expect }) {
  const { context, page } = await person();
  await sit(page, node, 'hotel');
  await settled(page);
  await page.getByRole('link', { name: 'Bills', exact: true }).click();
  await page.locator('tbody tr', { hasText: 'Package' }).first().getByRole('link').click();
  await page.getByRole('button', { name: 'Verify this bill in this browser' }).click();
  await page.locator('[data-proven]').waitFor();
  const said = await page.locator('[data-proven]').innerText();
  expect(/certified readings/.test(said), 'a verified bill says how many certified readings it rests on');
  const took = Number(/Checked in (\d+) ms/.exec(said)?.[1]);
  console.log(`bill verified in ${took} ms`);
  await context.close();
}

async function aChangedBillIsNotCalledProven({ node, person, seat, settled, expect }) {
  const { context, page } = await person();
  const bill = await lastBill(node, 'hotel');
  // A node whose read model was changed by hand: it shows another amount than the members have signed.
  await page.route(`**/v1/statements/${bill.agreement}/${bill.number}`, async (route) => {
    const response = await route.fetch();
    const view = await response.json();
    view.statement.paid = '1.000000';
    const line = view.statement.lines.find((each) => each.amount);
    line.amount = '0.010000';
    await route.fulfill({ response, json: view });
  });
  await seat(page, 'hotel');
  await page.goto(`${node}/bills/${bill.agreement}/${bill.number}`);
  await settled(page);
  await page.getByRole('button', { name: 'Verify this bill in this browser' }).click();
  await page.locator('[data-different]').waitFor();
  expect((await page.locator('[data-proven]').count()) === 0, 'a changed bill is not called right');
  await context.close();
}

async function theStateProvesABalance({ node, person, seat, settled, expect }) {
  const { context, page } = await person();
  await page.route('**/v1/accounts/*', async (route) => {
    const response = await route.fetch();
    const view = await response.json();
    if (!route.request().url().includes('movements')) view.free = '99999999.000000';
    await route.fulfill({ response, json: view });
  });
  await seat(page, 'hotel');
  await page.goto(`${node}/money`);
  await settled(page);
  await page.getByRole('button', { name: /Verify in this browser: Balance/ }).click();
  const proven = page.locator('.notice.good', { hasText: 'Proven' });
  const refused = page.locator('.notice.bad', { hasText: 'Not proven' });
  await proven.or(refused).first().waitFor();
  const text = await proven.or(refused).first().innerText();
  expect(!text.includes('99,999,999.00 free'), 'a balance that the node makes up is not shown as proven');
  await context.close();
}

async function anOfferIsQuotedAwardedAndAgreed({ node, person, settled, expect }) {
  const owner = await person();
  const tenant = await person();
  await sit(owner.page, node, 'roof-east');
  await owner.page.getByRole('link', { name: 'Market', exact: true }).click();
  await owner.page.getByRole('link', { name: 'Publish an offer' }).click();
  const notice = `Test ${Date.now() % 1e6}`;
  await owner.page.getByLabel('Notice to the readers').fill(notice);
  await owner.page.getByLabel(/^Quantity/).fill('10');
  await owner.page.getByLabel(/^Asking price/).fill('0.62');
  const status = await (await fetch(`${node}/v1/status`)).json();
  const local = (time) => new Date(Math.ceil(time / HOUR) * HOUR + 8 * HOUR).toISOString().slice(0, 16);
  await owner.page.getByLabel('Gate closes').fill(local(status.time_ms + HOUR));
  await owner.page.getByLabel('Award until').fill(local(status.time_ms + 5 * HOUR));
  await owner.page.getByLabel('Delivery from').fill(local(status.time_ms + 6 * HOUR));
  await owner.page.getByLabel('Delivery to').fill(local(status.time_ms + 8 * HOUR));
  await owner.page.getByRole('button', { name: 'Review offer' }).click();
  await sign(owner.page);
  await owner.page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  await owner.page.getByRole('link', { name: 'See the offer' }).click();
  await settled(owner.page);
  const offer = owner.page.url();

  await sit(tenant.page, node, 'hotel');
  await tenant.page.goto(offer);
  await settled(tenant.page);
  await tenant.page.getByLabel(/^Quantity/).fill('4');
  await tenant.page.getByLabel(/^Your price/).fill('0.65');
  await tenant.page.getByRole('checkbox', { name: /^Binding/ }).uncheck();
  await tenant.page.getByRole('button', { name: 'Seal and review' }).click();
  await sign(tenant.page);
  await tenant.page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();

  // It arrives live, sealed.
  await owner.page.locator('tbody tr', { hasText: 'hotel' }).waitFor();
  expect((await owner.page.locator('tbody tr', { hasText: 'hotel' }).innerText()).includes('sealed'), 'a quote arrives sealed');

  await moveClock(owner.page, node, 'An hour', 2);
  await owner.page.goto(offer);
  await settled(owner.page);
  await owner.page.getByRole('button', { name: 'Open the quotes' }).click();
  await owner.page.getByRole('checkbox', { name: /^Choose: hotel/ }).check();
  await owner.page.getByRole('button', { name: 'Award and review' }).click();
  await sign(owner.page);

  await tenant.page.goto(`${node}/`);
  await tenant.page.getByRole('link', { name: 'Sign an agreement' }).first().click();
  await settled(tenant.page);
  await tenant.page.getByRole('button', { name: 'Sign', exact: true }).click();
  await sign(tenant.page);
  await tenant.page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  await tenant.page.locator('main .tag', { hasText: 'active' }).first().waitFor();
  await owner.context.close();
  await tenant.context.close();
}

async function moveClock(page, node, by, times = 1) {
  await page.goto(`${node}/seat`);
  for (let turn = 0; turn < times; turn += 1) {
    await page.getByRole('button', { name: by, exact: true }).click();
    await page.getByText(/It is now/).waitFor({ timeout: 60_000 });
  }
}

async function aTenantSubscribesAndPrepays({ node, person, settled, expect }) {
  const { context, page } = await person();
  await sit(page, node, 'hotel');
  await settled(page);
  await page.getByRole('link', { name: 'Prepay' }).first().click();
  await settled(page);
  const form = page.locator('section', { has: page.getByRole('heading', { name: 'Prepay electricity' }) });
  await form.getByLabel(/^Amount \(¥\)/).fill('50000');
  expect((await form.innerText()).includes('Discount'), 'what a prepayment earns is shown before it is signed');
  await form.getByRole('button', { name: 'Review prepayment' }).click();
  await sign(page);
  await context.close();
}

async function aKeyIsMadeSavedAndBroughtBack({ node, person, settled, expect, shots }) {
  const { context, page } = await person();
  await page.goto(`${node}/keys`);
  await settled(page);
  await page.getByLabel('Name').fill('test key');
  await page.getByLabel('Passphrase', { exact: true }).first().fill('correct horse battery');
  await page.getByLabel('Repeat the passphrase').fill('correct horse battery');
  await page.getByRole('button', { name: 'Make the key' }).click();
  await page.getByText('Your key is made').waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save the key file' }).click()]);
  fs.mkdirSync(shots, { recursive: true });
  const file = path.join(shots, 'test-key.json');
  await download.saveAs(file);
  const saved = JSON.parse(fs.readFileSync(file, 'utf8'));
  expect(saved.format === 1 && typeof saved.age === 'string', 'the saved file is the command line’s key file');
  await context.close();

  const other = await person();
  await other.page.goto(`${node}/keys`);
  await settled(other.page);
  await other.page.locator('#key-file').setInputFiles(file);
  await other.page.locator('#file-passphrase').fill('correct horse battery');
  await other.page.getByRole('button', { name: 'Open and keep' }).click();
  await other.page.getByText('saved outside this browser').waitFor();
  fs.rmSync(file);
  await other.context.close();
}

async function theTenantVerifiesByKeyboardInChinese({ node, person, settled, expect }) {
  const { context, page } = await person({ locale: 'zh-CN', width: 360, dark: true });
  /// Goes on with Tab until what has the focus has this name.
  const tabTo = async (name) => {
    for (let step = 0; step < 200; step += 1) {
      await page.keyboard.press('Tab');
      const focused = await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim() ?? '');
      if (name.test(focused)) return;
    }
    throw new Error(`no ${name} can be reached with Tab on ${page.url()}`);
  };
  await page.goto(`${node}/seat`);
  await settled(page);
  await tabTo(/以 hotel 入座/);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${node}/`);
  await settled(page);
  await tabTo(/全部账单/);
  await page.keyboard.press('Enter');
  await settled(page);
  await page.locator('tbody tr', { hasText: '能源套餐' }).first().waitFor();
  for (let step = 0; step < 60; step += 1) {
    await tabTo(/20\d\d/);
    if (await page.evaluate(() => document.activeElement?.closest('tr')?.textContent?.includes('能源套餐'))) break;
  }
  await page.keyboard.press('Enter');
  await settled(page);
  await tabTo(/在本浏览器中核验此账单/);
  await page.keyboard.press('Enter');
  await page.locator('[data-proven]').waitFor();
  expect((await page.locator('[data-proven]').innerText()).includes('此账单正确'), 'the verdict is in Chinese');
  await context.close();
}
