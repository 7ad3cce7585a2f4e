// The page of a service that needs a key.
import assert from 'node:assert/strict';
import { apiKey, drop, focused, other, pixel, privateAddress, sample, summary, text, texts, tiles, visit } from './harness.js';

const visitPrivate = (use, options) => visit(use, { at: privateAddress, ...options });
async function enter(page, key) {
  await page.fill('#key', key);
  await page.press('#key', 'Enter');
}
const kept = page => page.evaluate(() => sessionStorage.getItem('key'));

export const tests = {
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
