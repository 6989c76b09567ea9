// What people of the park do, from beginning to end, through the pages alone; each by mouse in English in a wide light window, and by
// keyboard alone in Chinese in a narrow dark one.

import fs from 'node:fs';
import path from 'node:path';
import { aChainOfMoneyHasNoSeats, aChangedBillIsNotCalledProven, aNodeThatLiesIsFoundOut, anOutcomeIsProven, anotherAddressIsAnotherThing, lie, signsNothing, theStateProvesABalance, whatCannotBeShownIsSaid } from './lies.mjs';
import { accountOf, before, decline, lastBill, sign, sit } from './steps.mjs';
import { INVENTED, foreign, hands, ways } from './ways.mjs';

const HOUR = 3_600_000;

export async function journeys(world) {
  const all = [tenantVerifiesItsBill, aChangedBillIsNotCalledProven, theStateProvesABalance, aNodeThatLiesIsFoundOut, aChainOfMoneyHasNoSeats, anOutcomeIsProven, anotherAddressIsAnotherThing, whatCannotBeShownIsSaid, anOfferIsQuotedAwardedAndAgreed, aTenantSubscribesAndPrepays, aKeyIsMadeSavedAndBroughtBack, aMeterOperatorProvesAReading, aMemberIsAdmitted, anythingIsFoundAndProven, whatIsOthersIsNotShown, aSupervisorLooksWithAReason, whatFailsIsSaidInTheReadersWords];
  const { people } = await (await fetch(`${world.node}/seats.json`)).json();
  for (const way of ways) {
    if (process.env.WAY && way.name !== process.env.WAY) continue;
    /// Somebody who goes about it in this way.
    const person = async () => {
      const { context, page } = await world.person(way);
      return { context, ...hands(page, way, world.expect) };
    };
    /// Waits until the page is there; it must be sound, and all its words of the reader's language.
    const settled = async ({ page }, what) => {
      await world.settled(page);
      await world.sound(page, `${what} ${way.name}`);
      if (way.language !== 'zh') return;
      const words = await foreign(page, [...people.map((each) => each.name), ...INVENTED]);
      world.expect(words.length === 0, `${what}: ${page.url()} is not all in Chinese: ${words.join(' ')}`);
    };
    for (const journey of all) {
      if (world.only && journey.name !== world.only) continue;
      const begun = Date.now();
      try {
        await journey({ ...world, person, settled, t: way.words, way });
      } catch (error) {
        world.expect(false, `${journey.name} ${way.name}: ${error.message.split('\n').slice(0, 6).join(' | ')}`);
      }
      console.log(`${journey.name} ${way.name} ${Date.now() - begun} ms`);
    }
  }
}

async function tenantVerifiesItsBill(world) {
  const { person, settled, expect, t } = world;
  const me = await person();
  const { page } = me;
  await sit(me, world, 'hotel');
  await me.go(t.nav.bills);
  await settled(me, 'bills');
  await me.press(page.locator('tbody tr', { hasText: t.kind.subscription }).first().getByRole('link'));
  await settled(me, 'bill');
  await me.press(page.getByRole('button', { name: t.bill.verify }));
  await page.locator('[data-proven]').waitFor();
  await settled(me, 'a verified bill');
  await me.press(page.getByRole('button', { name: t.bill.showReadings }));
  await me.press(page.getByRole('button', { name: `${t.proof.verify}: ${t.bill.readings}` }));
  await page.getByText(t.proof.holds).waitFor();
  await settled(me, 'a verified bill with its readings');
  const said = await page.locator('[data-proven]').innerText();
  expect(said.includes(t.bill.holds), 'the verdict is in the reader’s language');
  expect(/[1-9]/.test(said) && said.includes(t.bill.checkReadings('#').split('#')[1].slice(0, 6)), 'a verified bill says how many certified readings it rests on');
  const [head, tail] = t.bill.took('#').split('#');
  console.log(`bill verified in ${said.split(head).at(-1).split(tail)[0]} ms`);
  await me.context.close();
}

