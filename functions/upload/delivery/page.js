const element = id => document.getElementById(id);
const drop = element('drop'), pick = element('pick'), list = element('list'), summary = element('summary'), clear = element('clear');
const ask = element('ask'), field = element('key'), why = element('why'), abandon = element('abandon');
const held = element('held'), change = element('change'), forget = element('forget');
const data = document.querySelector('main').dataset, [lists, deletes, keys] = [data.lists, data.deletes, data.keys].map(is => is === 'true');
const maxBytes = Number(data.most);
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
  keep(() => []); dropKey('The key is forgotten.'); field.focus();
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
// An element cannot send the key in a header. The service may sign URLs, which need none until they expire; otherwise a
// file is fetched with the key, as a blob, which its user revokes.
const below = (path, url) => url.slice(url.indexOf(path)); // relative to the page
const unsigned = url => url.replace(/[?&]expires=.*/, '');
const expiry = url => 1000 * (/[?&]expires=(\d+)/.exec(url)?.[1] ?? 0);
const isSigned = url => expiry(url) > Date.now() + 60_000;
async function address(url, blobs) {
  if (!key() || isSigned(url)) return url;
  const answer = await get(unsigned(url));
  if (!answer.ok) return unsigned(url);
  blobs.push(URL.createObjectURL(await answer.blob()));
  return blobs.at(-1);
}
const revoke = blobs => blobs.splice(0).forEach(URL.revokeObjectURL);

const shows = url => new Promise(resolve => {
  const image = new Image();
  image.onload = () => resolve(true); image.onerror = () => resolve(false);
  image.src = url;
});
const inBytes = count => count < 1e6 ? Math.ceil(count / 1e3) + ' kB' : (count / 1e6).toFixed(1) + ' MB';
const size = pixels => pixels?.join(' × ') ?? 'unknown size';

// filesOf returns the original of an image, and what was made of it.
function filesOf(image) {
  const id = image.image_id, of = (name, path) => image.urls ? below(path, image.urls[name]) : path + id;
  const files = [{ label: 'original', url: of('original', 'images/') }];
  if (image.status === 'completed') {
    const [width, height] = image.thumbnail_size ?? [];
    files.push({ label: 'thumbnail ' + size(image.thumbnail_size), url: of('thumbnail', 'thumbnails/'), width, height });
  }
  for (const { name, url, width, height } of image.renditions ?? []) {
    const file = { label: name + ' ' + size([width, height]), url: below('images/', url), width, height };
    if (name !== 'thumbnail' && !files.some(one => one.url === file.url)) files.push(file); // formats share a URL
  }
  return files;
}
function linkTo({ url, label }, name, blobs) {
  const link = document.createElement('a');
  link.href = !key() || isSigned(url) ? url : unsigned(url); link.textContent = label; link.target = '_blank';
  link.onclick = async event => {
    if (!key() || isSigned(link.href)) return;
    event.preventDefault();
    const opened = document.createElement('a');
    opened.href = await address(url, blobs);
    // What the browser cannot show, such as HEIC in most, it saves; a blob has no file name of its own.
    if (await shows(opened.href)) opened.target = '_blank'; else opened.download = name;
    opened.click();
  };
  return link;
}

