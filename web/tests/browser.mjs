// The app in Debian's Chromium on a real node: journeys of the park's people, and a tour of every page.
//
//   node tests/browser.mjs http://localhost:4680 [all|tour|journeys|short|paper] [NAME]
//
// | part | what |
// |---|---|
// | tour | every page, in both languages, at three widths, in light and dark |
// | journeys | what people do, from beginning to end, by mouse in English and by keyboard in Chinese |
// | short | the journeys, and every page twice: English, wide and light; Chinese, narrow and dark |
// | all | journeys and tour; what is done unless a part is named |
// | paper | small pictures of the pages that docs/tour.md shows, into docs/tour |
//
// Screenshots land in $SHOTS, `shots/` unless it is set. With $DIST, a folder as `npm run build` leaves it, the app comes from there instead of
// from the node's binary, under the node's own address. $WAY, `mouse` or `keyboard`, leaves out the other way. Every page, in both languages, at three widths, in light and dark: no rule of accessibility is
// broken (axe), nothing scrolls sideways, the console stays empty, and a reader of Chinese reads Chinese.

import fs from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { journeys } from './journeys.mjs';
import { INVENTED, foreign } from './ways.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const [node = 'http://localhost:4680', part = 'all', only] = process.argv.slice(2);
const shots = process.env.SHOTS ?? path.join(here, '..', 'shots');
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

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.wasm': 'application/wasm' };

/// Answers requests for the app's files from a folder; what is no file of it is the node's, or a page of the app.
async function serve(context, folder) {
  const policy = (await fetch(node)).headers.get('content-security-policy');
  await context.route(`${node}/**`, async (route) => {
    const request = route.request();
    const { pathname } = new URL(request.url());
    let file = path.join(folder, pathname);
    if (request.resourceType() === 'document' && !path.extname(pathname)) file = path.join(folder, 'index.html');
    if (!fs.statSync(file, { throwIfNoEntry: false })?.isFile()) return route.fallback();
    await route.fulfill({ body: fs.readFileSync(file), contentType: TYPES[path.extname(file)], headers: policy ? { 'content-security-policy': policy } : {} });
  });
}

