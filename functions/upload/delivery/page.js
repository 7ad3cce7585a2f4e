const element = id => document.getElementById(id);
const drop = element('drop'), pick = element('pick'), list = element('list'), summary = element('summary');
const ask = element('ask'), field = element('key'), why = element('why'), abandon = element('abandon');
const held = element('held'), change = element('change'), forget = element('forget');
const data = document.querySelector('main').dataset, [lists, deletes, keys] = [data.lists, data.deletes, data.keys].map(is => is === 'true');
const pause = (milliseconds, signal) => new Promise(resolve => {
  const timer = setTimeout(resolve, milliseconds);
  signal?.addEventListener('abort', () => { clearTimeout(timer); resolve() });
});

// until settles as a promise does, or fails as soon as a signal is aborted.
const until = (promise, signal) => new Promise((resolve, reject) => {
  signal?.throwIfAborted();
  promise.then(resolve, reject);
  signal?.addEventListener('abort', () => reject(signal.reason));
});
const wordsOf = async answer => !answer ? 'The connection was lost' :
  (await answer.json().catch(() => null))?.error?.replace(/; try again$/, '') ?? 'The service answered ' + answer.status;
const restOf = text => 1000 * text || 0; // of a Retry-After, which may be a date

// The key is kept while this tab is open, and sent only to where the page came from. All addresses are relative, so that
// the page works below any path.
const key = () => sessionStorage.getItem('key');
const headers = (credential = key()) => credential ? { Authorization: 'Bearer ' + credential } : {};
const invalid = 'This key is not valid, or no longer.';
let entered = Promise.withResolvers(); // settled by the next key
let checked = null; // the key that is known to be valid
function showAccess(words = '') {
  ask.hidden = !keys || Boolean(key()); held.hidden = !keys || !key(); abandon.hidden = true;
  why.textContent = words; field.value = '';
  if (words === invalid) field.setAttribute('aria-invalid', 'true'); else field.removeAttribute('aria-invalid');
}
function dropKey(words) {
  sessionStorage.removeItem('key');
  showAccess(words); showGallery();
}
function needKey() {
  if (document.activeElement !== field) field.focus();
  return entered.promise;
}
ask.onsubmit = async event => {
  event.preventDefault();
  const given = field.value.replace(/[^!-~]/g, ''); // invisible characters get pasted with it
  const answer = await fetch('status/0', { headers: headers(given) }).catch(() => null);
  if (!answer?.ok && answer?.status !== 404) {
    why.textContent = answer?.status === 401 ? invalid : await wordsOf(answer);
    field.setAttribute('aria-invalid', 'true'); field.focus(); field.select();
    return;
  }
  sessionStorage.setItem('key', given); checked = given;
  showAccess(); change.focus();
  entered.resolve(); entered = Promise.withResolvers();
  showGallery();
};
change.onclick = () => { ask.hidden = false; held.hidden = true; abandon.hidden = false; field.focus() };
abandon.onclick = () => { showAccess(); change.focus() };
// What the key gave goes with it, on a machine that others use, too.
forget.onclick = () => {
  keep([]); dropKey('The key is forgotten.'); field.focus();
  for (const job of jobs) if (job.state === 'done' || job.state === 'failed') remove(job);
};