// A row shows one image. Its buttons are to cancel the upload, to try it again, and to dismiss the row.
function newRow(file) {
  const item = document.createElement('li');
  item.innerHTML = '<div class="frame"></div><div><strong></strong><small>waiting</small><progress max="1" value="0"></progress></div><div></div>';
  const text = item.querySelector('small'), frame = item.firstChild, buttons = item.lastChild;
  const bar = item.querySelector('progress');
  item.querySelector('strong').textContent = file.name;
  bar.setAttribute('aria-label', 'Upload of ' + file.name);
  const blobs = [URL.createObjectURL(file)];
  show(blobs[0]);
  function show(url) { // once it is in sight
    const image = new Image(); image.alt = ''; image.loading = 'lazy';
    image.onerror = () => image.remove(); // a format that the browser does not read
    image.src = url; frame.replaceChildren(image);
  }
  function setButtons(...acts) { // the first one keeps the focus
    acts.forEach(([label, act], i) => {
      const button = buttons.children[i] ?? buttons.appendChild(newButton());
      button.textContent = label; button.setAttribute('aria-label', label + ' ' + file.name); button.onclick = act;
    });
    while (buttons.children.length > acts.length) buttons.lastChild.remove();
  }
  return {
    item,
    remove() {
      if (item.contains(document.activeElement)) ((item.nextSibling ?? item.previousSibling)?.querySelector('button') ?? drop).focus();
      item.remove(); revoke(blobs);
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
      item.className = ''; bar.hidden = true;
      this.setText('deleted'); setButtons(['Dismiss', dismiss]); frame.replaceChildren();
    },
    async done(image, dismiss) {
      bar.hidden = true;
      const files = filesOf(image);
      show(await address(files[1].url, blobs));
      this.setText(size(image.original_size) + ' → ' + size(image.thumbnail_size) + ' · ');
      for (const one of files) text.append(linkTo(one, file.name, blobs), ' ');
      setButtons(['Dismiss', dismiss]);
    },
  };
}

// The gallery has what the service lists; where it lists nothing, what this browser remembers.
const gallery = element('gallery'), grid = element('grid'), more = element('more'), note = element('note');
const maxRemembered = 200, pageSize = 30;

// A browser in private mode may forbid storage, or forget it: then the history ends with the page.
let remembered = [];
function recall() {
  try { remembered = JSON.parse(localStorage.getItem('images')) ?? [] } catch {}
  return remembered;
}
// keep stores what change makes of the history, to which other tabs may have added.
function keep(change) {
  remembered = change(recall()).slice(0, maxRemembered);
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
  const hadFocus = item.contains(document.activeElement);
  item.innerHTML = '<button type="button"><div class="frame"></div><span></span></button>';
  const frame = item.querySelector('.frame'), button = item.firstChild;
  const state = { queued: 'waiting', processing: 'in progress', failed: 'failed' }[image.status];
  item.querySelector('span').textContent = (image.filename ?? image.image_id) + (state ? ' (' + state + ')' : '');
  button.onclick = () => view(image);
  if (image.color) frame.style.background = image.color;
  try { if (image.placeholder) frame.append(placeholder(image.placeholder)) } catch {} // it is only for the eye
  if (image.status === 'completed') addThumbnail(frame, filesOf(image)[1].url);
  tiles.set(image.image_id, { item, image });
  if (!known) first ? grid.prepend(item) : grid.append(item);
  if (hadFocus) button.focus();
  gallery.hidden = false;
}
async function addThumbnail(frame, url) {
  const picture = new Image(), blobs = [];
  picture.alt = ''; picture.loading = 'lazy';
  picture.onload = () => { frame.querySelector('canvas')?.remove(); revoke(blobs) };
  picture.onerror = async () => {
    const isOld = key() && !blobs.length && url !== unsigned(url); // it came into sight after its URL had expired
    if (isOld) picture.src = await address(unsigned(url), blobs); else { picture.remove(); revoke(blobs) }
  };
  picture.src = await address(url, blobs);
  frame.append(picture);
}
function removeTile(id) {
  const item = tiles.get(id)?.item;
  if (item?.contains(document.activeElement)) ((item.nextSibling ?? item.previousSibling)?.querySelector('button') ?? drop).focus();
  item?.remove(); tiles.delete(id);
  keep(remembered => remembered.filter(image => image.image_id !== id));
  gallery.hidden = tiles.size === 0 && !note.textContent;
}
// uploaded shows an image that this page has uploaded, and remembers it, without signatures.
function uploaded(file, { image_id, status, result, urls }) {
  const image = { ...result, image_id, status, urls, filename: file.name, bytes: file.size, uploaded_at: Date.now() / 1000 };
  const renditions = result.renditions?.map(r => ({ ...r, url: '/' + unsigned(below('images/', r.url)) }));
  keep(remembered => [{ ...image, renditions, urls: undefined }, ...remembered.filter(one => one.image_id !== image_id)]);
  showTile(image, true);
  return image;
}

