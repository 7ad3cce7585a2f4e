// The page of a service without keys, below a path of a proxy and with faults on the way.
import assert from 'node:assert/strict';
import { mkdtemp, copyFile, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { address, allowClipboard, broken, drop, focused, heic, held, inspect, notAnImage, other, pixel, sample, summary, text, texts, tiles, traffic, unavailable, visit } from './harness.js';

export const tests = {
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
    traffic.faults.push(unavailable, broken); traffic.keys.length = 0;
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    assert.equal(traffic.keys.length, 3);
    assert.equal(new Set(traffic.keys).size, 1);
  }),
  'the first of several is the first row, and those that are done are dismissed at once': () => visit(async page => {
    const release = held();
    await drop(page, sample, notAnImage, other);
    await text(page, '#list', /^sample\.jpg[^]*README\.md[^]*page\.png/);
    await page.waitForFunction(() => /^1\/3 /.test(document.title));
    assert.ok(!await page.isVisible('#clear'));
    release();
    await summary(page, '3 of 3 done, 1 failed');
    assert.equal(await page.title(), 'image-service');
    await page.click('#clear');
    await summary(page, '1 of 1 done, 1 failed');
    assert.equal(await focused(page), 'drop');
    assert.ok(!await page.isVisible('#clear'));
  }),
  'what is dragged from the page itself is not uploaded': () => visit(async page => {
    await drop(page, sample);
    await page.waitForFunction(() => document.querySelector('#grid img')?.naturalWidth > 0);
    const dragged = page.locator('#grid img').first();
    await dragged.evaluate(image => image.addEventListener('dragstart', event => event.dataTransfer.items.add(new File(['x'], 'own.png'))));
    await dragged.dragTo(page.locator('#drop'));
    await page.evaluate(() => new Promise(resolve => setTimeout(resolve)));
    assert.deepEqual(await page.$$eval('#list li strong', names => names.map(name => name.innerText)), ['sample.jpg']);
  }),
  'the arrow keys go through the images in the larger view': () => visit(async page => {
    await drop(page, sample, other, heic);
    await summary(page, '3 of 3 done');
    const names = (await tiles(page)).slice(0, 3);
    await page.click('#grid button');
    for (const [key, want] of [['ArrowLeft', 0], ['ArrowRight', 1], ['ArrowRight', 2], ['ArrowLeft', 1]]) {
      await page.keyboard.press(key);
      await text(page, '#name', new RegExp('^' + names[want].replace('.', '\\.') + '$'));
    }
    await page.waitForFunction(() => document.querySelector('#large img')?.alt === document.querySelector('#name').innerText);
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.activeElement === document.querySelectorAll('#grid button')[1]);
  }),
  'who comes back to the page finds what others have uploaded': () => visit(async page => {
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    const form = new FormData();
    form.append('file', new Blob([pixel], { type: 'image/png' }), 'theirs.png');
    assert.equal((await fetch(address + 'upload', { method: 'POST', body: form })).status, 200);
    assert.equal((await tiles(page))[0], 'sample.jpg');
    const returns = () => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await returns();
    await page.evaluate(() => { listed = 0 });
    await returns();
    await page.waitForFunction(() => document.querySelector('#grid').innerText.startsWith('theirs.png'));
  }),
  'an upload is cancelled, and a row dismissed': () => visit(async page => {
    await drop(page, notAnImage);
    await summary(page, '1 of 1 done, 1 failed');
    await page.click('#list >> text=Dismiss');
    await summary(page, '');
    assert.equal(await focused(page), 'drop');
    traffic.hold = true;
    await drop(page, sample);
    await page.click('#list >> text=Cancel');
    await summary(page, '');
    traffic.hold = false;
    assert.deepEqual(await texts(page), []);
    await drop(page, sample, other);
    await summary(page, '2 of 2 done');
    const link = await page.$eval('#list a', link => link.href);
    await page.click('#list >> text=Dismiss');
    await summary(page, '1 of 1 done');
    assert.match(await focused(page), /^Dismiss /);
    assert.equal((await fetch(link)).status, 200);
  }),
  'leaving with an unfinished upload asks first': () => visit(async (page, context) => {
    traffic.hold = true;
    await drop(page, sample);
    await page.click('h1'); // browsers ask only on a page that was used
    const asked = page.waitForEvent('dialog');
    page.close({ runBeforeUnload: true });
    const dialog = await asked;
    assert.equal(dialog.type(), 'beforeunload');
    await dialog.accept();
    traffic.hold = false;
  }),
  'an address is declined, whether dropped or pasted': () => visit(async (page, context) => {
    const declined = () => text(page, '#summary', /does not fetch images/);
    await page.evaluate(() => {
      const transfer = new DataTransfer();
      transfer.setData('text/uri-list', 'https://example.com/a.jpg');
      dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }));
    });
    await declined();
    await allowClipboard(context);
    await page.evaluate(() => { summary.textContent = ''; return navigator.clipboard.writeText('https://example.com/a.jpg') });
    await page.keyboard.press('Control+V');
    await declined();
    assert.deepEqual(await texts(page), []);
  }),
  'an image is pasted': () => visit(async (page, context) => {
    await allowClipboard(context);
    await page.evaluate(bytes => {
      const blob = new Blob([new Uint8Array(bytes)], { type: 'image/png' });
      return navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
    }, [...pixel]);
    await page.keyboard.press('Control+V');
    await summary(page, '1 of 1 done');
    assert.match((await texts(page))[0], /^image\.png[^]*1 × 1/);
  }),
  'a folder is dropped': async () => {
    const folder = await mkdtemp(tmpdir() + '/page-');
    await mkdir(folder + '/holiday/beach', { recursive: true });
    await copyFile(sample, folder + '/holiday/sample.jpg');
    await copyFile(other, folder + '/holiday/beach/page.png');
    await copyFile(notAnImage, folder + '/holiday/.hidden');
    await copyFile(notAnImage, folder + '/holiday/notes.txt');
    await visit(async (page, context) => {
      const devtools = await context.newCDPSession(page);
      for (const type of ['dragEnter', 'dragOver', 'drop']) {
        await devtools.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data: { items: [], files: [folder + '/holiday'], dragOperationsMask: 1 } });
      }
      await summary(page, '2 of 2 done. 1 file of other kinds left out');
      assert.deepEqual((await texts(page)).map(row => row.split('\n')[0]).sort(), ['page.png', 'sample.jpg']);
    });
    await rm(folder, { recursive: true });
  },
  'a HEIC is uploaded, and shown by its thumbnail': () => visit(async page => {
    await drop(page, heic);
    await summary(page, '1 of 1 done');
    assert.match((await texts(page))[0], /^grid\.heic\n\d+ × \d+ → \d+ × \d+ · original thumbnail /);
    await page.waitForFunction(() => document.querySelector('#list img')?.naturalWidth > 0 && document.querySelector('#grid img')?.naturalWidth > 0);
    const [original, thumbnail] = await page.$$eval('#list a', links => links.map(link => link.href));
    assert.equal((await fetch(original)).headers.get('content-type'), 'image/heic');
    assert.equal((await fetch(thumbnail)).headers.get('content-type'), 'image/jpeg');
    await page.click('#grid button');
    await page.waitForFunction(() => document.querySelector('#large img')?.naturalWidth > 0);
  }),
  'a phone offers its photos and its camera': () => visit(async page => {
    assert.equal((await page.innerText('#drop')).trim(), 'Choose photos');
    assert.ok(!/drop|paste|click/i.test(await page.innerText('main')));
    for (const [label, several] of [['#drop', true], ['#snap', false]]) {
      const asked = page.waitForEvent('filechooser');
      await page.tap(label);
      const chooser = await asked;
      assert.equal(chooser.isMultiple(), several);
      await chooser.setFiles(sample);
    }
    await summary(page, '2 of 2 done');
    assert.equal(await page.getAttribute('#camera', 'capture'), 'environment');
    await inspect(page);
  }, { isMobile: true, hasTouch: true, viewport: { width: 360, height: 740 } }),
  'what was uploaded is in the gallery after a reload, is viewed, copied and deleted': () => visit(async (page, context) => {
    await allowClipboard(context);
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
    assert.equal(await focused(page), 'sample.jpg');
    await tile.click();
    const id = await page.$eval('#links a', link => link.href.split('/').at(-1));
    await page.click('#acts button:text("Delete")');
    assert.equal(await focused(page), 'Keep');
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => !sure.open && viewer.open);
    await page.click('#acts button:text("Delete")');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => !sure.open && viewer.open);
    assert.equal((await fetch(address + 'images/' + id)).status, 200);
    await page.click('#acts button:text("Delete")');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => !document.querySelector('#viewer').open);
    assert.equal((await fetch(address + 'images/' + id)).status, 410);
    await text(page, '#summary', /^sample\.jpg is deleted\.$/);
    assert.match(await focused(page), /^(page|sample)\./);
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
    const gone = { ...one, image_id: id.replace('0', '1'), filename: 'b.jpg' };
    await page.route('**/images?*', route => route.fulfill({ json: { images: [one, gone], complete: false, since: 1.7e9 } }));
    await page.route('**/thumbnails/*', route => route.abort());
    let streams = 0;
    await page.route('**/events?*', async route => {
      if (streams++ === 0) return route.fulfill({ contentType: 'text/event-stream', body: 'retry: 1000\n\n:\n\n' }); // as after four minutes
      await held;
      const events = [{ image_id: id, status: 'completed', result }, { image_id: gone.image_id, status: 'deleted' }];
      const body = events.map(data => `id: 30\nevent: status\ndata: ${JSON.stringify(data)}\n\n`).join('');
      await route.fulfill({ contentType: 'text/event-stream', body: 'retry: 1000\n\n' + body + 'event: end\ndata: {}\n\n' });
    });
    await page.reload();
    await page.waitForFunction(() => document.querySelector('#grid').innerText === 'a.jpg (waiting)\nb.jpg (waiting)');
    assert.match(await page.innerText('#note'), /^Images from before .* may be missing: the service is still looking for them\./);
    release();
    await page.waitForFunction(() => document.querySelector('#grid').innerText === 'a.jpg');
    assert.equal(streams, 2);
    await inspect(page);
  }),
  'one stream brings the states of all pages, and none those of a hidden tab': () => visit(async page => {
    const ours = '1234567-89ab-4cde-8f01-23456789abcd', ids = request => /events.ids=/.test(request.url()) ? request.url().split(ours).slice(1) : [];
    let streams = 0, most = 0, pages = 0;
    page.on('request', request => { if (ids(request).length) most = Math.max(most, ++streams) });
    page.on('requestfailed', request => { if (ids(request).length) streams-- });
    const queued = i => ({ image_id: i + ours, status: 'queued', filename: i + '.jpg', uploaded_at: 1e9 });
    await page.route('**/images?*', route => route.fulfill({ json: { images: [queued(pages)], complete: true, next: pages++ < 6 ? 'c' : undefined } }));
    await page.route('**/events?*', () => {}); // no answer
    const streamed = () => page.waitForRequest(request => ids(request).length === 7);
    const hide = hidden => page.evaluate(hidden => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    let all = streamed();
    await page.reload();
    await all;
    const ended = page.waitForEvent('requestfailed', request => ids(request).length === 7);
    await hide(true);
    await ended;
    assert.equal(streams, 0);
    all = streamed();
    await hide(false);
    await all;
    assert.equal(most, 1);
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
    traffic.unlisted = true;
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
    traffic.unlisted = false;
  },
  'the API is described': () => visit(async page => {
    await page.evaluate(() => document.querySelectorAll('details').forEach(part => { part.open = true }));
    await inspect(page);
    assert.match(await page.innerText('#upload'), new RegExp(`curl -F file=@photo.jpg ${address}upload`));
  }, { at: address + 'api' }),
};
// Only with --update.
export const screenshot = {
  'README.md has a new screenshot': () => visit(async page => {
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    await page.waitForFunction(() => document.querySelector('#list img').src.includes('thumbnails/'));
    await page.evaluate(() => document.querySelector('#list a').blur());
    await page.screenshot({ path: other });
  }, { viewport: { width: 760, height: 590 } }),
};