async function anOfferIsQuotedAwardedAndAgreed(world) {
  const { node, person, settled, expect, t, way } = world;
  const owner = await person();
  const tenant = await person();
  await sit(owner, world, 'roof-east');
  await owner.go(t.nav.market);
  await settled(owner, 'market');
  await owner.press(owner.page.getByRole('link', { name: t.market.publish }));
  await settled(owner, 'a new offer');
  await owner.fill(owner.page.getByLabel(t.market.name), `Test ${Date.now() % 1e6}`);
  await owner.fill(owner.page.getByLabel(t.naming.name), 'Test N7');
  await owner.fill(owner.page.getByLabel(before(`${t.market.quantity} (`)), '10');
  await owner.fill(owner.page.getByLabel(before(`${t.market.asking} (`)), '0.62');
  const status = await (await fetch(`${node}/v1/status`)).json();
  const local = (hours) => new Date(Math.ceil(status.time_ms / HOUR) * HOUR + (8 + hours) * HOUR).toISOString().slice(0, 13);
  for (const [field, hours] of [[t.market.gateAt, 1], [t.market.lapsesAt, 5], [t.market.deliveryFrom, 6], [t.market.deliveryTo, 8]]) await owner.time(owner.page.getByRole('group', { name: field, exact: true }), local(hours));
  // The calendar speaks the page's language, whatever the browser's own is.
  const gate = owner.page.getByRole('group', { name: t.market.gateAt, exact: true });
  await owner.press(gate.getByRole('button', { name: t.moment.calendar }));
  const month = await gate.locator('calendar-month [part~="heading"]').innerText();
  expect((way.language === 'zh') === month.includes('月'), `the calendar says ${month}`);
  await settled(owner, 'a calendar');
  await owner.press(gate.getByRole('button', { name: t.moment.calendar }));
  await owner.press(owner.page.getByRole('button', { name: t.market.review }));
  await sign(owner, world);
  await owner.press(owner.page.getByRole('link', { name: t.market.seeOffer }));
  await settled(owner, 'the owner’s offer');
  expect((await owner.page.getByRole('heading', { level: 1 }).innerText()) === 'Test N7', 'an offer has the name that its maker gave it');
  const offer = owner.page.url();

  await sit(tenant, world, 'hotel');
  await tenant.page.goto(offer);
  await settled(tenant, 'an offer');
  expect(!(await tenant.page.locator('main').innerText()).includes('Test N7'), 'a name stays in the browser of whoever gave it');
  const quote = async () => {
    await tenant.fill(tenant.page.getByLabel(before(`${t.market.want} (`)), '4');
    await tenant.fill(tenant.page.getByLabel(before(`${t.market.offerPrice} (`)), '0.65');
    await tenant.tick(tenant.page.getByRole('checkbox', { name: t.market.binding }));
    await tenant.press(tenant.page.getByRole('button', { name: t.market.seal }));
  };
  const said = `**/v1/offers/${offer.split('/').at(-1)}`;
  await signsNothing(tenant, world, 'an offer whose quotes would be sealed to another key', said, (view) => (view.offer.seal.owner = '11'.repeat(32)), quote);
  await quote();
  const bought = `${t.carrier.electricity} 4.0 kWh · ¥0.65/kWh`;
  await sign(tenant, world, [bought]);

  // It arrives live, sealed.
  const arrived = owner.page.locator('tbody tr', { hasText: 'hotel' });
  await arrived.waitFor();
  expect((await arrived.innerText()).includes(t.quoteStatus.submitted) || (await arrived.innerText()).includes(t.market.sealed), 'a quote arrives sealed');

  await moveClock(owner, world, t.seat.hour, 2);
  await owner.page.goto(offer);
  await settled(owner, 'an offer after its gate');
  const award = async () => {
    await owner.press(owner.page.getByRole('button', { name: t.market.openQuotes }));
    await owner.tick(owner.page.getByRole('checkbox', { name: `${t.market.choose}: hotel` }));
    await settled(owner, 'opened quotes');
    await owner.press(owner.page.getByRole('button', { name: t.market.award }));
  };
  await signsNothing(owner, world, 'an offer of something else', said, (view) => (view.offer.lots[0].carrier = 'cooling'), award);
  await award();
  await sign(owner, world, [bought, t.terms.window]);

  await tenant.page.goto(`${node}/`);
  await tenant.press(tenant.page.getByRole('link', { name: t.todo.sign }).first());
  await settled(tenant, 'an agreement to sign');
  // Who the parties are is said by what is signed, and by nothing beside it.
  await tenant.page.route('**/v1/agreements/*/trace?*', lie(({ agreement }) => Object.assign(agreement, { owner: agreement.user, user: agreement.owner })));
  await tenant.page.reload();
  await settled(tenant, 'an agreement with the parties turned round');
  const volume = t.agreement.clause.volume('roof-east', 'hotel');
  await tenant.page.getByText(volume).waitFor();
  await tenant.press(tenant.page.getByRole('button', { name: t.agreement.sign, exact: true }));
  await sign(tenant, world, [bought, `${t.agreement.seller}\nroof-east (`]);
  await tenant.page.unroute('**/v1/agreements/*/trace?*');
  await tenant.page.locator('main .tag', { hasText: t.status.active }).first().waitFor();
  await settled(tenant, 'a signed agreement');
  await owner.context.close();
  await tenant.context.close();
}

