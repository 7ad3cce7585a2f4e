// Uses the page of image-service as people do, in Debian's Chromium, below a path of a proxy and with faults on the way.
//
//   node test.js URL            # of a service with the renditions of .ci/page/renditions.yaml
//   node test.js URL --update   # also makes the screenshot of README.md
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import http from 'node:http';
import { chromium } from 'playwright-core';

const service = process.argv[2], images = new URL('../../docs/images/', import.meta.url).pathname;
const sample = images + 'sample.jpg', other = images + 'page.png', notAnImage = new URL('../../README.md', import.meta.url).pathname;
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// A proxy removes the path /pictures, as Traefik does. faults are answered to the next uploads; held ones never end.
const faults = []; let hold = false;
const keys = [];
const proxy = http.createServer((request, response) => {
  request.on('error', () => {});
  if (!request.url.startsWith('/pictures/')) { response.writeHead(410).end(); return }
  if (request.method === 'POST') keys.push(request.headers['idempotency-key']);
  if (request.method === 'POST' && hold) return request.resume();
  if (request.method === 'POST' && faults.length > 0) return request.resume().on('end', faults.shift().bind(null, response));
  const headers = { ...request.headers, 'X-Forwarded-Prefix': '/pictures' };
  const onward = http.request(service + request.url.slice('/pictures'.length), { method: request.method, headers }, answer => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  request.pipe(onward);
});
await new Promise(resolve => proxy.listen(0, '127.0.0.1', resolve));
const address = `http://127.0.0.1:${proxy.address().port}/pictures/`;
const unavailable = response => response.writeHead(503, { 'Retry-After': '1', 'Content-Type': 'application/json' }).end('{"error":"busy","code":"busy"}');
const broken = response => response.destroy();

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });
process.on('exit', () => browser.close());

// visit opens the page, and fails at the end if a script failed or a request left the path.
async function visit(use, { path = '', ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 900, height: 900 }, ...options }), page = await context.newPage();
  const wrong = [];
  page.on('pageerror', error => wrong.push(String(error)));
  page.on('response', answer => { if (answer.status() === 410) wrong.push(answer.url()) });
  page.on('console', message => { if (/Content Security Policy/.test(message.text())) wrong.push(message.text()) });
  await page.goto(address + path);
  await use(page, context);
  assert.deepEqual(wrong, []);
  await context.close();
}
const drop = (page, ...files) => page.setInputFiles('#pick', files);
const summary = (page, text) => page.waitForFunction(want => document.querySelector('#summary').textContent === want, text, { timeout: 60_000 });
const texts = page => page.$$eval('li', rows => rows.map(row => row.innerText));

// inspect fails if axe finds a fault, if the page is wider than its window, if two parts of a row overlap, or if what is
// to be clicked, other than a link in a sentence, is less than 24 pixels high (WCAG 2.2, 2.5.8).
async function inspect(page) {
  const state = await page.evaluate(async () => {
    const boxes = [...document.querySelectorAll('li')].map(row => [...row.children].map(part => part.getBoundingClientRect()));
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

const tests = {
  'images are uploaded, and their renditions are linked': () => visit(async page => {
    await drop(page, sample, other, notAnImage);
    await summary(page, '3 of 3 done, 1 failed');
    const rows = (await texts(page)).join('\n');
    assert.match(rows, /1600 × 1067 → 200 × 133 · original thumbnail 200 × 133 card 320 × 240/);
    assert.match(rows, /The content is not an image/);
    for (const link of await page.$$eval('li a', links => links.map(link => link.href))) {
      assert.equal((await fetch(link)).status, 200, link);
    }
    await page.waitForFunction(() => [...document.querySelectorAll('li img')].every(image => image.naturalWidth > 0));
  }),
  'a fault and a lost connection are retried as the same upload': () => visit(async page => {
    faults.push(unavailable, broken); keys.length = 0;
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    assert.equal(keys.length, 3);
    assert.equal(new Set(keys).size, 1);
  }),
  'an upload is cancelled, one that failed removed': () => visit(async page => {
    await drop(page, notAnImage);
    await summary(page, '1 of 1 done, 1 failed');
    await page.click('li button');
    await summary(page, '');
    hold = true;
    await drop(page, sample);
    await page.click('text=Cancel');
    await summary(page, '');
    hold = false;
    assert.deepEqual(await texts(page), []);
  }),
  'leaving with an unfinished upload asks first': () => visit(async (page, context) => {
    hold = true;
    await drop(page, sample);
    await page.click('h1'); // browsers ask only on a page that was used
    const asked = page.waitForEvent('dialog');
    page.close({ runBeforeUnload: true });
    const dialog = await asked;
    assert.equal(dialog.type(), 'beforeunload');
    await dialog.accept();
    hold = false;
  }),
  'a dropped address is declined': () => visit(async page => {
    await page.evaluate(() => {
      const transfer = new DataTransfer();
      transfer.setData('text/uri-list', 'https://example.com/a.jpg');
      dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }));
    });
    await page.waitForFunction(() => /does not fetch images/.test(document.querySelector('#summary').textContent));
  }),
  'the API is described': () => visit(async page => {
    await page.evaluate(() => document.querySelectorAll('details').forEach(part => { part.open = true }));
    await inspect(page);
    assert.match(await page.innerText('#upload'), new RegExp(`curl -F file=@photo.jpg ${address}upload`));
  }, { path: 'api' }),
};
for (const colorScheme of ['light', 'dark']) {
  for (const width of [320, 900]) {
    tests[`nothing overlaps and axe finds nothing, ${colorScheme}, ${width} pixels wide`] = () => visit(async page => {
      await inspect(page);
      await drop(page, sample, notAnImage);
      await summary(page, '2 of 2 done, 1 failed');
      await inspect(page);
    }, { colorScheme, viewport: { width, height: 700 } });
  }
}
if (process.argv[3] === '--update') {
  tests['README.md has a new screenshot'] = () => visit(async page => {
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    await page.waitForFunction(() => document.querySelector('li img').src.includes('thumbnails/'));
    await page.evaluate(() => document.querySelector('li a').blur());
    await page.screenshot({ path: other });
  }, { viewport: { width: 760, height: 552 } });
}

for (const [name, test] of Object.entries(tests)) {
  try { await test() } catch (error) {
    console.error(`page: ${name}:`, error);
    process.exit(1);
  }
  console.log(name);
}
process.exit(0);