// get fetches with the key. Without one, it calls waits, and waits until the visitor has given one.
async function get(path, { signal, waits } = {}) {
  for (;;) {
    if (keys && !key()) { waits?.(); await until(needKey(), signal) }
    const sent = key(), answer = await fetch(path, { headers: headers(), signal });
    if (answer.status !== 401 || !keys) return answer;
    if (sent === key()) dropKey(invalid);
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

// A row shows one image. Its buttons are to cancel the upload, to try it again, and to dismiss the row.
function newRow(file) {
  const item = document.createElement('li');
  item.innerHTML = '<figure></figure><div><strong></strong><small>waiting</small><progress max="1" value="0"></progress></div><div></div>';
  const text = item.querySelector('small'), figure = item.querySelector('figure'), buttons = item.lastChild;
  const bar = item.querySelector('progress');
  item.querySelector('strong').textContent = file.name;
  bar.setAttribute('aria-label', 'Upload of ' + file.name);
  const preview = URL.createObjectURL(file);
  let gone = false;
  shows(preview).then(can => { if (can && !figure.firstChild && !gone) show(preview) });
  list.prepend(item);
  function show(url) {
    const image = new Image(); image.src = url; image.alt = 'Thumbnail of ' + file.name;
    figure.replaceChildren(image);
  }
  function setButtons(...acts) { // the first one keeps the focus
    acts.forEach(([label, act], i) => {
      const button = buttons.children[i] ?? buttons.appendChild(newButton());
      button.textContent = label; button.setAttribute('aria-label', label + ' ' + file.name); button.onclick = act;
    });
    while (buttons.children.length > acts.length) buttons.lastChild.remove();
  }
  return {
    remove() {
      if (item.contains(document.activeElement)) ((item.nextSibling ?? item.previousSibling)?.querySelector('button') ?? pick).focus();
      item.remove(); URL.revokeObjectURL(preview);
    },
    start(cancel) { item.className = ''; bar.hidden = false; setButtons(['Cancel', cancel]) },
    setText(words) { text.textContent = words },
    progress(sent, total) {
      bar.value = sent / total;
      this.setText(sent < total ? Math.floor(100 * sent / total) + ' % of ' + inBytes(total) : 'sent ' + inBytes(total));
    },
    failed(words, dismiss, ...again) {
      item.className = 'failed'; bar.hidden = true;
      this.setText(words); setButtons(...again.map(act => ['Try again', act]), ['Dismiss', dismiss]);
    },
    deleted(dismiss) {
      item.className = ''; bar.hidden = gone = true;
      this.setText('deleted'); setButtons(['Dismiss', dismiss]); figure.replaceChildren();
    },
    async done(id, { result, urls }, dismiss) {
      bar.hidden = true;
      show(urls ? below('thumbnails/', urls.thumbnail) : await address('thumbnails/' + id));
      this.setText(size(result.original_size) + ' → ' + size(result.thumbnail_size) + ' · ');
      const links = new Map([['images/' + id, 'original']]); // formats of a rendition share an address
      for (const r of result.renditions ?? []) {
        const path = unsigned(below('images/', r.url));
        if (!links.has(path)) links.set(path, r.name + ' ' + size([r.width, r.height]));
      }
      for (const [path, label] of links) text.append(linkTo(path, label, file.name), ' ');
      setButtons(['Dismiss', dismiss]);
    },
  };
}

// The gallery has what the service lists; where it lists nothing, what this browser remembers.
const gallery = element('gallery'), grid = element('grid'), more = element('more'), note = element('note');
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
  canvas.setAttribute('aria-hidden', 'true'); // it is there until the image is
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
  gallery.hidden = tiles.size === 0 && !note.textContent;
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
async function follow(ids, signal) {
  while (ids.length) {
    const answer = await get('events?ids=' + ids.slice(0, 20), { signal }).catch(() => null);
    if (!answer?.ok) return;
    const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = '';;) {
      const { done, value } = await lines.read().catch(() => ({ done: true }));
      if (done) break;
      const events = (text + value).split('\n\n');
      text = events.pop();
      for (const event of events) {
        const status = JSON.parse(/^data: (\{"image_id".*)$/m.exec(event)?.[1] ?? 'null'), tile = status && tiles.get(status.image_id);
        if (tile && status.status === 'deleted') removeTile(status.image_id);
        else if (tile) showTile({ ...tile.image, ...status.result, status: status.status });
      }
    }
    ids = ids.slice(20);
  }
}

let cursor = '', loading = false, listing = new AbortController();
async function loadMore() {
  if (loading) return;
  loading = true;
  const { signal } = listing;
  try {
    const answer = await fetch('images?limit=' + pageSize + (cursor && '&cursor=' + cursor), { headers: headers(), signal });
    if (answer.status === 401 && keys) return dropKey(invalid);
    if (!answer.ok) throw new Error(answer.status);
    const page = await answer.json();
    for (const image of page.images) if (!tiles.has(image.image_id)) showTile(image, false);
    follow(page.images.filter(image => image.status === 'queued' || image.status === 'processing').map(image => image.image_id), signal);
    note.textContent = page.complete || page.next ? '' : 'Images from before ' + new Date(1000 * page.since).toLocaleString() + ' may be missing: the service is still looking for them. They appear here when it has found them.';
    cursor = page.next ?? '';
    more.hidden = !cursor;
    gallery.hidden = tiles.size === 0 && !note.textContent;
    if (cursor) { nearEnd.unobserve(more); nearEnd.observe(more) } // which reports it again if it is still in sight
  } catch {
    if (signal.aborted) return;
    note.textContent = 'The images could not be listed.'; more.hidden = false; gallery.hidden = false;
  } finally { if (!signal.aborted) loading = false }
}
const nearEnd = new IntersectionObserver(entries => { if (entries.some(entry => entry.isIntersecting)) loadMore() }, { rootMargin: '200px' });
more.onclick = loadMore;
// showGallery begins anew, with what the key of now gives.
function showGallery() {
  listing.abort(); listing = new AbortController(); loading = false; cursor = '';
  for (const { item } of tiles.values()) item.remove();
  tiles.clear();
  note.textContent = ''; more.hidden = gallery.hidden = true;
  if (keys && !key()) return;
  if (lists) loadMore(); else remembered.forEach(image => showTile(image, false));
}
showAccess(); showGallery();

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
    newButton('Close', () => viewer.close()),
    ...deletes ? [newButton('Delete', () => erase(id, name))] : [],
  );
  if (deletes) element('acts').lastChild.className = 'danger';
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
const sure = element('sure');
function isSure(name) {
  element('question').textContent = 'Delete ' + name + '?';
  sure.returnValue = '';
  sure.showModal();
  return new Promise(resolve => { sure.onclose = () => resolve(sure.returnValue === 'delete') });
}
async function erase(id, name) {
  if (!await isSure(name)) return;
  const answer = await fetch('images/' + id, { method: 'DELETE', headers: headers() }).catch(() => null);
  if (!answer?.ok && answer?.status !== 404) { said.textContent = await wordsOf(answer); return }
  const item = tiles.get(id)?.item, near = item?.nextSibling ?? item?.previousSibling;
  removeTile(id);
  for (const job of jobs) if (job.image === id) job.row.deleted(() => remove(job));
  summary.textContent = name + ' is deleted.';
  viewer.close();
  (near?.querySelector('button') ?? pick).focus();
}

// XMLHttpRequest, because fetch does not report the progress of an upload. A repetition has the same Idempotency-Key, so
// that an answer which was lost does not make two images of one.
class Unfinished extends Error { constructor(message, wait = 0) { super(message); this.wait = wait } }
class Lost extends Unfinished { constructor() { super('The connection was lost') } }
const unauthorized = new Error('unauthorized'), deleted = new Error('deleted');
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
      else if (status === 401 && keys) reject(unauthorized);
      else if (status === 410) reject(deleted);
      else if (status === 408 || status === 429 || status >= 500)
        reject(new Unfinished(words, restOf(request.getResponseHeader('Retry-After'))));
      else reject(new Error(words));
    };
    request.onerror = () => reject(new Lost());
    request.onabort = () => reject(new DOMException('', 'AbortError'));
    job.abort.signal.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}