async function moveClock(me, { node, t, settled }, by, times = 1) {
  await me.page.goto(`${node}/seat`);
  await settled(me, 'seats');
  for (let turn = 0; turn < times; turn += 1) {
    await me.press(me.page.getByRole('button', { name: by, exact: true }));
    await me.page.getByRole('status').getByText(before(t.seat.moved('#').split('#')[0])).waitFor({ timeout: 60_000 });
    await me.landed('the clock has moved');
  }
}

async function aTenantSubscribesAndPrepays(world) {
  const { node, person, asker, settled, expect, t } = world;
  const me = await person();
  const { page } = me;
  await sit(me, world, 'hotel');
  await me.press(page.getByRole('link', { name: t.home.topUp }).first());
  await settled(me, 'prepaying');
  const form = page.locator('section', { has: page.getByRole('heading', { name: t.prepay.choose(t.carrier.electricity) }) });
  await me.fill(form.getByRole('textbox', { name: t.prepay.amount }), '50000');
  expect((await form.innerText()).includes(t.prepay.discount), 'what a prepayment earns is shown before it is signed');
  await me.press(form.getByRole('button', { name: t.prepay.review }));
  await sign(me, world);
  await settled(me, 'a prepaid agreement');

  const get = await asker('hotel');
  const [{ id, package: { version } }] = (await get('/v1/packages?limit=1')).items;
  await page.goto(`${node}/packages/${id}/${version}`);
  await settled(me, 'a package');
  const review = () => me.press(page.getByRole('button', { name: t.package.review }));
  const cheap = ({ package: { options } }) => options.forEach(({ tariff }) => tariff.metered && (tariff.metered.price.money = '0.080000'));
  await signsNothing(me, world, 'a package at another price', `**/v1/packages/${id}/${version}`, cheap, review);
  // Of several meters it is the one that a package bills already.
  const [{ terms }] = (await get(`/v1/agreements?account=${await accountOf(node, 'hotel')}&kind=subscription&status=active&limit=1`)).items;
  const { meter } = terms.program.subscription.services.find((each) => each.carrier === 'electricity');
  await review();
  await decline(me, world, [`${t.market.meter}: ${meter.slice(0, 8)}…${meter.slice(-4)}`, t.agreement.clause.metered('#').split('#')[0], t.carrier.electricity]);
  await me.context.close();
}

async function aKeyIsMadeSavedAndBroughtBack({ node, person, settled, expect, shots, t }) {
  const me = await person();
  await makeKey(me, { node, settled, t }, 'test key');
  const [download] = await Promise.all([me.page.waitForEvent('download'), me.press(me.page.getByRole('button', { name: t.keys.backUp }))]);
  fs.mkdirSync(shots, { recursive: true });
  const file = path.join(shots, 'test-key.json');
  await download.saveAs(file);
  const saved = JSON.parse(fs.readFileSync(file, 'utf8'));
  expect(saved.format === 1 && typeof saved.age === 'string', 'the saved file is the command line’s key file');
  await me.context.close();

  const other = await person();
  const form = other.page.getByRole('region', { name: t.keys.import });
  await other.page.goto(`${node}/keys`);
  const [chooser] = await Promise.all([other.page.waitForEvent('filechooser'), other.press(form.getByLabel(t.keys.file))]);
  await chooser.setFiles(file);
  await other.fill(form.getByLabel(t.keys.passphrase, { exact: true }), 'correct horse battery');
  await other.press(form.getByRole('button', { name: t.keys.importGo }));
  await other.page.getByText(t.keys.backedUp, { exact: true }).waitFor();
  await settled(other, 'a key brought back');
  fs.rmSync(file);
  await other.context.close();
}

