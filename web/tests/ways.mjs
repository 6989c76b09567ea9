// The two ways in which every journey is made: by mouse, and by keyboard alone. A journey says what is done and to what, by role and by
// the app's own words; the way does it.

import fs from 'node:fs';
import ts from 'typescript';

/// The app's catalogue of a language, from its source.
async function words(language) {
  const source = fs.readFileSync(new URL(`../src/text/${language}.ts`, import.meta.url), 'utf8');
  const { outputText } = ts.transpileModule(source, { compilerOptions: { module: 'esnext', target: 'es2022' } });
  return (await import(`data:text/javascript;base64,${Buffer.from(outputText).toString('base64')}`))[language];
}

export const ways = [
  { name: 'mouse', language: 'en', locale: 'en-GB', width: 1280, dark: false, words: await words('en') },
  { name: 'keyboard', language: 'zh', locale: 'zh-CN', width: 360, dark: true, words: await words('zh') },
];

/// What one person does on a page.
export function hands(page, way, expect) {
  const keyboard = way.name === 'keyboard';

  /// Goes on with Tab, or back with Shift-Tab, until this has the focus; wherever it stops, the focus must be seen.
  async function reach(locator) {
    await locator.waitFor();
    let same = 0;
    for (let step = 0; step < 600; step += 1) {
      const { there, back, stays, unseen } = await locator.evaluate((target) => {
        const now = document.activeElement;
        const stays = now === window.focusBefore && now !== document.body;
        window.focusBefore = now;
        let unseen = '';
        if (!stays && now !== document.body && !now.matches('main, dialog')) {
          const { left, right, top, bottom } = now.getBoundingClientRect();
          const name = `${now.tagName.toLowerCase()} “${(now.getAttribute('aria-label') ?? now.textContent).trim().slice(0, 40)}”`;
          const header = document.querySelector('header');
          const hit = document.elementFromPoint((Math.max(left, 0) + Math.min(right, innerWidth)) / 2, (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2);
          if (getComputedStyle(now).outlineStyle === 'none') unseen = `${name} does not show that it has the focus`;
          else if (bottom <= 0 || top >= innerHeight || right <= 0 || left >= innerWidth) unseen = `${name} has the focus outside the window`;
          else if (hit && header.contains(hit) && !header.contains(now)) unseen = `${name} has the focus below the header`;
        }
        return { there: now === target, back: Boolean(now.compareDocumentPosition(target) & Node.DOCUMENT_POSITION_PRECEDING), stays, unseen };
      });
      expect(!unseen, `${page.url()}: ${unseen}`);
      if (there) return;
      same = stays ? same + 1 : 0;
      if (same > 12) break;
      await page.keyboard.press(back ? 'Shift+Tab' : 'Tab');
    }
    throw new Error(`${locator} cannot be reached with Tab on ${page.url()}`);
  }

  /// A button or a link.
  async function press(locator) {
    if (!keyboard) return locator.click();
    await reach(locator);
    await page.keyboard.press('Enter');
  }

  /// A box to be ticked, or not any more.
  async function tick(locator) {
    if (!keyboard) return locator.click();
    await reach(locator);
    await page.keyboard.press('Space');
  }

  async function fill(locator, text) {
    if (!keyboard) return locator.fill(text);
    await reach(locator);
    await page.keyboard.press('Control+a');
    await page.keyboard.type(text);
  }

  /// A day and an hour, `2026-01-31T12`. The hour is reached from the first one: digits that are typed count together only where
  /// they come fast enough.
  async function time(group, value) {
    const [day, hour] = value.split('T');
    const choice = group.getByRole('combobox');
    await fill(group.getByRole('textbox'), day);
    if (!keyboard) await choice.selectOption(hour);
    else {
      await reach(choice);
      await page.keyboard.press('Home');
      for (let each = 0; each < Number(hour); each++) await page.keyboard.press('ArrowDown');
    }
    expect((await choice.inputValue()) === hour, `${page.url()}: the hour is ${await choice.inputValue()}, not ${hour}`);
  }

  /// A page of the menu, which is folded away where the window is narrow.
  async function go(name) {
    const menu = page.getByRole('button', { name: way.words.nav.menu, exact: true });
    if ((await menu.isVisible()) && (await menu.getAttribute('aria-expanded')) === 'false') await press(menu);
    await press(page.getByRole('navigation').getByRole('link', { name, exact: true }));
    await landed(`the way to ${name}`);
  }

  /// After a dialog or a page is gone the focus is somewhere, so that the next Tab does not begin at the top.
  async function landed(what) {
    const lost = await page.evaluate(() => new Promise((settle) => setTimeout(() => settle(document.activeElement === document.body), 100)));
    expect(!keyboard || !lost, `${page.url()}: the focus is lost after ${what}`);
  }

  return { page, press, tick, fill, time, go, landed };
}

/// What the journeys themselves write, what the demonstration has written into its payments, and commands.
export const INVENTED = ['test-key', 'test key', 'new member', 'complaint', 'Test', 'money received before the year', 'utilidor keys', 'make demo'];

/// Names, units and what has no other word.
const SAME = /^(Utilidor|English|CSV|PDF|UTC|CO|Ed|ed|kWh|GJ|MWh|ms|m²|JSON|WebAssembly|P|v\d+)$/;

/// Words of another language that a page shows to a reader of Chinese, but for `names` and ids.
export async function foreign(page, names) {
  const shown = await page.evaluate(() => {
    const texts = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const holder = walk.currentNode.parentElement;
      if (!holder.closest('code, pre, script, style, button[lang]') && holder.checkVisibility?.()) texts.push(walk.currentNode.data);
    }
    for (const each of document.querySelectorAll('[aria-label], [placeholder], [title], [aria-valuetext]')) {
      if (each.checkVisibility?.()) texts.push(...['aria-label', 'placeholder', 'title', 'aria-valuetext'].map((name) => each.getAttribute(name) ?? ''));
    }
    return texts;
  });
  const found = new Set();
  for (let text of shown) {
    for (const name of names) text = text.replaceAll(name, ' ');
    for (const word of text.replace(/[0-9a-f]{4,}/g, ' ').match(/[A-Za-z]{2,}/g) ?? []) if (!SAME.test(word)) found.add(word);
  }
  return [...found];
}