const waitForKey = row => () => row.setText('waiting for the key');
// While offline, wait for the network; the pause is for a service on this machine, which is reached without one.
async function networkBack(row, signal) {
  row.setText('offline; goes on when the network is back');
  const stop = new AbortController(), over = AbortSignal.any([signal, stop.signal]);
  await Promise.race([new Promise(resolve => addEventListener('online', resolve, { once: true, signal: over })), pause(30000, over)]);
  stop.abort();
  signal.throwIfAborted();
}

// A key is checked before an upload: a browser reports one that is refused midway as a lost connection. Time without a
// network is not a try.
const maxTries = 8;
async function send(job) {
  const { row, abort: { signal } } = job;
  for (let tries = 1;;) {
    const sent = key();
    try {
      if (keys && !(sent && sent === checked)) {
        await get('status/0', { signal, waits: waitForKey(row) }).catch(() => { throw new Lost() });
        checked = key();
      }
      row.setText('sending');
      return await sendOnce(job);
    } catch (error) {
      signal.throwIfAborted();
      if (error === unauthorized) {
        if (sent === key()) dropKey(invalid);
        checked = null;
        continue;
      }
      if (error instanceof Lost && !navigator.onLine) { await networkBack(row, signal); continue }
      if (!(error instanceof Unfinished) || tries++ === maxTries) throw error;
      const wait = Math.max(error.wait, Math.min(1000 * 2 ** (tries - 2), 30000));
      row.setText(error.message + '; trying again in ' + Math.ceil(wait / 1000) + ' s');
      await pause(wait, signal);
      signal.throwIfAborted();
    }
  }
}

