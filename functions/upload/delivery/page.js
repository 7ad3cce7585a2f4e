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
  function linkTo(path, label) {
    const link = document.createElement('a'); link.href = path; link.textContent = label;
    link.onclick = async event => {
      if (!key()) return;
      event.preventDefault();
      link.onclick = null; link.href = await address(path);
      // What the browser cannot show, such as HEIC in most, it saves; a blob has no file name of its own.
      if (link.href.startsWith('blob:') && !await shows(link.href)) link.download = file.name; else link.target = '_blank';
      link.click();
    };
    return link;
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
      for (const [path, label] of links) text.append(linkTo(path, label), ' ');
      setButton('Remove', remove);
    },
  };
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
