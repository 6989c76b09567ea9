// The app in Debian's Chromium on a real node: journeys of the park's people, and a tour of every page.
//
//   node tests/browser.mjs http://localhost:4680 [tour|journeys]
//
// Screenshots land in `shots/`. Every page, in both languages, at three widths, in light and dark: no rule of accessibility is
// broken (axe), nothing scrolls sideways, the console stays empty.

import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { journeys } from './journeys.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const [node = 'http://localhost:4680', part = 'all', only] = process.argv.slice(2);
const shots = path.join(here, '..', 'shots');
const axe = fs.readFileSync(path.join(here, '..', 'node_modules', 'axe-core', 'axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'];

const faults = [];
let checks = 0;
function expect(holds, sentence) {
  checks += 1;
  if (holds) return;
  faults.push(sentence);
  console.error(`FAULT ${sentence}`);
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
});

/// A fresh browser of a person: language, width, colours.
async function person({ locale = 'en-GB', width = 1280, dark = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, locale, colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce', acceptDownloads: true });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => expect(false, `${page.url()}: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') expect(false, `${page.url()}: console says ${message.text()}`);
  });
  return { context, page };
}

/// Takes a seat without the page, as a reload would find it.
async function seat(page, name) {
  await page.goto(node);
  await page.evaluate(async (name) => {
    const { people } = await (await fetch('/seats.json')).json();
    sessionStorage.setItem('utilidor/seat', people.find((each) => each.name === name).account);
  }, name);
}

/// Until what the page asked for is there.
async function settled(page) {
  await page.waitForSelector('h1');
  await page.waitForLoadState('load');
  await page.waitForFunction(() => !document.querySelector('main [aria-busy="true"]'), undefined, { timeout: 30_000 });
  await page.waitForTimeout(150);
}

async function sound(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((rules) => window.axe.run({ runOnly: rules }), RULES);
  for (const { id, nodes } of violations) expect(false, `${what}: axe ${id}: ${nodes.slice(0, 3).map((each) => each.target.join(' ')).join('; ')}`);
  checks += 1;
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(wide <= 0, `${what}: scrolls sideways by ${wide} px`);
}

async function addresses() {
  const get = async (address) => (await fetch(`${node}${address}`)).json();
  const { people } = await get('/seats.json');
  const hotel = people.find((each) => each.name === 'hotel') ?? people.find((each) => each.roles.includes('user'));
  const statements = (await get(`/v1/statements?account=${hotel.account}&limit=1000`)).items;
  const bill = statements.filter((each) => each.kind === 'subscription').at(-1)?.statement ?? statements[0]?.statement;
  const subscription = (await get(`/v1/agreements?account=${hotel.account}&kind=subscription&limit=1`)).items[0];
  const purchase = (await get(`/v1/agreements?account=${hotel.account}&kind=purchase&limit=1`)).items[0];
  const offer = (await get('/v1/offers?limit=1')).items[0];
  const offered = (await get('/v1/packages?limit=1')).items[0];
  const meter = (await get(`/v1/meters?holder=${hotel.account}&limit=1`)).items[0];
  const { height } = await get('/v1/status');
  const blocks = (await get(`/v1/blocks?after=${Math.max(0, height - 400)}&limit=400`)).items;
  const block = blocks.findLast((each) => each.transactions > 0) ?? blocks.at(-1);
  const hash = (await get(`/v1/blocks/${block.height}`)).transactions[0];
  const of = (name, role) => people.find((each) => each.name === name)?.name ?? people.find((each) => each.roles.includes(role)).name;
  const tenant = hotel.name;
  return [
    ['welcome', undefined, '/'],
    ['home-tenant', tenant, '/'],
    ['home-owner', of('roof-east', 'owner'), '/'],
    ['energy', tenant, '/energy'],
    ['bills', tenant, '/bills'],
    bill && ['bill', tenant, `/bills/${bill.agreement}/${bill.number}`],
    ['money', tenant, '/money'],
    ['market', tenant, '/market'],
    offer && ['offer', tenant, `/market/${offer.id}`],
    ['offer-new', of('roof-east', 'owner'), '/market/new'],
    ['agreements', tenant, '/agreements'],
    subscription && ['agreement-package', tenant, `/agreements/${subscription.agreement}`],
    purchase && ['agreement-purchase', tenant, `/agreements/${purchase.agreement}`],
    ['packages', tenant, '/packages'],
    offered && ['package', tenant, `/packages/${offered.id}/${offered.package.version}`],
    ['meters', of('meter-operator', 'meter_operator'), '/meters'],
    meter && ['meter', of('meter-operator', 'meter_operator'), `/meters/${meter.meter}`],
    ['oversight', of('supervisor', 'supervisor'), '/oversight'],
    ['consortium', undefined, '/consortium'],
    ['explorer', undefined, '/explorer'],
    ['block', undefined, `/explorer/block/${block.height}`],
    hash && ['transaction', undefined, `/explorer/transaction/${hash}`],
    ['account', tenant, `/explorer/account/${hotel.account}`],
    ['refusals', undefined, '/explorer/refusals'],
    ['keys', undefined, '/keys'],
    ['seats', undefined, '/seat'],
    ['missing', undefined, '/nowhere'],
  ].filter(Boolean);
}

async function tour() {
  fs.mkdirSync(shots, { recursive: true });
  const list = (await addresses()).filter(([name]) => !only || name === only);
  for (const [locale, language] of [['en-GB', 'en'], ['zh-CN', 'zh']]) {
    for (const dark of [false, true]) {
      const { context, page } = await person({ locale, dark });
      let sitting;
      for (const [name, who, address] of list) {
        if (who !== sitting) {
          if (who) await seat(page, who);
          else await page.evaluate(() => sessionStorage.clear()).catch(() => undefined);
          sitting = who;
        }
        for (const width of [1280, 768, 360]) {
          await page.setViewportSize({ width, height: 900 });
          if (width === 1280) await page.goto(`${node}${address}`);
          await settled(page);
          const what = `${name} ${language} ${width} ${dark ? 'dark' : 'light'}`;
          await sound(page, what);
          // Half of the combinations show everything; CI keeps few megabytes.
          if ((language === 'en') !== dark) await page.screenshot({ path: path.join(shots, `${name}-${language}-${width}.png`), fullPage: true });
        }
      }
      await context.close();
    }
  }
}

async function weigh() {
  const { context, page } = await person();
  let bytes = 0;
  page.on('response', async (response) => {
    if (/\.js$/.test(new URL(response.url()).pathname)) bytes += Number((await response.allHeaders())['content-length'] ?? 0);
  });
  const begun = Date.now();
  await page.goto(node);
  await page.waitForSelector('h1');
  const interactive = Date.now() - begun;
  await page.waitForTimeout(500);
  console.log(`first page: ${bytes} bytes of compressed script, ${interactive} ms`);
  expect(bytes > 0 && bytes < 100_000, `the first page takes ${bytes} bytes of compressed script, at most 100,000 are allowed`);
  await context.close();
}

const begun = Date.now();
await weigh();
if (part !== 'journeys') await tour();
if (part !== 'tour') await journeys({ node, person, seat, settled, sound, expect, shots, only });
await browser.close();
console.log(`${checks} checks, ${faults.length} faults, ${Math.round((Date.now() - begun) / 1000)} s`);
process.exit(faults.length ? 1 : 0);
