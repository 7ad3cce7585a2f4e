// Upload libraries as they come, on the pages of another site: what they send is taken, and what they are answered they show.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import { address, apiKey, browser, broken, notAnImage, other, patience, privateAddress, sample, traffic, unavailable } from './harness.js';

const { resolve } = createRequire(import.meta.url);
const uppyBundle = resolve('uppy').replace(/[^/]+\/[^/]+$/, 'dist/uppy.min.mjs'), dropzoneBundle = resolve('dropzone').replace(/[^/]+$/, 'dropzone.mjs');
const html = `<!doctype html><title>site</title><script type="importmap">{"imports": {"uppy": "/uppy.mjs", "dropzone": "/dropzone.mjs"}}</script>
<div id="zone" class="dropzone"></div><input id="pick" type="file" multiple>`;
// CORS_ORIGINS of the services has the first.
const allowed = 'https://site.test', stranger = 'https://other.test';
const credentials = { Authorization: 'Bearer ' + apiKey };

// site opens an empty page of an origin, which has the libraries. use gets what the page can see of an upload.
async function site(origin, use) {
  const context = await browser.newContext(), page = await context.newPage();
  context.setDefaultTimeout(patience);
  await context.route(origin + '/**', route => {
    const path = new URL(route.request().url()).pathname;
    if (path === '/uppy.mjs') return route.fulfill({ path: uppyBundle, contentType: 'text/javascript' });
    if (path === '/dropzone.mjs') return route.fulfill({ path: dropzoneBundle, contentType: 'text/javascript' });
    return route.fulfill({ contentType: 'text/html', body: html });
  });
  await page.goto(origin);
  await use(page);
  await context.close();
}

// uppy and dropzone upload files with options of their users, and return what the library makes of each.
async function uppy(page, options, ...files) {
  await page.setInputFiles('#pick', files);
  return page.evaluate(async options => {
    const { Uppy, XHRUpload } = await import('uppy'), ends = [];
    const one = new Uppy().use(XHRUpload, options);
    one.on('upload-success', (file, response) => ends.push({ name: file.name, ...response.body }));
    one.on('upload-error', (file, error, response) => ends.push({ name: file.name, status: response?.status ?? error.request?.status, error: error.message }));
    for (const file of document.querySelector('#pick').files) one.addFile({ name: file.name, type: file.type, data: file });
    await one.upload();
    return ends.sort((a, b) => a.name.localeCompare(b.name));
  }, options);
}
async function dropzone(page, options, ...files) {
  await page.evaluate(async options => {
    const { Dropzone } = await import('dropzone');
    window.ends = []; window.queue = new Promise(resolve => {
      const zone = new Dropzone('#zone', options);
      zone.on('success', (file, response) => ends.push({ name: file.name, ...response }));
      zone.on('error', (file, response, request) => ends.push({ name: file.name, status: request?.status, error: file.previewElement.querySelector('[data-dz-errormessage]').textContent }));
      zone.on('queuecomplete', () => resolve());
    });
  }, options);
  await page.setInputFiles('.dz-hidden-input', files);
  return page.evaluate(async () => { await queue; return ends.sort((a, b) => a.name.localeCompare(b.name)) });
}

// completed waits for an image in a page of the other site, and returns the status; after minutes, whatever it is.
const completed = (page, id, service, headers) => page.evaluate(async ([url, headers]) => {
  for (let asked = 1;; asked++) {
    const answer = await fetch(url, { headers }), status = await answer.json();
    if (!['queued', 'processing'].includes(status.status) || asked === 6) return status;
  }
}, [`${service}status/${id}?wait=30`, headers]);

async function newGrant() {
  const answer = await fetch(privateAddress + 'grants', { method: 'POST', headers: credentials, body: '{"types": ["image/jpeg"]}' });
  return answer.json();
}

