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

// A proxy removes the path /pictures, as Traefik does. faults are answered to the next uploads; held ones never end. With
// unlisted the page is that of a service which lists no images.
const faults = []; let hold = false, unlisted = false;
const keys = [];
const proxy = http.createServer((request, response) => {
  request.on('error', () => {});
  if (!request.url.startsWith('/pictures/')) { response.writeHead(410).end(); return }
  if (request.method === 'POST') keys.push(request.headers['idempotency-key']);
  if (request.method === 'POST' && hold) return request.resume();
  if (request.method === 'POST' && faults.length > 0) return request.resume().on('end', faults.shift().bind(null, response));
  const headers = { ...request.headers, 'X-Forwarded-Prefix': '/pictures' };
  const onward = http.request(service + request.url.slice('/pictures'.length), { method: request.method, headers }, answer => {
    if (unlisted && request.url === '/pictures/') {
      let html = '';
      answer.setEncoding('utf8').on('data', part => { html += part }).on('end', () => {
        response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Security-Policy': answer.headers['content-security-policy'] }).end(html.replace('data-lists="true"', 'data-lists="false"'));
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
const tiles = page => page.$$eval('#grid li', tiles => tiles.map(tile => tile.innerText));
const pixel = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==', 'base64');
const texts = page => page.$$eval('#list li', rows => rows.map(row => row.innerText));

// inspect fails if axe finds a fault, if the page is wider than its window, if two parts of a row overlap, or if what is
// to be clicked, other than a link in a sentence, is less than 24 pixels high (WCAG 2.2, 2.5.8).
async function inspect(page) {
  const state = await page.evaluate(async () => {
    const boxes = [...document.querySelectorAll('#list li, #grid li, #links li, #viewer')].map(row => [...row.children].map(part => part.getBoundingClientRect()));
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
    for (const link of await page.$$eval('#list a', links => links.map(link => link.href))) {
      assert.equal((await fetch(link)).status, 200, link);
    }
    await page.waitForFunction(() => [...document.querySelectorAll('#list img')].every(image => image.naturalWidth > 0));
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
    await page.click('#list button');
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
  'what was uploaded is in the gallery after a reload, is viewed, copied and deleted': () => visit(async (page, context) => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const clipboard = text => page.evaluate(() => navigator.clipboard.readText()).then(got => assert.match(got, text));
    await drop(page, sample, other, sample);
    await summary(page, '3 of 3 done');
    const before = await tiles(page);
    assert.deepEqual(before.slice(0, 3).sort(), ['page.png', 'sample.jpg', 'sample.jpg']);
    await page.reload();
    await page.waitForFunction(count => document.querySelectorAll('#grid li').length >= count, Math.min(before.length, 30));
    assert.deepEqual((await tiles(page)).slice(0, 3).sort(), ['page.png', 'sample.jpg', 'sample.jpg']);
    await page.waitForFunction(() => [...document.querySelectorAll('#grid li:nth-child(-n + 3) img')].filter(image => image.naturalWidth > 0).length === 3);
    await inspect(page);
    const tile = page.locator('#grid button', { hasText: 'sample.jpg' }).first();
    await tile.focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('#large img')?.naturalWidth === 1600);
    assert.match(await page.innerText('#facts'), /^1600 × 1067 · /);
    assert.match(await page.innerText('#links'), /original[^]*thumbnail 200 × 133[^]*card 320 × 240/);
    await inspect(page);
    for (const link of await page.$$eval('#links a', links => links.map(link => link.href))) assert.equal((await fetch(link)).status, 200, link);
    await page.click('#links li:last-child button');
    await page.waitForFunction(() => document.querySelector('#said').textContent === 'Link copied');
    await clipboard(new RegExp(`^${address}images/[0-9a-f-]{36}/card\\?v=[0-9a-f]+$`));
    await page.click('text=Copy HTML');
    await page.waitForFunction(() => document.querySelector('#said').textContent === 'HTML copied');
    await clipboard(/^<img src="http[^"]+\/card\?v=[0-9a-f]+" width="320" height="240" alt="sample.jpg">$/);
    await page.click('text=Copy curl');
    await page.waitForFunction(() => document.querySelector('#said').textContent === 'Command copied');
    await clipboard(new RegExp(`^curl -o 'sample.jpg' ${address}images/[0-9a-f-]{36}$`));
    const saved = page.waitForEvent('download');
    await page.click('text=Download');
    assert.equal((await saved).suggestedFilename(), 'sample.jpg');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !document.querySelector('#viewer').open);
    await tile.click();
    const id = await page.$eval('#links a', link => link.href.split('/').at(-1));
    page.once('dialog', dialog => dialog.dismiss());
    await page.click('#acts button:text("Delete")');
    assert.equal((await fetch(address + 'images/' + id)).status, 200);
    page.once('dialog', dialog => dialog.accept());
    await page.click('#acts button:text("Delete")');
    await page.waitForFunction(() => !document.querySelector('#viewer').open);
    assert.equal((await fetch(address + 'images/' + id)).status, 410);
    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll('#grid li').length > 0);
    assert.deepEqual((await tiles(page)).slice(0, 2).sort(), before.slice(0, 3).sort().slice(0, 2));
  }),
  'the gallery goes on when its end comes into sight, and by keyboard': async () => {
    const form = () => { const one = new FormData(); one.append('file', new Blob([pixel], { type: 'image/png' }), 'pixel.png'); return one };
    for (let i = 0; i < 60; i++) assert.equal((await fetch(address + 'upload', { method: 'POST', body: form() })).status, 200);
    const count = page => page.$$eval('#grid li', tiles => tiles.length);
    await visit(async page => {
      await page.waitForFunction(() => document.querySelectorAll('#grid li').length === 30);
      await page.waitForFunction(() => !document.querySelector('#more').hidden);
      await inspect(page);
      await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
      await page.waitForFunction(() => document.querySelectorAll('#grid li').length >= 60);
      const before = await count(page);
      await page.evaluate(() => { scrollTo(0, 0) });
      const ids = await page.$$eval('#grid li', tiles => tiles.length);
      assert.equal(ids, before);
    }, { viewport: { width: 900, height: 500 } });
    await visit(async page => {
      await page.waitForFunction(() => document.querySelectorAll('#grid li').length === 30);
      await page.waitForFunction(() => !document.querySelector('#more').hidden);
      await page.evaluate(() => { nearEnd.disconnect(); more.focus() });
      await page.keyboard.press('Enter');
      await page.waitForFunction(() => document.querySelectorAll('#grid li').length === 60);
    }, { viewport: { width: 320, height: 500 } });
  },
  'states change without a reload': () => visit(async page => {
    const id = '01234567-89ab-4cde-8f01-23456789abcd';
    const one = { image_id: id, status: 'queued', filename: 'a.jpg', uploaded_at: 1e9, url: '/images/' + id };
    const result = { success: true, original_size: [8, 6], thumbnail_size: [8, 6] };
    let release;
    const held = new Promise(resolve => { release = resolve });
    await page.route('**/images?*', route => route.fulfill({ json: { images: [one], complete: false, since: 1.7e9 } }));
    await page.route('**/thumbnails/*', route => route.abort());
    await page.route('**/events?*', async route => {
      await held;
      await route.fulfill({ contentType: 'text/event-stream', body: `retry: 1000\n\nid: 3\nevent: status\ndata: ${JSON.stringify({ image_id: id, status: 'completed', result })}\n\nevent: end\ndata: {}\n\n` });
    });
    await page.reload();
    await page.waitForFunction(() => document.querySelector('#grid').innerText === 'a.jpg (waiting)');
    assert.match(await page.innerText('#note'), /^Images from before .* may be missing/);
    release();
    await page.waitForFunction(() => document.querySelector('#grid').innerText === 'a.jpg');
    await inspect(page);
  }),
  'placeholders look like the images': () => visit(async page => {
    await page.route('**/thumbnails/*', route => route.abort());
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    const difference = await page.evaluate(async () => {
      const quarters = canvas => [0, 1, 2, 3].map(i => {
        const w = canvas.width >> 1, h = canvas.height >> 1, sum = [0, 0, 0];
        const { data } = canvas.getContext('2d').getImageData(i & 1 ? w : 0, i & 2 ? h : 0, w, h);
        data.forEach((value, j) => { if (j % 4 < 3) sum[j % 4] += value / (w * h) });
        return sum;
      }).flat();
      const tile = [...tiles.values()].find(one => one.item === grid.firstChild), canvas = document.createElement('canvas');
      const picture = await createImageBitmap(await (await fetch('images/' + tile.image.image_id + '/thumbnail')).blob());
      canvas.width = picture.width; canvas.height = picture.height; canvas.getContext('2d').drawImage(picture, 0, 0);
      const want = quarters(canvas), got = quarters(grid.querySelector('canvas'));
      if (Math.max(...want) - Math.min(...want) < 30) return 'the image has one colour';
      return Math.max(...want.map((value, i) => Math.abs(value - got[i])));
    });
    assert.ok(difference < 25, `quarters of a placeholder differ by ${difference} of 255`);
  }),
  'where the service lists nothing, the browser remembers': async () => {
    unlisted = true;
    await visit(async page => {
      await drop(page, sample);
      await summary(page, '1 of 1 done');
      await page.reload();
      assert.deepEqual(await tiles(page), ['sample.jpg']);
      await page.evaluate(() => localStorage.clear());
      await page.reload();
      assert.deepEqual(await tiles(page), []);
    });
    await visit(async (page, context) => { // a browser that forbids storage
      await context.addInitScript(() => Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError') } }));
      await page.reload();
      await drop(page, sample);
      await summary(page, '1 of 1 done');
      assert.deepEqual(await tiles(page), ['sample.jpg']);
      await page.reload();
      assert.deepEqual(await tiles(page), []);
    });
    unlisted = false;
  },
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
      await page.click('#grid button');
      await page.waitForFunction(() => document.querySelector('#large img')?.naturalWidth > 0);
      await inspect(page);
    }, { colorScheme, viewport: { width, height: 700 } });
  }
}
if (process.argv[3] === '--update') {
  tests['README.md has a new screenshot'] = () => visit(async page => {
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    await page.waitForFunction(() => document.querySelector('#list img').src.includes('thumbnails/'));
    await page.evaluate(() => document.querySelector('#list a').blur());
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
