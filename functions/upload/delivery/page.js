const element = id => document.getElementById(id);
const drop = element('drop'), pick = element('pick'), list = element('list'), summary = element('summary');
const ask = element('ask'), field = element('key'), why = element('why');
const pause = (milliseconds, signal) => new Promise(resolve => {
  const timer = setTimeout(resolve, milliseconds);
  signal?.addEventListener('abort', () => { clearTimeout(timer); resolve() });
});

// The key is kept while this tab is open, and sent only to where the page came from. All addresses are relative, so that
// the page works below any path.
let asking = null;
const key = () => sessionStorage.getItem('key');
const headers = () => key() ? { Authorization: 'Bearer ' + key() } : {};
function askForKey() {
  return asking ??= new Promise(resolve => {
    why.textContent = key() ? 'This key is not valid, or no longer.' : 'This service needs a key.';
    sessionStorage.removeItem('key');
    ask.hidden = false; field.focus();
    ask.onsubmit = event => {
      event.preventDefault();
      sessionStorage.setItem('key', field.value.replace(/[^!-~]/g, '')); // invisible characters get pasted with it
      field.value = ''; ask.hidden = true; asking = null;
      resolve();
      if (lists === 'true') loadMore();
    };
  });
}

async function get(path, signal) {
  for (;;) {
    const sent = key(), answer = await fetch(path, { headers: headers(), signal });
    if (answer.status !== 401) return answer;
    if (sent === key()) await askForKey();
  }
}
// An element cannot send the key in a header, so what needs a key is fetched as a blob, unless the service signs URLs.
// Signed ones expire while the page is open, so links, which may be used later, do without.
const below = (path, url) => url.slice(url.indexOf(path)); // relative to the page
const unsigned = url => url.replace(/[?&]expires=.*/, '');
async function address(path) {
  if (!key()) return path;
  const answer = await get(path);
  return answer.ok ? URL.createObjectURL(await answer.blob()) : path;
}

const shows = url => new Promise(resolve => {
  const image = new Image();
  image.onload = () => resolve(true); image.onerror = () => resolve(false);
  image.src = url;
});
const inBytes = count => count < 1e6 ? Math.ceil(count / 1e3) + ' kB' : (count / 1e6).toFixed(1) + ' MB';
const size = pixels => pixels?.join(' × ') ?? 'unknown size';

function linkTo(path, label, name) {
  const link = document.createElement('a'); link.href = path; link.textContent = label;
  link.onclick = async event => {
    if (!key()) return;
    event.preventDefault();
    link.onclick = null; link.href = await address(path);
    // What the browser cannot show, such as HEIC in most, it saves; a blob has no file name of its own.
    if (link.href.startsWith('blob:') && !await shows(link.href)) link.download = name; else link.target = '_blank';
    link.click();
  };
  return link;
}

// A row shows one image. Its button cancels the upload, then tries again or removes the row.
function newRow(file) {
  const item = document.createElement('li');
  item.innerHTML = '<figure></figure><div><strong></strong><small>waiting</small><progress max="1" value="0"></progress></div><button type="button"></button>';
  const text = item.querySelector('small'), button = item.querySelector('button'), figure = item.querySelector('figure');
  const bar = item.querySelector('progress');
  item.querySelector('strong').textContent = file.name;
  bar.setAttribute('aria-label', 'Upload of ' + file.name);
  const preview = URL.createObjectURL(file);
  shows(preview).then(can => { if (can && !figure.firstChild) show(preview) });
  list.prepend(item);
  function show(url) {
    const image = new Image(); image.src = url; image.alt = 'Thumbnail of ' + file.name;
    figure.replaceChildren(image);
  }
  function setButton(label, act) {
    button.textContent = label; button.setAttribute('aria-label', label + ' ' + file.name); button.onclick = act;
  }
  return {
    remove() { item.remove(); URL.revokeObjectURL(preview) },
    start(cancel) { item.className = ''; bar.hidden = false; setButton('Cancel', cancel) },
    setText(words) { text.textContent = words },
    progress(sent, total) {
      bar.value = sent / total;
      this.setText(sent < total ? Math.floor(100 * sent / total) + ' % of ' + inBytes(total) : 'sent ' + inBytes(total));
    },
    failed(words, again) { item.className = 'failed'; bar.hidden = true; this.setText(words); setButton('Try again', again) },
    refused(words, remove) { item.className = 'failed'; bar.hidden = true; this.setText(words); setButton('Remove', remove) },
    async done(id, { result, urls }, remove) {
      bar.hidden = true;
      show(urls ? below('thumbnails/', urls.thumbnail) : await address('thumbnails/' + id));
      this.setText(size(result.original_size) + ' → ' + size(result.thumbnail_size) + ' · ');
      const links = new Map([['images/' + id, 'original']]); // formats of a rendition share an address
      for (const r of result.renditions ?? []) {
        const path = unsigned(below('images/', r.url));
        if (!links.has(path)) links.set(path, r.name + ' ' + size([r.width, r.height]));
      }
      for (const [path, label] of links) text.append(linkTo(path, label, file.name), ' ');
      setButton('Remove', remove);
    },
  };
}

