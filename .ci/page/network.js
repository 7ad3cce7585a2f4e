// What the page does when the network, the service or another client gets in its way.
import assert from 'node:assert/strict';
import { address, drop, held, limited, sample, summary, text, texts, traffic, visit } from './harness.js';

// fail moves the clock of a page on until so many of its requests have failed, or it has given up.
async function fail(page, times) {
  let failed = 0;
  page.on('requestfailed', () => failed++);
  while (failed < times && !/Try again/.test(await page.innerText('#list'))) await page.clock.runFor(31_000);
}
// clocked visits the page with a clock that the test moves on.
const clocked = use => visit(async (page, context) => {
  await page.clock.install();
  await page.reload();
  await use(page, context);
});

export const tests = {
  'a rate limit is waited for': () => clocked(async page => {
    traffic.faults.push(limited); traffic.keys.length = 0;
    await drop(page, sample);
    await text(page, '#list', /rate_limited; trying again in 600 s/);
    await page.clock.runFor(300_000);
    await text(page, '#list', /rate_limited; trying again in 600 s/);
    assert.equal(traffic.keys.length, 1);
    await page.clock.runFor(300_000);
    await summary(page, '1 of 1 done');
    assert.equal(new Set(traffic.keys).size, 1);
  }),
  'an upload without a network waits for it, however long': () => clocked(async (page, context) => {
    await context.setOffline(true);
    await drop(page, sample);
    await text(page, '#list', /offline; goes on when the network is back/);
    await fail(page, 12);
    await text(page, '#list', /offline; goes on when the network is back/);
    await context.setOffline(false);
    await summary(page, '1 of 1 done');
  }),
  'a result is waited for while offline, however long': () => clocked(async (page, context) => {
    const release = held();
    await drop(page, sample);
    await text(page, '#list', /making the thumbnail/);
    await release.asked;
    await context.setOffline(true);
    release('cut');
    await text(page, '#list', /offline; goes on when the network is back/);
    await fail(page, 12);
    await text(page, '#list', /offline; goes on when the network is back/);
    await context.setOffline(false);
    await summary(page, '1 of 1 done');
  }),
  'a service on this machine needs no network': () => visit(async (page, context) => {
    await context.addInitScript(() => Object.defineProperty(navigator, 'onLine', { get: () => false }));
    await page.reload();
    await drop(page, sample);
    await summary(page, '1 of 1 done');
  }),
  'a gallery that was not listed says why, and is listed on request': () => visit(async page => {
    const answers = [route => route.abort(), route => route.fulfill({ status: 429, json: { error: 'Too many requests', code: 'rate_limited' } })];
    await page.route('**/images?*', route => (answers.shift() ?? (() => route.continue()))(route));
    await page.reload();
    await text(page, '#note', /^The images could not be listed: The connection was lost\.$/);
    await page.click('#more');
    await text(page, '#note', /^The images could not be listed: Too many requests\.$/);
    await page.click('#more');
    await page.waitForFunction(() => document.querySelectorAll('#grid li').length > 0 && !document.querySelector('#note').textContent);
  }),
  'an upload is cancelled while offline': () => visit(async (page, context) => {
    traffic.keys.length = 0;
    await context.setOffline(true);
    await drop(page, sample);
    await text(page, '#list', /offline/);
    await page.click('#list >> text=Cancel');
    await summary(page, '');
    assert.deepEqual(await texts(page), []);
    await context.setOffline(false);
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    assert.equal(traffic.keys.length, 1);
  }),
  'an image that is deleted elsewhere is not waited for': () => visit(async page => {
    const release = held(), accepted = page.waitForResponse('**/upload');
    await drop(page, sample);
    const { image_id } = await (await accepted).json();
    await text(page, '#list', /making the thumbnail/);
    assert.equal((await fetch(address + 'images/' + image_id, { method: 'DELETE' })).status, 204);
    release();
    await summary(page, '1 of 1 done');
    assert.deepEqual(await texts(page), ['sample.jpg\ndeleted\nDismiss']);
    assert.equal(await page.$$eval('#list img', images => images.length), 0);
  }),
  'an image that is deleted in the gallery is deleted in its row': () => visit(async page => {
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    await page.click('#grid button');
    await page.click('#acts button:text("Delete")');
    await page.click('#sure button:text("Delete")');
    await text(page, '#list', /^sample.jpg\ndeleted\nDismiss$/);
  }),
};