async function makeKey(me, { node, settled, t }, name) {
  await me.page.goto(`${node}/keys`);
  await settled(me, 'keys');
  const form = me.page.getByRole('region', { name: t.keys.create });
  await me.fill(form.getByLabel(t.keys.name, { exact: true }), name);
  await me.fill(form.getByLabel(t.keys.passphrase, { exact: true }), 'correct horse battery');
  await me.fill(form.getByLabel(t.keys.repeat), 'correct horse battery');
  await me.press(form.getByRole('button', { name: t.keys.make }));
  await me.page.getByText(t.keys.created).waitFor();
  await settled(me, 'a made key');
}

async function aMeterOperatorProvesAReading(world) {
  const { person, settled, t } = world;
  const me = await person();
  await sit(me, world, 'meter-operator');
  await me.go(t.nav.meters);
  await settled(me, 'meters');
  await me.press(me.page.locator('tbody tr').first().getByRole('link'));
  await settled(me, 'meter');
  await me.press(me.page.getByRole('button', { name: before(`${t.proof.verify}: ${t.meter.trading}`) }));
  await me.page.getByText(t.proof.holds).waitFor();
  await settled(me, 'a proven reading');
  await me.context.close();
}

/// A new member makes its key and hands its first account to a member of the council, which moves that it be admitted.
async function aMemberIsAdmitted(world) {
  const { node, person, settled, t } = world;
  const newcomer = await person();
  await makeKey(newcomer, world, 'new member');
  const first = await newcomer.page.locator('.notice', { hasText: t.keys.admit }).locator('code').innerText();
  const { people } = await (await fetch(`${node}/seats.json`)).json();
  const admin = await person();
  await sit(admin, world, people.find((each) => each.roles.includes('validator')).name);
  await admin.go(t.nav.consortium);
  await settled(admin, 'consortium');
  await admin.fill(admin.page.getByLabel(t.consortium.admitAccount), first);
  await admin.press(admin.page.getByRole('button', { name: t.consortium.admitGo }));
  await sign(admin, world);
  const motion = admin.page.getByRole('article', { name: t.council.decision.admit_member }).first();
  await motion.getByText(t.council.status.carried, { exact: true }).waitFor();
  await settled(admin, 'an admission');
  // As if it were open still: what is voted on is what was moved, whatever the node shows.
  const vote = () => admin.press(admin.page.getByRole('button', { name: t.council.voteFor }).first());
  const open = ({ items: [newest] }) => Object.assign(newest, { status: 'open' });
  const another = (page) => (open(page).decision = { remove_member: { member: page.items[0].decision.admit_member.account.member } });
  await signsNothing(admin, world, 'a motion that was not moved', '**/v1/motions?*', another, vote);
  await admin.page.route('**/v1/motions?*', lie(open));
  await admin.page.reload();
  await settled(admin, 'an open motion');
  await vote();
  await decline(admin, world, [t.council.decision.admit_member, t.council.inFavour]);
  await newcomer.context.close();
  await admin.context.close();
}

async function anythingIsFoundAndProven(world) {
  const { node, person, settled, asker, t } = world;
  const get = await asker('hotel');
  const { items } = await get(`/v1/accounts/${await accountOf(node, 'hotel')}/movements?limit=1000`);
  const hash = items.map((each) => each.cause.transaction).findLast(Boolean);
  const me = await person();
  const { page } = me;
  await sit(me, world, 'hotel');
  await me.go(t.nav.explorer);
  await settled(me, 'explorer');
  await me.fill(page.getByLabel(t.explorer.search, { exact: true }), hash);
  // What stands in a form is sent with Enter, too.
  await page.keyboard.press('Enter');
  await page.waitForURL(`${node}/explorer/transaction/${hash}`);
  await settled(me, 'transaction');
  await me.press(page.getByRole('button', { name: `${t.proof.verify}: ${t.explorer.transaction}` }));
  await page.getByText(t.explorer.provenTransaction).waitFor();
  await settled(me, 'a proven transaction');
  await me.press(page.locator('dl').getByRole('link', { name: /^[\d,]+$/ }));
  await page.waitForURL(/block/);
  await settled(me, 'block');
  await me.press(page.getByRole('link', { name: t.explorer.previous }));
  await settled(me, 'the block before');
  await me.context.close();
}