// The gallery has what the service lists; where it lists nothing, what this browser remembers.
const gallery = element('gallery'), grid = element('grid'), more = element('more'), note = element('note');
const { lists, deletes } = document.querySelector('main').dataset;
const maxRemembered = 200, pageSize = 30;

// A browser in private mode may forbid storage, or forget it: then the history ends with the page.
let remembered = [];
try { remembered = JSON.parse(localStorage.getItem('images')) ?? [] } catch {}
function keep(images) {
  remembered = images.slice(0, maxRemembered);
  try { localStorage.setItem('images', JSON.stringify(remembered)) } catch {}
}

const bytesOf = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
// placeholder draws a ThumbHash (evanw.github.io/thumbhash): three channels of cosines, and perhaps alpha.
function placeholder(hash) {
  const h = bytesOf(hash), head = h[0] | h[1] << 8 | h[2] << 16, rest = h[3] | h[4] << 8;
  const alpha = head >> 23 & 1, wide = rest >> 15, shorter = Math.max(3, rest & 7), longer = alpha ? 5 : 7;
  const across = wide ? longer : shorter, down = wide ? shorter : longer;
  let nibble = alpha ? 12 : 10;
  const channel = (mean, nx, ny, scale) => {
    const terms = [[0, 0, mean]];
    for (let y = 0; y < ny; y++) {
      for (let x = y ? 0 : 1; x * ny < nx * (ny - y); x++, nibble++) {
        terms.push([x, y, 2 * scale * ((h[nibble >> 1] >> 4 * (nibble & 1) & 15) / 7.5 - 1)]);
      }
    }
    return (u, v) => terms.reduce((sum, [x, y, term]) => sum + term * Math.cos(Math.PI * u * x) * Math.cos(Math.PI * v * y), 0);
  };
  const l = channel((head & 63) / 63, across, down, (head >> 18 & 31) / 31);
  const p = channel((head >> 6 & 63) / 31.5 - 1, 3, 3, 1.25 * (rest >> 3 & 63) / 63);
  const q = channel((head >> 12 & 63) / 31.5 - 1, 3, 3, 1.25 * (rest >> 9 & 63) / 63);
  const a = alpha ? channel((h[5] & 15) / 15, 5, 5, (h[5] >> 4) / 15) : () => 1;
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(Math.min(32, 32 * across / down)); canvas.height = Math.round(Math.min(32, 32 * down / across));
  const picture = new ImageData(canvas.width, canvas.height);
  for (let i = 0, y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      const u = (x + .5) / canvas.width, v = (y + .5) / canvas.height;
      const light = l(u, v), yellow = p(u, v), red = q(u, v), blue = light - 2 / 3 * yellow, r = (3 * light - blue + red) / 2;
      for (const part of [r, r - red, blue, a(u, v)]) picture.data[i++] = 255 * part; // which the array clamps
    }
  }
  canvas.getContext('2d').putImageData(picture, 0, 0);
  return canvas;
}

