// What people do to a page that nobody had in mind, on slow networks, small screens and in several tabs.
import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { address, drop, focused, inspect, other, pixel, sample, summary, text, texts, tiles, traffic, visit } from './harness.js';

const named = (...names) => names.map(name => ({ name, mimeType: 'image/png', buffer: pixel }));
const first = page => page.locator('#grid button').first();
// seen opens the first image in the larger view.
async function seen(page) {
  await first(page).click();
  await page.waitForFunction(() => document.querySelector('#large img')?.naturalWidth > 0);
}
const isOpen = page => page.evaluate(() => viewer.open);
const closed = page => page.waitForFunction(() => !viewer.open);
// temporarily calls use with a path for a file, which it removes afterwards.
async function temporarily(name, use) {
  const folder = await mkdtemp(tmpdir() + '/page-');
  try { await use(folder + '/' + name) } finally { await rm(folder, { recursive: true }) }
}
// unlisted is a service that lists nothing, so that the browser remembers.
async function unlisted(use) {
  traffic.unlisted = true;
  try { await use() } finally { traffic.unlisted = false }
}

export const tests = {
  'many images are uploaded at once, and announced now and then': () => visit(async page => {
    await page.clock.setFixedTime(Date.now()); // the progress is said every ten seconds
    await page.evaluate(() => {
      window.announced = [];
      new MutationObserver(() => { if (summary.ariaLive === 'polite') announced.push(summary.textContent) }).observe(summary, { childList: true });
    });
    await drop(page, ...named(...Array.from({ length: 30 }, (_, i) => `${i}.png`)));
    await summary(page, '30 of 30 done');
    const announced = await page.evaluate(() => announced);
    assert.deepEqual(announced, ['0 of 30 done', '30 of 30 done']);
  }),
  'names in other scripts, with controls, or without an end stay in their places': () => visit(async page => {
    const names = ['صورة من العطلة.png', '\u202egpj.harmless.png', '👩‍👩‍👧‍👦 ไฟล์ 写真.png', 'w'.repeat(240) + '.png'];
    await drop(page, ...named(...names));
    await summary(page, '4 of 4 done');
    assert.deepEqual(await page.$$eval('#list strong', parts => parts.map(part => part.textContent)), names);
    await inspect(page);
    for (let i = 0; i < names.length; i++) {
      await page.locator('#grid button').nth(i).click();
      assert.ok(names.includes(await page.innerText('#name')));
      await inspect(page);
      await page.click('#acts button:text("Delete")');
      assert.match(await page.innerText('#question'), /^Delete [^]*\?$/);
      await inspect(page);
      await page.keyboard.press('Escape');
      await page.keyboard.press('Escape');
      await closed(page);
    }
  }, { viewport: { width: 320, height: 600 } }),
  'an empty file and one that is too large say so; the latter is not sent': () => temporarily('large.png', async path => {
    await writeFile(path, pixel);
    await truncate(path, 60e6);
    await visit(async page => {
      await drop(page, { name: 'empty.png', mimeType: 'image/png', buffer: Buffer.alloc(0) });
      await text(page, '#list', /^empty\.png\n.*empty/);
      traffic.keys.length = 0;
      await drop(page, path);
      await text(page, '#list', /^large\.png\n60\.0 MB is more than an image may have: 52\.4 MB\nDismiss/);
      assert.equal(traffic.keys.length, 0);
    });
  }),
  'a file that was changed after it was chosen is not waited for': () => temporarily('changed.png', async path => {
    await writeFile(path, pixel);
    await visit(async (page, context) => {
      await context.setOffline(true);
      await drop(page, path);
      await text(page, '#list', /offline/);
      await rm(path);
      await context.setOffline(false);
      await text(page, '#list', /^changed\.png\nThe file can no longer be read: choose it again\nDismiss/);
    });
  }),
  'an image is dropped after one was dragged whose place in the page has gone': () => visit(async page => {
    await drop(page, sample);
    await page.waitForFunction(() => document.querySelector('#grid img')?.naturalWidth > 0);
    await page.evaluate(bytes => {
      const at = (type, transfer) => dispatchEvent(new DragEvent(type, { dataTransfer: transfer, cancelable: true }));
      const own = new DataTransfer();
      own.items.add(new File(['x'], 'own.png'));
      at('dragstart', own); at('dragover', own); at('drop', own);
      const foreign = new DataTransfer();
      foreign.items.add(new File([new Uint8Array(bytes)], 'foreign.png', { type: 'image/png' }));
      at('dragover', foreign); at('drop', foreign);
    }, [...pixel]);
    await summary(page, '2 of 2 done');
    assert.deepEqual(await page.$$eval('#list strong', names => names.map(name => name.innerText)), ['foreign.png', 'sample.jpg']);
  }),
  'the back button closes the larger view, and then leaves': () => visit(async page => {
    await page.goto(address + 'api');
    await page.goto(address);
    await drop(page, sample, other);
    await summary(page, '2 of 2 done');
    await seen(page);
    await page.keyboard.press('ArrowRight');
    const name = await page.innerText('#name');
    await page.goBack();
    await closed(page);
    await page.waitForFunction(name => document.activeElement.innerText === name, name); // an event after it is closed
    await seen(page);
    await page.click('#acts button:text("Delete")');
    await page.goBack();
    await closed(page);
    assert.ok(!await page.evaluate(() => sure.open));
    for (let i = 0; i < 3; i++) { // closed and opened at once
      await seen(page);
      await page.keyboard.press('Escape');
      await closed(page);
    }
    await seen(page);
    await page.waitForFunction(() => !isGoingBack);
    assert.ok(await isOpen(page));
    await page.reload();
    await page.waitForFunction(() => !history.state && document.querySelector('#grid button'));
    assert.ok(!await isOpen(page));
    await page.goBack();
    assert.equal(page.url(), address + 'api');
  }),
  'the larger view can be closed at once, and goes on by buttons; arrow keys with Alt are the browser\'s': () => visit(async page => {
    await drop(page, sample, other);
    await summary(page, '2 of 2 done');
    await seen(page);
    assert.equal(await focused(page), 'close');
    const name = await page.innerText('#name');
    const ends = () => page.$$eval('#head button', buttons => buttons.map(button => button.ariaDisabled));
    assert.equal((await ends())[0], 'true');
    await page.evaluate(() => dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', altKey: true })));
    assert.equal(await page.innerText('#name'), name);
    await page.locator('#following').press('Enter');
    assert.notEqual(await page.innerText('#name'), name);
    assert.equal(await focused(page), 'following');
    assert.equal((await ends())[0], 'false');
    await page.click('#previous');
    assert.equal(await page.innerText('#name'), name);
    await page.locator('#links a').first().focus();
    await page.keyboard.press('ArrowRight');
    assert.equal(await focused(page), 'close');
  }),
  'on a slow network the larger view shows the thumbnail, and nothing moves when the original comes': () => visit(async page => {
    let release;
    const slow = new Promise(resolve => { release = resolve });
    await page.route(/images\/[0-9a-f-]{36}$/, async route => { await slow; await route.continue() });
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    const place = () => page.$eval('#acts', part => part.getBoundingClientRect().top);
    await seen(page);
    assert.equal(await page.$eval('#large img', image => image.naturalWidth), 200);
    const before = await place();
    release();
    await page.waitForFunction(() => document.querySelector('#large img')?.naturalWidth === 1600);
    assert.equal(await place(), before);
  }),
  'two tabs remember the images of both': () => unlisted(() => visit(async (page, context) => {
    const second = await context.newPage();
    await second.goto(address);
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    await drop(second, other);
    await summary(second, '1 of 1 done');
    for (const tab of [page, second]) {
      await tab.reload();
      assert.deepEqual(await tiles(tab), ['page.png', 'sample.jpg']);
    }
    await second.close();
  })),
  'the focus stays at an image whose state changes, and goes on when more are loaded': () => visit(async page => {
    const id = '01234567-89ab-4cde-8f01-23456789abcd', one = { image_id: id, status: 'queued', filename: 'a.jpg', uploaded_at: 1e9, url: '/images/' + id };
    const next = { ...one, image_id: id.replace('0', '1'), filename: 'b.jpg' };
    await page.route('**/events?*', route => route.abort());
    await page.route('**/images?*', route => route.fulfill({ json: /cursor/.test(route.request().url()) ? { images: [next], complete: true } : { images: [one], complete: true, next: 'c' } }));
    await page.reload();
    await text(page, '#grid', /a\.jpg/);
    await page.evaluate(() => nearEnd.disconnect());
    await page.waitForFunction(() => !loading);
    await first(page).focus();
    await page.evaluate(id => showState({ image_id: id, status: 'failed', result: {} }), id);
    assert.equal(await focused(page), 'a.jpg (failed)');
    if (await page.isVisible('#more')) { // otherwise its end was in sight
      await page.locator('#more').press('Enter');
      await text(page, '#grid', /b\.jpg/);
      assert.equal(await focused(page), 'b.jpg (waiting)');
    }
    await page.evaluate(id => { tiles.get(id).item.querySelector('button').focus(); showState({ image_id: id, status: 'deleted' }) }, id);
    assert.equal(await focused(page), 'b.jpg (waiting)');
  }, { viewport: { width: 900, height: 300 } }),
  'a copied link leaves the focus where it was, also without HTTPS': () => visit(async (page, context) => {
    await context.addInitScript(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
    await page.reload();
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    await seen(page);
    await page.locator('#links button').first().press('Enter');
    await text(page, '#said', /^Link copied$/);
    assert.equal(await focused(page), 'Copy link to original');
  }),
};