// follow shows the states of images that have no result yet, by server-sent events. There is one stream, and only while
// somebody looks: a browser has six connections to a host, for all its tabs. fetch sends the key, unlike EventSource.
let unsettled = new Set(), streaming = new AbortController();
function follow(images, signal) {
  const known = unsettled.size;
  for (const image of images) if (isOpen(image)) unsettled.add(image.image_id);
  if (known === 0) followAll(unsettled, signal);
  else if (unsettled.size > known) streaming.abort(); // the next one has them
}
const maxStreamed = 20, turn = 15_000; // of those in a stream, while others wait for theirs
async function followAll(open, signal) {
  for (let failed = 0; open.size && failed < 5; failed++) {
    await inSight();
    if (signal.aborted) return;
    const some = [...open].slice(0, maxStreamed);
    for (const id of some) { open.delete(id); open.add(id) } // behind those that wait
    streaming = new AbortController();
    const end = AbortSignal.any([signal, streaming.signal, ...open.size > some.length ? [AbortSignal.timeout(turn)] : []]);
    const answer = await get('events?ids=' + some, { signal: end }).catch(() => null);
    if (answer?.ok) await readEvents(answer.body, status => { if (!isOpen(status)) open.delete(status.image_id); showState(status) });
    else if (answer?.status === 404) for (const id of some) open.delete(id); // all of them are gone
    if (answer?.ok || end.aborted) failed = 0;
    if (open.size) await pause(Math.max(2000, restOf(answer?.headers.get('Retry-After'))), signal);
  }
  open.clear();
}
const isOpen = ({ status }) => status === 'queued' || status === 'processing';
const inSight = () => new Promise(resolve => document.hidden ? document.addEventListener('visibilitychange', resolve, { once: true }) : resolve());
document.addEventListener('visibilitychange', () => { if (document.hidden) streaming.abort() });
// readEvents calls use with each status, until the stream ends.
async function readEvents(stream, use) {
  const lines = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = '';;) {
    const { done, value } = await lines.read().catch(() => ({ done: true }));
    if (done) return;
    const events = (text + value).split('\n\n');
    text = events.pop();
    for (const event of events) {
      const status = /^data: (\{"image_id".*)$/m.exec(event)?.[1];
      if (status) use(JSON.parse(status));
    }
  }
}
function showState({ image_id, status, result, urls }) {
  const tile = status && tiles.get(image_id); // of an unknown image the event has only the ID
  if (tile && status === 'deleted') removeTile(image_id); else if (tile) showTile({ ...tile.image, ...result, status, urls });
}

let cursor = '', loading = false, listing = new AbortController(), listed = 0;
// getPage returns a page of the list; null if the key is refused.
async function getPage(after) {
  const { signal } = listing, path = 'images?limit=' + pageSize + (after && '&cursor=' + after);
  const answer = await fetch(path, { headers: headers(), signal }).catch(() => null);
  signal.throwIfAborted();
  if (answer?.status === 401 && keys) { dropKey(invalid); return null }
  if (!answer?.ok) throw new Error(await wordsOf(answer));
  const page = await answer.json();
  signal.throwIfAborted();
  listed = Date.now();
  return page;
}
async function loadMore() {
  if (loading) return;
  loading = true;
  const { signal } = listing;
  try {
    const page = await getPage(cursor);
    if (!page) return;
    for (const image of page.images) if (!tiles.has(image.image_id)) showTile(image, false);
    follow(page.images, signal);
    note.textContent = page.complete || page.next ? '' : 'Images from before ' + new Date(1000 * page.since).toLocaleString() + ' may be missing: the service is still looking for them. They appear here when it has found them.';
    cursor = page.next ?? '';
    more.hidden = !cursor;
    gallery.hidden = tiles.size === 0 && !note.textContent;
    if (cursor) { nearEnd.unobserve(more); nearEnd.observe(more) } // which reports it again if it is still in sight
  } catch (error) {
    if (signal.aborted) return;
    note.textContent = 'The images could not be listed: ' + error.message + '.'; more.hidden = gallery.hidden = false;
  } finally { if (!signal.aborted) loading = false }
}
const nearEnd = new IntersectionObserver(entries => { if (entries.some(entry => entry.isIntersecting)) loadMore() }, { rootMargin: '200px' });
more.onclick = async () => { // it may be hidden then: the first of the new images gets the focus
  const count = grid.children.length;
  await loadMore();
  const item = grid.children[count] ?? (more.hidden ? grid.lastChild : null);
  item?.querySelector('button').focus();
};
// Whoever comes back to the page finds what others, or other tabs, have uploaded meanwhile.
const staleAfter = 30_000;
document.addEventListener('visibilitychange', async () => {
  if (document.hidden || !lists || (keys && !key()) || Date.now() - listed < staleAfter) return;
  const { signal } = listing, page = await getPage('').catch(() => null);
  if (!page) return;
  const unknown = page.images.filter(image => !tiles.has(image.image_id));
  if (unknown.length === page.images.length) { showGallery(); return } // some more may be between them and those of before
  for (const image of unknown.reverse()) showTile(image, true);
  follow(unknown, signal);
});
// showGallery begins anew, with what the key of now gives.
function showGallery() {
  listing.abort(); listing = new AbortController(); loading = false; cursor = ''; unsettled = new Set();
  for (const { item } of tiles.values()) item.remove();
  tiles.clear();
  note.textContent = ''; more.hidden = gallery.hidden = true;
  if (keys && !key()) return;
  if (lists) loadMore(); else recall().forEach(image => showTile(image, false));
}
showAccess(); showGallery();