// The service holds the answer until the result is there; the pause is for one that has too many who wait.
async function result(id, row, signal) {
  for (let wait = 100, missed = 0; missed < 10; wait = Math.min(wait * 1.5, 3000)) {
    row.setText('making the thumbnail');
    const answer = await get('status/' + id + '?wait=20', { signal, waits: waitForKey(row) }).catch(() => null);
    const status = await answer?.json().catch(() => null);
    signal.throwIfAborted();
    if (!status && !navigator.onLine) { await networkBack(row, signal); continue }
    if (answer?.status === 410) throw deleted;
    if (answer?.status === 404) throw new Error(status?.error); // with another key than the upload's
    if (answer?.ok && (status?.status === 'completed' || status?.status === 'failed')) return status;
    missed = answer?.ok && status ? 0 : missed + 1;
    await pause(Math.max(wait, restOf(answer?.headers.get('Retry-After'))), signal);
    signal.throwIfAborted();
  }
  throw new Unfinished('The service no longer answers. The image is stored; its ID is ' + id);
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
  const { row, abort: { signal } } = job, dismiss = () => remove(job);
  try {
    const { image_id } = await send(job);
    job.image = image_id;
    const status = await result(image_id, row, signal);
    uploaded(job.file, status);
    if (status.status === 'completed') { await row.done(image_id, status, dismiss); setState(job, 'done') }
    else { row.failed(status.result.error, dismiss); setState(job, 'failed') }
  } catch (error) {
    if (signal.aborted) return dismiss();
    if (error === deleted) { row.deleted(dismiss); setState(job, 'done'); return }
    if (error instanceof Unfinished) row.failed(error.message, dismiss, () => enqueue(job));
    else row.failed(error.message, dismiss); // the same image would be refused again
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
    summary.textContent = 'This service does not fetch images from addresses: save the image first, then add the file.';
    return;
  }
  add(files);
}

for (const input of [pick, element('camera')]) input.onchange = () => { add(input.files); input.value = '' };
addEventListener('paste', event => { if (event.target !== field) take(event.clipboardData) });
for (const type of ['dragover', 'drop']) addEventListener(type, event => event.preventDefault());
addEventListener('dragover', () => drop.classList.add('over'));
addEventListener('dragleave', () => drop.classList.remove('over'));
addEventListener('drop', event => { drop.classList.remove('over'); take(event.dataTransfer) });