/// A fresh browser of a person: language, width, colours.
async function person({ locale = 'en-GB', width = 1280, dark = false, scale = 1 } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, deviceScaleFactor: scale, locale, colorScheme: dark ? 'dark' : 'light', reducedMotion: 'reduce', acceptDownloads: true });
  if (process.env.DIST) await serve(context, process.env.DIST);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => expect(false, `${page.url()}: ${error.message}`));
  page.on('console', (message) => {
    // A journey may cut the page off from the node.
    if (page.cutOff && message.text().includes('net::ERR_')) return;
    if (message.type() === 'error' || message.type() === 'warning') expect(false, `${page.url()}: console says ${message.text()} ${message.location().url}`);
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

/// Until what the page asked for is there. One answer can lead to the next question, the first being what time it is on the chain,
/// so nothing may be awaited for a while.
async function settled(page) {
  await page.waitForSelector('h1');
  await page.waitForLoadState('load');
  await page.evaluate(() => delete window.quietSince);
  const quiet = () => {
    const chain = document.querySelector('p.chain');
    if (document.querySelector('main [aria-busy="true"]') || (chain && !chain.textContent.trim())) delete window.quietSince;
    else window.quietSince ??= performance.now();
    return window.quietSince !== undefined && performance.now() - window.quietSince > 250;
  };
  await page.waitForFunction(quiet, undefined, { timeout: 30_000, polling: 50 });
}

async function sound(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate((rules) => window.axe.run({ runOnly: rules }), RULES);
  for (const { id, nodes } of violations) expect(false, `${what}: axe ${id}: ${nodes.slice(0, 3).map((each) => each.target.join(' ')).join('; ')}`);
  checks += 1;
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  expect(wide <= 0, `${what}: scrolls sideways by ${wide} px`);
  const tables = await page.evaluate(() => [...document.querySelectorAll('.scroll')].filter((box) => innerWidth <= 360 && box.checkVisibility() && box.scrollWidth > box.clientWidth).map((box) => box.ariaLabel));
  expect(tables.length === 0, `${what}: to be scrolled sideways: ${tables.join(', ')}`);
}

/// Asks the node for what is somebody's, with the token that the app has for its seat.
async function asker(name) {
  const { context, page } = await person();
  await seat(page, name);
  await page.goto(node);
  const kept = await page.waitForFunction(() => sessionStorage.getItem('utilidor/session'));
  const { token } = JSON.parse(await kept.jsonValue());
  await context.close();
  return async (address) => (await fetch(`${node}${address}`, { headers: { authorization: `Bearer ${token}` } })).json();
}

async function addresses() {
  const { people } = await (await fetch(`${node}/seats.json`)).json();
  const hotel = people.find((each) => each.name === 'hotel') ?? people.find((each) => each.roles.includes('user'));
  const get = await asker(hotel.name);
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
  const moves = (await get(`/v1/accounts/${hotel.account}/movements?limit=1000`)).items;
  const hash = moves.map((each) => each.cause.transaction).findLast(Boolean);
  const of = (name, role) => people.find((each) => each.name === name)?.name ?? people.find((each) => each.roles.includes(role)).name;
  const tenant = hotel.name;
  return [
    ['welcome', undefined, '/'],
    ['home-tenant', tenant, '/'],
    ['home-owner', of('roof-east', 'owner'), '/'],
    ['home-meters', of('meter-operator', 'meter_operator'), '/'],
    ['home-oversight', of('supervisor', 'supervisor'), '/'],
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

const WIDTHS = [1280, 768, 360];
/// What a tour goes through: language, colours, widths, and whether pictures are taken. Half of the whole tour's combinations show
/// everything; a folder of few megabytes is kept.
const WHOLE = ['en', 'zh'].flatMap((language) => [false, true].map((dark) => [language, dark, WIDTHS, (language === 'en') !== dark]));
const SHORT = [['en', false, [1280], true], ['zh', true, [360], true]];

async function tour(combinations) {
  fs.mkdirSync(shots, { recursive: true });
  const list = (await addresses()).filter(([name]) => !only || name === only);
  const { people } = await (await fetch(`${node}/seats.json`)).json();
  const names = [...people.map((each) => each.name), ...INVENTED];
  for (const [language, dark, widths, pictures] of combinations) {
    const { context, page } = await person({ locale: language === 'zh' ? 'zh-CN' : 'en-GB', width: widths[0], dark });
    const sit = sitter(page);
    for (const [name, who, address] of list) {
      await sit(who);
      for (const width of widths) {
        await page.setViewportSize({ width, height: 900 });
        if (width === widths[0]) await page.goto(`${node}${address}`);
        await settled(page);
        await sound(page, `${name} ${language} ${width} ${dark ? 'dark' : 'light'}`);
        const words = language === 'zh' ? await foreign(page, names) : [];
        expect(words.length === 0, `${name} ${width}: ${page.url()} is not all in Chinese: ${words.join(' ')}`);
        if (pictures) await page.screenshot({ path: path.join(shots, `${name}-${language}-${width}.png`), fullPage: true });
      }
    }
    await context.close();
  }
}

/// Changes seats where the next page is another's.
function sitter(page) {
  let sitting;
  return async (who) => {
    if (who === sitting) return;
    if (who) await seat(page, who);
    else await page.evaluate(() => sessionStorage.clear()).catch(() => undefined);
    sitting = who;
  };
}

/// The pages that docs/tour.md shows.
const SHOWN = ['home-tenant', 'energy', 'bill', 'offer', 'package', 'meter', 'oversight', 'consortium', 'transaction'];

async function paper() {
  const folder = path.join(here, '..', '..', 'docs', 'tour');
  fs.mkdirSync(folder, { recursive: true });
  for (const [locale, language] of [['en-GB', 'en'], ['zh-CN', 'zh']]) {
    const { context, page } = await person({ locale, scale: 0.6 });
    const sit = sitter(page);
    for (const [name, who, address] of (await addresses()).filter(([name]) => (language === 'en' ? SHOWN : SHOWN.slice(0, 1)).includes(name) && (!only || name === only))) {
      await sit(who);
      await page.goto(`${node}${address}`);
      await settled(page);
      await page.screenshot({ path: path.join(folder, `${name}-${language}.jpg`), type: 'jpeg', quality: 70 });
    }
    await context.close();
  }
}

async function weigh() {
  const { context, page } = await person();
  const scripts = [];
  const weight = async (response) => (process.env.DIST ? gzipSync(await response.body()).length : Number((await response.allHeaders())['content-length'] ?? 0));
  page.on('response', (response) => {
    if (/\.js$/.test(new URL(response.url()).pathname)) scripts.push(weight(response));
  });
  const begun = Date.now();
  await page.goto(node);
  await page.waitForSelector('h1');
  const interactive = Date.now() - begun;
  await page.waitForTimeout(500);
  const bytes = (await Promise.all(scripts)).reduce((sum, each) => sum + each, 0);
  console.log(`first page: ${bytes} bytes of compressed script, ${interactive} ms`);
  expect(bytes > 0 && bytes < 100_000, `the first page takes ${bytes} bytes of compressed script, at most 100,000 are allowed`);
  await context.close();
}

const begun = Date.now();
await weigh();
if (part === 'all' || part === 'tour') await tour(WHOLE);
if (part === 'short') await tour(SHORT);
if (part === 'paper') await paper();
if (['all', 'journeys', 'short'].includes(part)) await journeys({ node, person, seat, asker, settled, sound, expect, shots, only });
await browser.close();
console.log(`${checks} checks, ${faults.length} faults, ${Math.round((Date.now() - begun) / 1000)} s`);
process.exit(faults.length ? 1 : 0);
