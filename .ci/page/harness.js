// What the tests share: the browser, the proxy before the service, and what is checked at every state.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import http from 'node:http';
import { chromium, firefox } from 'playwright-core';

// A service without keys and one with them, by the path that the proxy has for each; a key of the latter.
export const services = { pictures: process.argv[2], private: process.argv[3] }, apiKey = process.argv[4];
const images = new URL('../../docs/images/', import.meta.url).pathname;
export const sample = images + 'sample.jpg', other = images + 'page.png';
export const heic = new URL('../../functions/internal/raster/heif/testdata/grid.heic', import.meta.url).pathname;
export const notAnImage = new URL('../../README.md', import.meta.url).pathname;
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// A proxy removes the path, as Traefik does. The faults are answered to the next uploads; held ones never end. Questions for
// a status are asked once what statuses returns is settled. With unlisted the page is that of a service which lists no images. keys are
// the Idempotency-Keys of the uploads.
export const traffic = { faults: [], keys: [], hold: false, statuses: null, unlisted: false };
const proxy = http.createServer(async (request, response) => {
  request.on('error', () => {});
  const path = request.url.split('/')[1];
  if (!services[path]) { response.writeHead(421).end(); return }
  if (request.method === 'POST') {
    traffic.keys.push(request.headers['idempotency-key']);
    if (traffic.hold) return request.resume();
    if (traffic.faults.length > 0) return request.resume().on('end', traffic.faults.shift().bind(null, response));
  }
  if (/\/status\/(?!0$)/.test(request.url) && await traffic.statuses?.() === 'cut') {
    response.writeHead(200, { 'Content-Length': 2 }).write('{', () => response.destroy()); // otherwise the browser asks again by itself
    return;
  }
  const options = { method: request.method, headers: { ...request.headers, 'X-Forwarded-Prefix': '/' + path } };
  const onward = http.request(services[path] + request.url.slice(path.length + 1), options, answer => {
    if (traffic.unlisted && request.url === `/${path}/`) {
      let html = '';
      answer.setEncoding('utf8').on('data', part => { html += part }).on('end', () => {
        response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': answer.headers['content-security-policy'] });
        response.end(html.replace('data-lists="true"', 'data-lists="false"'));
      });
      return;
    }
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  request.pipe(onward);
});
await new Promise(resolve => proxy.listen(0, '127.0.0.1', resolve));
const root = `http://127.0.0.1:${proxy.address().port}/`;
export const address = root + 'pictures/', privateAddress = root + 'private/';
const answer = (status, seconds, code) => response =>
  response.writeHead(status, { 'Retry-After': seconds, 'Content-Type': 'application/json' }).end(JSON.stringify({ error: code, code }));
export const unavailable = answer(503, 1, 'busy'), limited = answer(429, 600, 'rate_limited'), broken = response => response.destroy();

export const patience = 180_000; // milliseconds, on a busy machine
// Debian's chromium is the same engine in a whole browser, and takes 60 % more CPU time for these tests.
const executablePath = '/usr/bin/chromium-headless-shell';
// The service is on the loopback interface only here: pages of public sites could not use it otherwise.
const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-features=LocalNetworkAccessChecks'];
export const isFirefox = process.env.BROWSER === 'firefox';
const firefoxUserPrefs = { 'dom.events.testing.asyncClipboard': true };
export const browser = isFirefox ? await firefox.launch({ channel: 'moz-firefox', executablePath: '/usr/bin/firefox-esr', firefoxUserPrefs, timeout: patience }) :
  await chromium.launch({ executablePath, args, timeout: patience });
process.on('exit', () => browser.close());

// visit opens the page, and fails at the end if a script failed or a request left the path.
export async function visit(use, { at = address, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 900, height: 900 }, ...options }), page = await context.newPage();
  context.setDefaultTimeout(patience);
  const wrong = [];
  page.on('pageerror', error => wrong.push(String(error)));
  page.on('response', answer => { if (answer.status() === 421) wrong.push(answer.url()) });
  page.on('console', message => { if (/Content Security Policy/.test(message.text())) wrong.push(message.text()) });
  await page.goto(at);
  await use(page, context);
  assert.deepEqual(wrong, []);
  await context.close();
}
export const drop = (page, ...files) => page.setInputFiles('#pick', files);
// text waits until an element has a text.
export const text = (page, selector, want) => page.waitForFunction(([selector, source]) => new RegExp(source).test(document.querySelector(selector)?.innerText),
  [selector, want.source]);
// The browser asks for nothing when a page writes to the clipboard, and lets the test read from it.
export const allowClipboard = context => isFirefox || context.grantPermissions(['clipboard-read', 'clipboard-write']);
export const focused = page => page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.innerText);
// held has the service keep its answers about statuses until the function that it returns is called; with 'cut', the
// connection ends instead. The function's asked is settled once a question has arrived.
export function held() {
  let arrived, release;
  const asked = new Promise(resolve => { arrived = resolve }), answer = new Promise(resolve => { release = resolve });
  traffic.statuses = () => { arrived(); return answer };
  return Object.assign(how => { release(how); traffic.statuses = null }, { asked });
}
export const summary = (page, text) => page.waitForFunction(want => document.querySelector('#summary').textContent === want, text);
export const tiles = page => page.$$eval('#grid li', tiles => tiles.map(tile => tile.innerText));
export const pixel = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==', 'base64');
export const texts = page => page.$$eval('#list li', rows => rows.map(row => row.innerText));

// inspect fails if axe finds a fault, if the page is wider than its window, if two parts of a row overlap, or if what is
// to be clicked, other than a link in a sentence, is less than 24 pixels high (WCAG 2.2, 2.5.8).
export async function inspect(page) {
  const state = await page.evaluate(async () => {
    const boxes = [...document.querySelectorAll('#list li, #grid li, #links li, #head, #viewer, #sure, #ask, #held')].map(row => [...row.children].map(part => part.getBoundingClientRect()));
    const overlap = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    return {
      wide: document.documentElement.scrollWidth - innerWidth,
      overlaps: boxes.filter(parts => parts.some((a, i) => parts.some((b, j) => i < j && overlap(a, b)))).length,
      small: [...document.querySelectorAll('button, li a, footer a')].filter(part => part.offsetHeight && part.offsetHeight < 24).map(part => part.textContent),
    };
  });
  assert.deepEqual({ ...state, wide: Math.max(0, state.wide) }, { wide: 0, overlaps: 0, small: [] });
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run());
  assert.deepEqual(found.violations.map(fault => `${fault.id}: ${fault.nodes[0].html}`), []);
}