// The viewer shows an image with all that was made of it.
const viewer = element('viewer'), said = element('said'), links = element('links'), lent = [];
let viewed = null;
viewer.onclose = () => {
  if (viewer.open) return; // again
  tiles.get(viewed)?.item.querySelector('button').focus();
  viewed = null; element('large').replaceChildren(); revoke(lent);
  if (history.state?.viewer && !isGoingBack) { isGoingBack = true; history.back() }
};
// The back button closes the viewer, which has an entry of the history for that.
let isGoingBack = false;
if (history.state?.viewer) history.back(); // the page was reloaded
addEventListener('popstate', () => {
  if (isGoingBack && viewer.open) history.pushState({ viewer: true }, ''); // it was opened again meanwhile
  else if (viewer.open) { sure.close(); viewer.close() }
  isGoingBack = false;
  history.scrollRestoration = 'auto';
});
const neighbour = side => tiles.get(viewed)?.item[side]?.querySelector('button');
const previous = element('previous'), following = element('following');
previous.onclick = () => neighbour('previousSibling')?.click();
following.onclick = () => neighbour('nextSibling')?.click();
element('close').onclick = () => viewer.close();
addEventListener('keydown', event => {
  const isPlain = !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  if (isPlain && viewer.open && !sure.open) ({ ArrowLeft: previous, ArrowRight: following })[event.key]?.click();
});
// whoever says for whom a URL works that is copied.
const whoever = url => !key() ? '' : isSigned(url) ? '; it works without the key until ' + new Date(expiry(url)).toLocaleString() : '; it needs the key';
async function copy(text, what) {
  try { await navigator.clipboard.writeText(text) } catch { // without HTTPS
    const area = document.createElement('textarea'), before = document.activeElement;
    area.value = text; area.setAttribute('aria-hidden', 'true'); viewer.append(area); area.select();
    document.execCommand('copy'); area.remove(); before.focus();
  }
  said.textContent = what;
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
  viewed = id; revoke(lent);
  element('name').textContent = name;
  element('facts').textContent = [image.original_size && size(image.original_size), image.bytes && inBytes(image.bytes),
    new Date(1000 * image.uploaded_at).toLocaleString(), image.error].filter(Boolean).join(' · ');
  said.textContent = '';
  showFiles(image, name); showLarge(image, name);
  if (key() && image.urls && !isSigned(image.urls.original)) renew(image, name);
  for (const [button, side] of [[previous, 'previousSibling'], [following, 'nextSibling']]) button.setAttribute('aria-disabled', !neighbour(side));
  if (viewer.open) return;
  history.scrollRestoration = 'manual'; // the focus is where it belongs, perhaps at another image
  if (!isGoingBack && !history.state?.viewer) history.pushState({ viewer: true }, '');
  viewer.showModal();
}
function showFiles(image, name) {
  const files = filesOf(image), { url: best, width, height } = files.at(-1), original = absolute('images/' + image.image_id);
  links.replaceChildren(...files.map(file => {
    const item = document.createElement('li');
    item.append(linkTo(file, name, lent), newButton('Copy link', () => copy(absolute(file.url), 'Link copied' + whoever(file.url))));
    item.lastChild.setAttribute('aria-label', 'Copy link to ' + file.label);
    return item;
  }));
  const credentials = key() ? "-H 'Authorization: Bearer KEY' " : '', sizes = width ? ` width="${width}" height="${height}"` : '';
  element('acts').replaceChildren(
    newButton('Copy curl', () => copy('curl ' + credentials + '-o ' + quoted(name) + ' ' + original, 'Command copied')),
    newButton('Copy HTML', () => copy(`<img src="${escaped(absolute(best))}"${sizes} alt="${escaped(name)}">`, 'HTML copied' + whoever(best))),
    newButton('Download', () => download(files[0].url, name)),
    ...deletes ? [newButton('Delete', () => erase(image.image_id, name))] : [],
  );
  if (deletes) element('acts').lastChild.className = 'danger';
  if (viewer.open && !viewer.contains(document.activeElement)) element('close').focus(); // what had the focus was replaced
}
// renew gets new signed URLs for an image whose own have expired.
async function renew(image, name) {
  const status = await get('status/' + image.image_id).then(answer => answer.json()).catch(() => null);
  if (!status?.urls) return;
  Object.assign(image, status.result, { urls: status.urls });
  if (viewed === image.image_id) showFiles(image, name);
}
async function showLarge(image, name) {
  const frame = element('large'), [width, height] = image.original_size ?? [];
  frame.replaceChildren();
  frame.className = width ? 'sized' : ''; // so that nothing moves when it comes
  frame.style.setProperty('--width', width); frame.style.setProperty('--height', height);
  if (image.placeholder) try { frame.append(placeholder(image.placeholder)) } catch {}
  // The thumbnail is here at once. The original may take its time, or be of a format that the browser does not read.
  for (const { url } of filesOf(image).slice(0, 2).reverse()) {
    const src = await address(url, lent);
    if (viewed !== image.image_id) return;
    if (!await shows(src)) continue;
    const picture = new Image(); picture.src = src; picture.alt = name;
    if (viewed === image.image_id) frame.replaceChildren(picture);
  }
}
async function download(url, name) {
  const link = document.createElement('a');
  link.href = await address(url, lent); link.download = name;
  link.click();
}
const sure = element('sure');
// isolated has a name that is written from right to left leave the rest of the sentence alone.
function isolated(name) {
  const part = document.createElement('bdi');
  part.textContent = name;
  return part;
}
function isSure(name) {
  element('question').replaceChildren('Delete ', isolated(name), '?');
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
  viewer.close();
  (near?.querySelector('button') ?? drop).focus();
  await pause(200); // screen readers see nothing behind a dialog, and say no change that comes with its end
  summary.setAttribute('aria-live', 'polite'); summary.replaceChildren(isolated(name), ' is deleted.');
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

// isReadable reports whether a file is as it was when it was chosen; a browser reports another as a lost connection.
const isReadable = file => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

// A key is checked before an upload: a browser reports one that is refused midway as a lost connection. Time without a
// network is not a try.
const maxTries = 8;
async function send(job) {
  const { row, abort: { signal } } = job;
  if (job.file.size > maxBytes) throw new Error(inBytes(job.file.size) + ' is more than an image may have: ' + inBytes(maxBytes));
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
      if (error instanceof Lost && !await isReadable(job.file)) throw new Error('The file can no longer be read: choose it again');
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
let notice = '', reported = 0, isReporting = false;
function report() { // once for all that happens at once
  if (!isReporting) queueMicrotask(reportNow);
  isReporting = true;
}
function reportNow() {
  isReporting = false;
  const all = [...jobs], count = state => all.filter(job => job.state === state).length;
  const ended = all.length - count('waiting') - count('busy');
  clear.hidden = count('done') < 2;
  document.title = (ended < all.length ? ended + '/' + all.length + ' ' : '') + 'image-service';
  // A screen reader says the beginning, the end, and the progress every ten seconds.
  const isSaid = ended === all.length || Date.now() - reported > 10_000;
  if (isSaid) reported = Date.now();
  summary.setAttribute('aria-live', isSaid ? 'polite' : 'off');
  const counts = all.length === 0 ? '' : ended + ' of ' + all.length + ' done' + (count('failed') ? ', ' + count('failed') + ' failed' : '');
  const words = [counts, notice].filter(Boolean).join('. ');
  if (summary.textContent !== words) summary.textContent = words; // otherwise it is said again
}
function setState(job, state) { job.state = state; report() }
clear.onclick = () => { for (const job of jobs) if (job.state === 'done') remove(job); drop.focus() };
function remove(job) { jobs.delete(job); job.row.remove(); report() }

async function run(job) {
  setState(job, 'busy');
  const { row, abort: { signal } } = job, dismiss = () => remove(job);
  try {
    const { image_id } = await send(job);
    job.image = image_id;
    const status = await result(image_id, row, signal);
    const image = uploaded(job.file, status);
    if (status.status === 'completed') { await row.done(image, dismiss); setState(job, 'done') }
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
  const added = [...files].map(file => ({ file, id: newID(), row: newRow(file), state: 'waiting' }));
  list.prepend(...added.map(job => job.row.item));
  for (const job of added) jobs.add(job);
  added.forEach(enqueue);
}
addEventListener('beforeunload', event => { if (busy || waiting.length) event.preventDefault() });

// filesIn returns the files of what was dropped, with those in folders.
async function filesIn(transfer) {
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.()), files = [...transfer.files], left = { others: 0, unread: 0 };
  if (!entries.some(entry => entry?.isDirectory)) return { files, left };
  return { files: (await Promise.all(entries.filter(Boolean).map(entry => read(entry, left)))).flat(), left };
}
// read returns the files of an entry, and counts in left those of a folder that are no images, and those that it cannot read.
async function read(entry, left, within = false) {
  try {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      if (!within || isPerhapsImage(file)) return [file];
      if (!file.name.startsWith('.')) left.others++;
      return [];
    }
    const reader = entry.createReader(), found = [];
    for (;;) { // a call returns a part
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return found;
      found.push(...(await Promise.all(some.map(one => read(one, left, true)))).flat());
    }
  } catch { left.unread++; return [] }
}
// Where the browser does not know a type, the service looks at the content.
const isPerhapsImage = ({ name, type }) => !name.startsWith('.') && (!type || type.startsWith('image/'));
const counted = (count, words) => count === 0 ? '' : count + (count === 1 ? ' file ' : ' files ') + words;
async function take(transfer) {
  const link = transfer.getData('text/uri-list') || transfer.getData('text/plain'), { files, left } = await filesIn(transfer);
  notice = files.length === 0 && /^https?:/.test(link) ? 'This service does not fetch images from addresses: save the image first, then add the file.' :
    [counted(left.others, 'of other kinds left out'), counted(left.unread, 'could not be read')].filter(Boolean).join(', ');
  reported = 0; report();
  add(files);
}

for (const [button, input] of [[drop, pick], [element('snap'), element('camera')]]) {
  button.onclick = () => input.click();
  input.onchange = () => { notice = ''; reported = 0; add(input.files); input.value = '' };
}
addEventListener('paste', event => { if (event.target !== field) take(event.clipboardData) });
for (const type of ['dragover', 'drop']) addEventListener(type, event => event.preventDefault());
// What is dragged from this page, in any tab, is here already. A mark on what is dragged says so.
const mark = 'application/x-image-service', isOwn = event => event.dataTransfer.types.includes(mark);
addEventListener('dragstart', event => event.dataTransfer.setData(mark, '1'));
addEventListener('dragover', event => drop.classList.toggle('over', !isOwn(event)));
addEventListener('dragleave', () => drop.classList.remove('over'));
addEventListener('drop', event => { drop.classList.remove('over'); if (!isOwn(event)) take(event.dataTransfer) });
