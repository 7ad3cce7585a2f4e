// Uploads the images of a folder, and shows their thumbnails in thumbnails.html; or deletes all images of the client.
//
//   SERVICE=https://images.example KEY=isk_... node folder.mjs FOLDER
//   SERVICE=https://images.example KEY=isk_... node folder.mjs --delete
import { readdir, readFile, writeFile } from 'node:fs/promises';

const service = (process.env.SERVICE ?? '').replace(/\/$/, '');
const [argument, ...others] = process.argv.slice(2);
if (!service || !process.env.KEY || !argument || others.length || /^-(?!-delete$)/.test(argument)) {
  console.error('usage: SERVICE=URL KEY=KEY node folder.mjs FOLDER, or --delete in its place; KEY is an API key');
  process.exit(1);
}
async function ask(path, options = {}) {
  const answer = await fetch(service + path, { ...options, headers: { 'X-Api-Key': process.env.KEY, ...options.headers } });
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer.status === 204 ? null : answer.json();
}
const escape = text => text.replace(/[&<>"]/g, letter => `&#${letter.charCodeAt(0)};`);

async function show(folder) {
  const page = ['<!doctype html><title>Thumbnails</title>'];
  for (const name of (await readdir(folder)).sort()) {
    const form = new FormData();
    form.append('file', new Blob([await readFile(`${folder}/${name}`)]), name);
    const headers = { 'Idempotency-Key': crypto.randomUUID() };
    const { image_id } = await ask('/upload', { method: 'POST', body: form, headers });
    const { status, urls } = await ask(`/status/${image_id}?wait=30`);
    if (status === 'completed') { // its URLs are signed: they need no key
      page.push(`<img src="${escape(new URL(urls.thumbnail, service).href)}" alt="${escape(name)}">`);
    }
    console.log(image_id, status, name);
  }
  await writeFile('thumbnails.html', page.join('\n'));
}

async function deleteAll() {
  for (let page = { next: '' }; page.next !== undefined;) {
    page = await ask(`/images?limit=100&cursor=${page.next}`);
    for (const { image_id, filename } of page.images) {
      await ask(`/images/${image_id}`, { method: 'DELETE' });
      console.log(image_id, 'deleted', filename ?? '');
    }
  }
}

await (argument === '--delete' ? deleteAll() : show(argument));
