// Every state of the page, in every look: nothing overlaps or is wider than the window, and axe finds nothing.
import assert from 'node:assert/strict';
import { apiKey, drop, held, inspect, notAnImage, privateAddress, sample, summary, text, traffic, visit } from './harness.js';

const looks = {
  'light, 900 pixels wide': { colorScheme: 'light', viewport: { width: 900, height: 700 } },
  'dark, 900 pixels wide, reduced motion': { colorScheme: 'dark', reducedMotion: 'reduce', viewport: { width: 900, height: 700 } },
  'light, 320 pixels wide': { colorScheme: 'light', viewport: { width: 320, height: 700 } },
  'dark, 1280 x 1024 pixels at 400 % zoom': { colorScheme: 'dark', deviceScaleFactor: 4, viewport: { width: 320, height: 256 } },
  'a phone': { isMobile: true, hasTouch: true, deviceScaleFactor: 3, viewport: { width: 360, height: 740 } },
  'forced colours': { forcedColors: 'active', viewport: { width: 900, height: 700 } },
};

async function inspectPublic(page) {
  await inspect(page);
  traffic.hold = true;
  await drop(page, sample);
  await text(page, '#list', /sent/);
  await inspect(page);
  await page.click('#list >> text=Cancel');
  traffic.hold = false;
  const release = held();
  await drop(page, sample);
  await text(page, '#list', /making the thumbnail/);
  await inspect(page);
  release();
  await drop(page, notAnImage);
  await summary(page, '2 of 2 done, 1 failed');
  await inspect(page);
  await page.click('#grid button');
  await page.waitForFunction(() => document.querySelector('#large img')?.naturalWidth > 0);
  await inspect(page);
  await page.click('#acts button:text("Delete")');
  await inspect(page);
  await page.click('#sure button:text("Delete")');
  await text(page, '#summary', /is deleted/);
  await inspect(page);
}

async function inspectPrivate(page) {
  await inspect(page);
  await page.fill('#key', 'wrong');
  await page.press('#key', 'Enter');
  await text(page, '#why', /not valid/);
  await inspect(page);
  await page.fill('#key', apiKey);
  await page.press('#key', 'Enter');
  await page.waitForSelector('#held', { state: 'visible' });
  await inspect(page);
  await page.click('#change');
  await inspect(page);
}

export const tests = {};
for (const [name, look] of Object.entries(looks)) {
  tests[`nothing overlaps and axe finds nothing: ${name}`] = async () => {
    await visit(inspectPublic, look);
    await visit(inspectPrivate, { at: privateAddress, ...look });
  };
}
tests['with reduced motion nothing moves'] = () => visit(async page => {
  await drop(page, sample);
  await summary(page, '1 of 1 done');
  await page.waitForFunction(() => document.querySelector('#grid img')?.naturalWidth > 0);
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  assert.equal(await page.$eval('#grid img', image => getComputedStyle(image).animationName), 'none');
}, { reducedMotion: 'reduce' });