const libraries = { 'Uppy': [uppy, 'endpoint'], 'Dropzone': [dropzone, 'url'] };
export const tests = {};
for (const [library, [upload, url]] of Object.entries(libraries)) {
  const at = (service, options) => ({ [url]: service + 'upload', ...options });
  tests[`${library} uploads from another site`] = () => site(allowed, async page => {
    const [refused, taken] = await upload(page, at(address), sample, notAnImage);
    assert.equal(taken.name, 'sample.jpg');
    const status = await completed(page, taken.image_id, address);
    assert.equal(status.status, 'completed');
    assert.match(status.result.thumbnail, /\/thumbnail_sample\.jpg$/);
    assert.equal(refused.status, 415);
    assert.match(refused.error, library === 'Dropzone' ? /^The content is not an image/ : /./);
  });
  tests[`${library} uploads several files in one request`] = () => site(allowed, async page => {
    const ends = await upload(page, at(address, library === 'Uppy' ? { bundle: true } : { uploadMultiple: true }), sample, other);
    assert.deepEqual(ends.map(end => end.images.map(image => image.filename)), [['sample.jpg', 'page.png'], ['sample.jpg', 'page.png']]);
    for (const { image_id } of ends[0].images) assert.equal((await completed(page, image_id, address)).status, 'completed');
  });
  tests[`${library} uploads with a key`] = () => site(allowed, async page => {
    const [{ image_id }] = await upload(page, at(privateAddress, { headers: credentials }), sample);
    const { urls } = await completed(page, image_id, privateAddress, credentials);
    const width = await page.evaluate(async src => { const image = new Image(); image.src = src; await image.decode(); return image.naturalWidth }, new URL(urls.thumbnail, privateAddress).href);
    assert.equal(width, 200);
  });
  tests[`${library} is refused without a key`] = () => site(allowed, async page => {
    const [refused] = await upload(page, at(privateAddress), sample);
    assert.equal(refused.status, 401);
  });
  tests[`${library} uploads with a grant instead of a key`] = () => site(allowed, async page => {
    const { grant, upload_url } = await newGrant();
    const [{ image_id }] = await upload(page, { [url]: new URL(upload_url, privateAddress).href }, sample);
    assert.equal((await completed(page, image_id, privateAddress, { 'X-Upload-Grant': grant })).status, 'completed');
  });
  tests[`${library} on a site that is not listed uploads nothing`] = () => site(stranger, async page => {
    const [end] = await upload(page, at(address), sample);
    assert.ok(end.error && !end.status && !end.image_id, JSON.stringify(end));
  });
}

// What a library sends in parts is refused with what to set.
tests['Dropzone is told not to send parts'] = () => site(allowed, async page => {
  const [end] = await dropzone(page, { url: address + 'upload', chunking: true, chunkSize: 20_000 }, sample);
  assert.equal(end.status, 400);
  assert.match(end.error, /a part of a file \(the field dztotalchunkcount of Dropzone\); set chunking to false/);
});
tests['Dropzone may send a file as its only part'] = () => site(allowed, async page => {
  const [end] = await dropzone(page, { url: address + 'upload', chunking: true, forceChunking: true }, sample);
  assert.equal((await completed(page, end.image_id ?? JSON.stringify(end), address)).status, 'completed');
});
tests['Uppy is told not to use tus'] = () => site(allowed, async page => {
  await page.setInputFiles('#pick', [sample]);
  const answer = page.waitForResponse(response => response.request().method() === 'POST');
  await page.evaluate(async endpoint => {
    const { Uppy, Tus } = await import('uppy'), one = new Uppy().use(Tus, { endpoint, retryDelays: null });
    const file = document.querySelector('#pick').files[0];
    one.addFile({ name: file.name, type: file.type, data: file });
    one.upload();
  }, address + 'upload');
  const { error, code } = await (await answer).json();
  assert.equal(code, 'incomplete_request');
  assert.match(error, /\(tus\); send each image whole, in one request, in Uppy by the plugin XHRUpload/);
});

// The code in the examples' README is run as it is there.
const readme = await readFile(new URL('../../functions/upload/examples/README.md', import.meta.url), 'utf8');
const example = library => readme.split('```').find(block => block.startsWith('js\n') && block.includes(`from '${library}'`)).slice(3);
tests['the example with Uppy repeats an upload as the same'] = () => site(allowed, async page => {
  traffic.keys.length = 0; traffic.faults.push(broken, unavailable);
  await page.setInputFiles('#pick', [sample]);
  await page.addScriptTag({ type: 'module', content: `const SERVICE = '${address.slice(0, -1)}';${example('uppy')};
    const file = document.querySelector('#pick').files[0]; uppy.addFile({ name: file.name, type: file.type, data: file });
    uppy.on('upload-success', (file, { body }) => { window.uploaded = body }); uppy.upload()` });
  await page.waitForFunction(() => window.uploaded?.image_id);
  assert.equal(traffic.keys.length, 3);
  assert.equal(new Set(traffic.keys).size, 1);
  assert.match(traffic.keys[0], /^[0-9a-f-]{36}$/);
});
tests['the example with Dropzone shows the thumbnail that the service made'] = () => site(allowed, async page => {
  const { grant } = await newGrant();
  await page.addScriptTag({ type: 'module', content: `const SERVICE = '${privateAddress.slice(0, -1)}', GRANT = '${grant}';${example('dropzone')}` });
  await page.waitForSelector('.dz-hidden-input', { state: 'attached' });
  await page.setInputFiles('.dz-hidden-input', [sample]);
  await page.waitForFunction(() => /thumbnails/.test(document.querySelector('#zone img')?.src) && document.querySelector('#zone img').naturalWidth === 200);
});