// A tile shows one image, and opens the viewer.
const tiles = new Map();
function showTile(image, first) {
  const known = tiles.get(image.image_id), item = known?.item ?? document.createElement('li');
  item.innerHTML = '<button type="button"><figure></figure><span></span></button>';
  const figure = item.querySelector('figure'), button = item.querySelector('button');
  const state = { queued: 'waiting', processing: 'in progress', failed: 'failed' }[image.status];
  item.querySelector('span').textContent = (image.filename ?? image.image_id) + (state ? ' (' + state + ')' : '');
  button.onclick = () => view(image);
  if (image.color) figure.style.background = image.color;
  try { if (image.placeholder) figure.append(placeholder(image.placeholder)) } catch {} // it is only for the eye
  if (image.status === 'completed') addThumbnail(figure, image.image_id);
  tiles.set(image.image_id, { item, image });
  if (!known) first ? grid.prepend(item) : grid.append(item);
  gallery.hidden = false;
}
async function addThumbnail(figure, id) {
  const picture = new Image(); picture.alt = ''; picture.loading = 'lazy';
  picture.onload = () => figure.querySelector('canvas')?.remove();
  picture.onerror = () => picture.remove();
  picture.src = await address('thumbnails/' + id);
  figure.append(picture);
}
function removeTile(id) {
  tiles.get(id)?.item.remove(); tiles.delete(id);
  keep(remembered.filter(image => image.image_id !== id));
  gallery.hidden = tiles.size === 0;
}
// uploaded shows an image that this page has uploaded, and remembers it.
function uploaded(file, status) {
  const renditions = status.result.renditions?.map(r => ({ ...r, url: '/' + unsigned(below('images/', r.url)) }));
  const image = { ...status.result, renditions, image_id: status.image_id, status: status.status, filename: file.name, bytes: file.size, uploaded_at: Date.now() / 1000 };
  keep([image, ...remembered.filter(one => one.image_id !== image.image_id)]);
  showTile(image, true);
}

// follow shows the states of images that have no result yet, by server-sent events. fetch sends the key, unlike
// EventSource.
async function follow(ids) {
  while (ids.length) {
    const answer = await get('events?ids=' + ids.slice(0, 20)).catch(() => null);
    if (!answer?.ok) return;
    const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = '';;) {
      const { done, value } = await lines.read().catch(() => ({ done: true }));
      if (done) break;
      const events = (text + value).split('\n\n');
      text = events.pop();
      for (const event of events) {
        const status = JSON.parse(/^data: (\{"image_id".*)$/m.exec(event)?.[1] ?? 'null'), tile = status && tiles.get(status.image_id);
        if (tile) showTile({ ...tile.image, ...status.result, status: status.status });
      }
    }
    ids = ids.slice(20);
  }
}

let cursor = '', loading = false;
async function loadMore() {
  if (loading) return;
  loading = true;
  try {
    const answer = await fetch('images?limit=' + pageSize + (cursor && '&cursor=' + cursor), { headers: headers() });
    if (answer.status === 401) return; // there is a key after the first upload
    if (!answer.ok) throw new Error(answer.status);
    const page = await answer.json();
    for (const image of page.images) if (!tiles.has(image.image_id)) showTile(image, false);
    follow(page.images.filter(image => image.status === 'queued' || image.status === 'processing').map(image => image.image_id));
    note.textContent = page.complete || page.next ? '' : 'Images from before ' + new Date(1000 * page.since).toLocaleString() + ' may be missing: the service is still looking through its store.';
    cursor = page.next ?? '';
    more.hidden = !cursor;
    if (cursor) { nearEnd.unobserve(more); nearEnd.observe(more) } // which reports it again if it is still in sight
  } catch { note.textContent = 'The images could not be listed.'; more.hidden = false; gallery.hidden = false }
  finally { loading = false }
}
const nearEnd = new IntersectionObserver(entries => { if (entries.some(entry => entry.isIntersecting)) loadMore() }, { rootMargin: '200px' });
more.onclick = loadMore;
if (lists === 'true') loadMore(); else remembered.forEach(image => showTile(image, false));