async function whatIsOthersIsNotShown(world) {
  const { node, person, asker, settled, expect, t } = world;
  const bill = await lastBill(node, asker, 'hotel');
  const nobody = await person();
  await nobody.page.goto(`${node}/bills/${bill.agreement}/${bill.number}`);
  await settled(nobody, 'another’s bill');
  await nobody.page.getByText(t.seat.needed).waitFor();
  await nobody.go(t.nav.explorer);
  await settled(nobody, 'explorer');
  expect((await nobody.page.locator('tbody tr').count()) > 0, 'blocks are shown to everybody');
  await nobody.context.close();

  const owner = await person();
  await sit(owner, world, 'roof-east');
  await owner.page.goto(`${node}/explorer/account/${await accountOf(node, 'hotel')}`);
  await settled(owner, 'another’s account');
  await owner.page.getByText(t.account.notYours).waitFor();
  expect((await owner.page.getByRole('heading', { name: t.money.balance, exact: true }).count()) === 0, 'a balance is shown to its member alone');
  await owner.context.close();
}

async function aSupervisorLooksWithAReason(world) {
  const { person, settled, t } = world;
  const me = await person();
  const { page } = me;
  await sit(me, world, 'supervisor');
  await me.go(t.nav.oversight);
  await settled(me, 'oversight');
  const reason = `complaint ${Date.now() % 1e6}`;
  await me.fill(page.getByLabel(t.oversight.why, { exact: true }), reason);
  await me.press(page.getByRole('button', { name: t.oversight.go }));
  await page.getByRole('heading', { name: `${t.oversight.seen}: ${t.oversight.categories.meters}` }).waitFor();
  await page.getByRole('group', { name: t.meter.title }).locator('tbody tr').first().waitFor();
  // The log says it at once, to all members.
  await page.locator('tbody tr', { hasText: reason }).waitFor();
  await settled(me, 'a supervisor’s look');
  // One case is followed over the app's pages, until the look has ended.
  await page.getByLabel(t.oversight.category, { exact: true }).selectOption('trade');
  await me.fill(page.getByLabel(t.oversight.why, { exact: true }), reason);
  await me.press(page.getByRole('button', { name: t.oversight.go }));
  const agreements = page.getByRole('group', { name: t.oversight.agreements });
  await me.press(agreements.getByRole('link', { name: before(t.kind.purchase) }).first());
  await settled(me, 'an agreement that a supervisor looks at');
  await page.getByRole('heading', { name: t.agreement.text }).waitFor();
  await me.go(t.nav.oversight);
  await me.press(page.getByRole('button', { name: t.oversight.stop }));
  await agreements.waitFor({ state: 'detached' });
  await me.context.close();
}

/// A file that is no key, a passphrase that is another's, an answer that is no node's, no answer: each says what it is, and what to do.
async function whatFailsIsSaidInTheReadersWords(world) {
  const { node, person, seat, settled, t } = world;
  const me = await person();
  const { page } = me;
  await makeKey(me, world, 'test key');
  const form = page.getByRole('region', { name: t.keys.import });
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), me.press(form.getByLabel(t.keys.file))]);
  await chooser.setFiles({ name: 'test-key.json', mimeType: 'application/json', buffer: Buffer.from('{"format":1}') });
  await me.fill(form.getByLabel(t.keys.passphrase, { exact: true }), 'correct horse battery');
  await me.press(form.getByRole('button', { name: t.keys.importGo }));
  await page.getByText(t.trouble.keyFile.what).waitFor();
  await settled(me, 'a file that is no key');

  // The chain does not know the account yet: that is said, and where to go.
  await page.goto(`${node}/money`);
  await page.getByText(t.seat.unopened).waitFor();
  await settled(me, 'an account that is not open');

  // A page that is loaded anew has no open key.
  await page.evaluate(() => sessionStorage.clear());
  await page.goto(`${node}/money`);
  await me.fill(page.getByLabel(t.keys.unlockToSee), 'correct horse batterie');
  await me.press(page.getByRole('button', { name: t.keys.unlock, exact: true }));
  await page.getByText(t.trouble.passphrase.what).waitFor();
  await settled(me, 'a wrong passphrase');

  await seat(page, 'hotel');
  await page.route('**/v1/statements?*', (route) => route.fulfill({ contentType: 'text/html', body: '<title>Sign in to this network</title>' }));
  await page.goto(`${node}/bills`);
  await page.getByText(t.trouble.wrongAnswer.what).waitFor();
  await settled(me, 'an answer that is no node’s');

  page.cutOff = true;
  await page.route('**/v1/statements?*', (route) => route.abort());
  await me.press(page.getByRole('button', { name: t.common.again }));
  await page.getByText(t.trouble.offline.what).waitFor();
  await settled(me, 'no answer');
  await me.context.close();
}
