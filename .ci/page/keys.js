// The page of a service that needs a key.
import assert from 'node:assert/strict';
import { allowClipboard, apiKey, drop, focused, other, pixel, privateAddress, sample, summary, text, texts, tiles, visit } from './harness.js';

const visitPrivate = (use, options) => visit(use, { at: privateAddress, ...options });
async function enter(page, key) {
  await page.fill('#key', key);
  await page.press('#key', 'Enter');
}
const kept = page => page.evaluate(() => sessionStorage.getItem('key'));

// unsigned has a page see a service that signs nothing, and counts the blobs that the page has and has not revoked.
async function unsigned(page, context) {
  await context.addInitScript(() => {
    const { createObjectURL, revokeObjectURL } = URL;
    window.blobs = new Set();
    URL.createObjectURL = blob => { const url = createObjectURL(blob); blobs.add(url); return url };
    URL.revokeObjectURL = url => { blobs.delete(url); revokeObjectURL(url) };
  });
  const strip = value => JSON.parse(JSON.stringify(value, (name, one) => name === 'urls' ? undefined : name === 'url' ? one.replace(/[?&]expires=.*/, '') : one));
  await page.route(/\/(images|status)[/?]/, async route => {
    const answer = await route.fetch();
    if (!/json/.test(answer.headers()['content-type'])) return route.fulfill({ response: answer });
    await route.fulfill({ response: answer, json: strip(await answer.json()) });
  });
  await page.reload();
}
const shown = page => page.waitForFunction(() => document.querySelector('#large img')?.naturalWidth > 0);

export const tests = {
  'where the service signs URLs they are used, copied, and renewed': () => visitPrivate(async (page, context) => {
    await allowClipboard(context);
    await enter(page, apiKey);
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    await page.reload();
    await page.waitForFunction(() => document.querySelector('#grid img')?.naturalWidth > 0);
    await page.click('#grid button');
    await shown(page);
    const sources = await page.$$eval('#grid img, #large img', images => images.map(image => image.src));
    assert.ok(sources.every(src => /[?]expires=\d+&signature=/.test(src)), sources.join());
    for (const link of await page.$$eval('#links a', links => links.map(link => link.href))) assert.equal((await fetch(link)).status, 200, link);
    await page.click('#links button >> nth=0');
    await text(page, '#said', /^Link copied; it works without the key until ./);
    assert.equal((await fetch(await page.evaluate(() => navigator.clipboard.readText()))).status, 200);
    await page.click('text=Copy HTML');
    await text(page, '#said', /^HTML copied; it works without the key until ./);
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^<img src="http[^"&]+&#38;expires=\d+&#38;signature=[^"]+" width="320"/);
    await page.keyboard.press('Escape');
    await page.evaluate(() => { for (const { image } of tiles.values()) image.urls.original = image.urls.original.replace(/expires=\d+/, 'expires=1') });
    await page.click('#grid button');
    await page.waitForFunction(() => /expires=\d{9}/.test(document.querySelector('#links a').href));
    await shown(page);
  }),
  'where the service signs nothing the page fetches with the key, and keeps no blob that it does not show': () => visitPrivate(async (page, context) => {
    await unsigned(page, context);
    await enter(page, apiKey);
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    await page.waitForFunction(() => document.querySelector('#list img').naturalWidth > 0 && document.querySelector('#grid img').naturalWidth > 0);
    await page.click('#grid button');
    await shown(page);
    assert.match(await page.$eval('#large img', image => image.src), /^blob:/);
    const opened = context.waitForEvent('page');
    await page.click('#links a');
    await (await opened).waitForURL(/^blob:/, { waitUntil: 'commit' });
    await page.click('#links button >> nth=0');
    await text(page, '#said', /^Link copied; it needs the key$/);
    const saved = page.waitForEvent('download');
    await page.click('text=Download');
    assert.equal((await saved).suggestedFilename(), 'sample.jpg');
    assert.ok(await page.evaluate(() => blobs.size) >= 3);
    await page.keyboard.press('Escape');
    await page.click('#list >> text=Dismiss');
    await page.waitForFunction(() => blobs.size === 0);
  }),
  'a visitor is asked for a key, which opens the gallery until it is forgotten': async () => {
    const form = new FormData();
    form.append('file', new Blob([pixel], { type: 'image/png' }), 'mine.png');
    const headers = { Authorization: 'Bearer ' + apiKey };
    assert.equal((await fetch(privateAddress + 'upload', { method: 'POST', body: form, headers })).status, 200);
    await visitPrivate(async page => {
      assert.ok(await page.isVisible('#key'));
      assert.ok(!await page.isVisible('#held') && !await page.isVisible('#gallery'));
      await enter(page, 'wrong');
      await text(page, '#why', /^This key is not valid/);
      assert.equal(await focused(page), 'key');
      assert.equal(await kept(page), null);
      await enter(page, apiKey + '\u200b');
      await text(page, '#grid', /mine\.png/);
      assert.equal(await focused(page), 'change');
      assert.ok(!await page.isVisible('#key'));
      await page.reload();
      await page.waitForFunction(() => document.querySelector('#grid img')?.naturalWidth > 0);
      await drop(page, sample);
      await summary(page, '1 of 1 done');
      await page.click('text=Forget key');
      await text(page, '#why', /^The key is forgotten\.$/);
      assert.equal(await focused(page), 'key');
      assert.deepEqual([await kept(page), await tiles(page), await texts(page)], [null, [], []]);
      assert.equal(await page.evaluate(() => localStorage.getItem('images')), '[]');
      await page.reload();
      assert.ok(await page.isVisible('#key'));
    });
  },
  'an upload says that it waits for the key, and is cancelled or goes on': () => visitPrivate(async page => {
    await drop(page, sample, other);
    await page.waitForFunction(() => [...document.querySelectorAll('#list small')].every(part => part.innerText === 'waiting for the key'));
    assert.equal(await focused(page), 'key');
    await page.click('[aria-label="Cancel page.png"]');
    await summary(page, '0 of 1 done');
    await enter(page, apiKey);
    await summary(page, '1 of 1 done');
    await page.waitForFunction(() => document.querySelector('#list img').naturalWidth > 0);
  }),
  'a key that is no longer valid is asked for again, a valid one changed': () => visitPrivate(async page => {
    await page.evaluate(() => sessionStorage.setItem('key', 'old'));
    await page.reload();
    await text(page, '#why', /^This key is not valid, or no longer\.$/);
    await page.evaluate(() => sessionStorage.setItem('key', 'old'));
    await drop(page, sample);
    await text(page, '#list', /waiting for the key/);
    await enter(page, apiKey);
    await summary(page, '1 of 1 done');
    await page.click('text=Change key');
    assert.equal(await focused(page), 'key');
    await page.click('#abandon');
    assert.equal(await focused(page), 'change');
    await page.click('text=Change key');
    await enter(page, 'wrong');
    await text(page, '#why', /^This key is not valid/);
    assert.equal(await kept(page), apiKey);
    await enter(page, apiKey);
    await text(page, '#held', /^This tab has a key\./);
  }),
};