// The viewer shows an image with all that was made of it.
const viewer = element('viewer'), said = element('said'), links = element('links');
let viewed = null;
async function copy(text, what) {
  try { await navigator.clipboard.writeText(text) } catch { // without HTTPS
    const area = document.createElement('textarea');
    area.value = text; area.setAttribute('aria-hidden', 'true'); viewer.append(area); area.select();
    document.execCommand('copy'); area.remove();
  }
  said.textContent = what + ' copied';
}
const absolute = path => new URL(path, document.baseURI).href;
const quoted = text => "'" + text.replaceAll("'", "'\\''") + "'";
const escaped = text => text.replace(/[&<>"]/g, letter => '&#' + letter.charCodeAt(0) + ';');
function newButton(label, act) {
  const button = document.createElement('button');
  button.type = 'button'; button.textContent = label; button.onclick = act;
  return button;
}
function view(image) {
  const id = image.image_id, name = image.filename ?? id;
  viewed = id;
  element('name').textContent = name;
  element('facts').textContent = [image.original_size && size(image.original_size), image.bytes && inBytes(image.bytes),
    new Date(1000 * image.uploaded_at).toLocaleString(), image.error].filter(Boolean).join(' · ');
  said.textContent = '';
  const files = new Map([['images/' + id, 'original']]);
  if (image.status === 'completed') files.set('thumbnails/' + id, 'thumbnail ' + size(image.thumbnail_size));
  for (const r of image.renditions ?? []) {
    if (r.name !== 'thumbnail') files.set(unsigned(below('images/', r.url)), r.name + ' ' + size([r.width, r.height]));
  }
  links.replaceChildren(...[...files].map(([path, label]) => {
    const item = document.createElement('li');
    item.append(linkTo(path, label, name), newButton('Copy link', () => copy(absolute(path), 'Link')));
    item.lastChild.setAttribute('aria-label', 'Copy link to ' + label);
    return item;
  }));
  const best = [...files.keys()].at(-1), rendition = image.renditions?.find(r => unsigned(below('images/', r.url)) === best);
  const [width, height] = rendition ? [rendition.width, rendition.height] : image.thumbnail_size ?? [];
  const credentials = key() ? "-H 'Authorization: Bearer KEY' " : '';
  element('acts').replaceChildren(
    newButton('Copy curl', () => copy('curl ' + credentials + '-o ' + quoted(name) + ' ' + absolute('images/' + id), 'Command')),
    newButton('Copy HTML', () => copy('<img src="' + absolute(best) + '"' + (width ? ' width="' + width + '" height="' + height + '"' : '') + ' alt="' + escaped(name) + '">', 'HTML')),
    newButton('Download', () => download('images/' + id, name)),
    ...deletes === 'true' ? [newButton('Delete', () => erase(id, name))] : [],
    newButton('Close', () => viewer.close()),
  );
  showLarge(image, name);
  if (!viewer.open) viewer.showModal();
}
async function showLarge(image, name) {
  const frame = element('large');
  frame.replaceChildren();
  if (image.placeholder) try { frame.append(placeholder(image.placeholder)) } catch {}
  for (const path of ['images/', 'thumbnails/']) { // the original may be of a format that the browser does not read
    const url = await address(path + image.image_id);
    if (!await shows(url)) continue;
    const picture = new Image(); picture.src = url; picture.alt = name;
    if (viewed === image.image_id) frame.replaceChildren(picture);
    return;
  }
}
async function download(path, name) {
  const link = document.createElement('a');
  link.href = await address(path); link.download = name;
  link.click();
}
async function erase(id, name) {
  if (!confirm('Delete ' + name + ' for good?')) return;
  const answer = await fetch('images/' + id, { method: 'DELETE', headers: headers() }).catch(() => null);
  if (answer?.ok || answer?.status === 404) { removeTile(id); viewer.close() }
  else said.textContent = (await answer?.json().catch(() => null))?.error ?? 'The connection was lost';
}

// XMLHttpRequest, because fetch does not report the progress of an upload. A repetition has the same Idempotency-Key, so
// that an answer which was lost does not make two images of one.
class Unfinished extends Error { constructor(message, wait) { super(message); this.wait = wait } }
const unauthorized = new Error('unauthorized');
function sendOnce(job) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(), form = new FormData();
    form.append('file', job.file);
    request.open('POST', 'upload');
    request.responseType = 'json';
    request.upload.onprogress = event => job.row.progress(event.loaded, event.total);
    request.setRequestHeader('Idempotency-Key', job.id);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.onload = () => {
      const { status, response } = request;
      const words = response?.error?.replace(/; try again$/, '') ?? 'The service answered ' + status;
      if (status === 200) resolve(response);
      else if (status === 401) reject(unauthorized);
      else if (status === 408 || status === 429 || status >= 500)
        reject(new Unfinished(words, 1000 * Number(request.getResponseHeader('Retry-After') ?? 0)));
      else reject(new Error(words));
    };
    request.onerror = () => reject(new Unfinished('The connection was lost', 0));
    request.onabort = () => reject(new DOMException('', 'AbortError'));
    job.abort.signal.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}

// Ask for a key before the first upload: a browser reports one that is refused midway as a lost connection.
let checked = null;
const maxTries = 8;
async function send(job) {
  await (checked ??= get('status/0').catch(() => { checked = null }));
  for (let tries = 1; ; tries++) {
    const sent = key();
    try { return await sendOnce(job) } catch (error) {
      if (error === unauthorized) {
        job.row.setText('waiting for a key');
        if (sent === key()) await askForKey();
        continue;
      }
      if (!(error instanceof Unfinished) || tries === maxTries) throw error;
      const wait = Math.max(error.wait, Math.min(1000 * 2 ** (tries - 1), 30000));
      job.row.setText(error.message + '; trying again in ' + Math.ceil(wait / 1000) + ' s');
      await pause(wait, job.abort.signal);
      if (!navigator.onLine) await new Promise(resolve => addEventListener('online', resolve, { once: true }));
      job.abort.signal.throwIfAborted();
    }
  }
}

// The service holds the answer until the result is there; the pause is for one that has too many who wait.
async function result(id, signal) {
  for (let wait = 100, missed = 0; missed < 10; wait = Math.min(wait * 1.5, 3000)) {
    const answer = await get('status/' + id + '?wait=20', signal).catch(() => null);
    signal.throwIfAborted();
    const status = answer?.ok && await answer.json();
    if (status?.status === 'completed' || status?.status === 'failed') return status;
    missed = status ? 0 : missed + 1;
    await pause(wait, signal);
  }
  throw new Unfinished('The service no longer answers. The image is stored; its ID is ' + id, 0);
}

const jobs = new Set();
function report() {
  const all = [...jobs], count = state => all.filter(job => job.state === state).length;
  const ended = all.length - count('waiting') - count('busy');
  summary.textContent = all.length === 0 ? '' : ended + ' of ' + all.length + ' done' + (count('failed') ? ', ' + count('failed') + ' failed' : '');
}
function setState(job, state) { job.state = state; report() }
function remove(job) { jobs.delete(job); job.row.remove(); report() }

async function run(job) {
  setState(job, 'busy');
  const { row, abort } = job;
  try {
    row.setText('sending');
    const { image_id } = await send(job);
    row.setText('making the thumbnail');
    const status = await result(image_id, abort.signal);
    uploaded(job.file, status);
    if (status.status === 'completed') { await row.done(image_id, status, () => remove(job)); setState(job, 'done') }
    else { row.refused(status.result.error, () => remove(job)); setState(job, 'failed') }
  } catch (error) {
    if (abort.signal.aborted) return remove(job);
    if (error instanceof Unfinished) row.failed(error.message, () => enqueue(job));
    else row.refused(error.message, () => remove(job)); // the same image would be refused again
    setState(job, 'failed');
  }
}

// Three uploads at a time, so that a slow one does not hold up the others.
const waiting = []; let busy = 0;
function enqueue(job) {
  job.abort = new AbortController();
  job.row.start(() => {
    job.abort.abort();
    if (job.state === 'waiting') { waiting.splice(waiting.indexOf(job), 1); remove(job) }
  });
  waiting.push(job); setState(job, 'waiting'); next();
}
function next() {
  while (busy < 3 && waiting.length) { busy++; run(waiting.shift()).finally(() => { busy--; next() }) }
}
function newID() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('');
}
function add(files) {
  for (const file of files) {
    const job = { file, id: newID(), row: newRow(file) };
    jobs.add(job);
    enqueue(job);
  }
}
addEventListener('beforeunload', event => { if (busy || waiting.length) event.preventDefault() });

// filesIn returns the files of what was dropped, with those in folders.
async function filesIn(transfer) {
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.()), files = [...transfer.files];
  if (!entries.some(entry => entry?.isDirectory)) return files;
  return (await Promise.all(entries.filter(Boolean).map(read))).flat();
}
async function read(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader(), found = [];
  for (;;) { // a call returns a part
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found.filter(file => !file.name.startsWith('.'));
    found.push(...(await Promise.all(some.map(read))).flat());
  }
}
async function take(transfer) {
  const link = transfer.getData('text/uri-list') || transfer.getData('text/plain'), files = await filesIn(transfer);
  if (files.length === 0 && /^https?:/.test(link)) {
    summary.textContent = 'This service does not fetch images from addresses: save the image first, then drop the file.';
    return;
  }
  add(files);
}

pick.onchange = () => { add(pick.files); pick.value = '' };
addEventListener('paste', event => { if (event.target !== field) take(event.clipboardData) });
for (const type of ['dragover', 'drop']) addEventListener(type, event => event.preventDefault());
addEventListener('dragover', () => drop.classList.add('over'));
addEventListener('dragleave', () => drop.classList.remove('over'));
addEventListener('drop', event => { drop.classList.remove('over'); take(event.dataTransfer) });
