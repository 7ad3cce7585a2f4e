// What docs/accessibility.md says of the keyboard and of screen readers is what Chromium does.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { drop, notAnImage, patience, privateAddress, sample, summary, traffic, visit } from './harness.js';

const guide = new URL('../../docs/accessibility.md', import.meta.url).pathname;
const update = process.argv.includes('--update');

// compare fails unless what is read of a page comes to be the block of code below a heading; with --update it replaces the
// block.
async function compare(heading, read) {
  const text = await readFile(guide, 'utf8'), [begin, end] = ['```text\n', '\n```\n'];
  const start = text.indexOf(begin, text.indexOf(`## ${heading}\n`)) + begin.length, stop = text.indexOf(end, start);
  if (update) return writeFile(guide, text.slice(0, start) + await read() + text.slice(stop));
  const want = text.slice(start, stop), deadline = Date.now() + patience;
  let got = await read();
  for (; got !== want && Date.now() < deadline; got = await read()) await new Promise(resolve => setTimeout(resolve, 100));
  assert.equal(got, want, `docs/accessibility.md, "${heading}"; .ci/browser --update writes it`);
}

// exposed returns what the browser exposes to screen readers, a line for each node in the order of reading.
const silent = ['RootWebArea', 'generic', 'none', 'paragraph', 'InlineTextBox', 'LabelText', 'Figure', 'figure', 'strong', 'form'];
const named = ['heading', 'link', 'button']; // by the text in them
async function exposed(page) {
  const devtools = await page.context().newCDPSession(page);
  const { nodes } = await devtools.send('Accessibility.getFullAXTree');
  const byID = new Map(nodes.map(node => [node.nodeId, node])), lines = [];
  const describe = node => {
    const facts = Object.fromEntries((node.properties ?? []).map(({ name, value }) => [name, value.value]));
    return [
      node.role.value === 'StaticText' ? 'text' : node.role.value, node.name?.value && JSON.stringify(node.name.value),
      node.role.value === 'heading' && 'level ' + facts.level, facts.required && 'required', facts.invalid === 'true' && 'invalid', facts.modal && 'modal',
      node.description?.value && 'described as ' + JSON.stringify(node.description.value),
    ].filter(Boolean).join(' ');
  };
  const walk = (node, depth, within) => {
    const role = node.role?.value;
    const said = !node.ignored && !silent.includes(role) && !(role === 'StaticText' && (named.includes(within) || !node.name.value.trim()));
    if (said) lines.push('  '.repeat(depth) + describe(node));
    for (const id of node.childIds ?? []) {
      const child = byID.get(id);
      if (child) walk(child, said ? depth + 1 : depth, said ? role : within);
    }
  };
  walk(nodes[0], 0);
  return lines.join('\n').replace(/\d+\/\d+\/\d+, [\d:]+\s[AP]M/g, 'DATE');
}

// path returns what has the focus, one after the other, as Tab is pressed, and fails if that is not to be seen.
async function path(page) {
  const names = [];
  for (;;) {
    await page.keyboard.press('Tab');
    const [name, visible] = await page.evaluate(() => {
      const one = document.activeElement;
      window.seen ??= new Set();
      if (!one || one === document.body || seen.has(one)) { seen.clear(); return ['', true] }
      seen.add(one);
      return [(one.getAttribute('aria-label') ?? one.innerText).replace(/\s+/g, ' ').trim(), getComputedStyle(one).outlineStyle !== 'none'];
    });
    assert.ok(visible, `"${name}" does not show that it has the focus`);
    if (name === '') return names.join('\n');
    names.push(name);
  }
}

// alone visits a gallery that has nothing but the uploads of the test.
async function alone(use) {
  traffic.unlisted = true;
  try { await visit(use) } finally { traffic.unlisted = false }
}

export const tests = {
  'the keyboard reaches everything, in the documented order': () => alone(async page => {
    await drop(page, sample);
    await summary(page, '1 of 1 done');
    await page.evaluate(() => document.activeElement.blur());
    await compare('On the page', () => path(page));
    const asked = page.waitForEvent('filechooser');
    await page.press('#drop', 'Enter');
    await asked;
    await page.locator('#grid button').press('Enter');
    await page.waitForFunction(() => document.querySelector('#large img')?.naturalWidth > 0);
    await page.evaluate(() => viewer.focus());
    await compare('In the larger view', () => path(page));
  }),
  'the browser exposes what is documented': async () => {
    await alone(async page => {
      await drop(page, notAnImage);
      await summary(page, '1 of 1 done, 1 failed');
      await drop(page, sample);
      await summary(page, '2 of 2 done, 1 failed');
      await compare('The page with two uploads', () => exposed(page));
      await page.click('#grid button');
      await page.waitForFunction(() => document.querySelector('#large img')?.naturalWidth > 0);
      await compare('The larger view', () => exposed(page));
      await page.click('#acts button:text("Delete")');
      await compare('Before a deletion', () => exposed(page));
    });
    await visit(async page => {
      await page.fill('#key', 'wrong');
      await page.press('#key', 'Enter');
      await page.waitForFunction(() => why.textContent);
      await compare('A key that is refused', () => exposed(page));
    }, { at: privateAddress });
  },
};
