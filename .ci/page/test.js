// Uses image-service as people and their scripts do, in Debian's Chromium.
//
//   node test.js URL PRIVATE-URL KEY            # of services with the renditions of .ci/page/renditions.yaml
//   node test.js URL PRIVATE-URL KEY --update   # also makes the screenshot of README.md, and the lists in docs/accessibility.md
//   node test.js URL PRIVATE-URL KEY TEXT       # only the tests whose names have the text
import { browser } from './harness.js';
import { screenshot, tests as page } from './page.js';
import { tests as network } from './network.js';
import { tests as rough } from './rough.js';
import { tests as keys } from './keys.js';
import { tests as states } from './states.js';
import { tests as accessibility } from './accessibility.js';
import { tests as libraries } from './libraries.js';

const [only, update] = process.argv[5] === '--update' ? ['', true] : [process.argv[5] ?? '', false];
const tests = Object.entries({ ...page, ...network, ...rough, ...keys, ...states, ...accessibility, ...libraries, ...update && screenshot }).filter(([name]) => name.includes(only));
for (const [name, test] of tests) {
  const start = performance.now();
  try { await test() } catch (error) {
    console.error(`page: ${name}:`, error);
    process.exit(1);
  }
  console.log(`${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
}
await browser.close(); // not only killed, so that its CPU time, but for that of its renderers, counts as this program's
process.exit(tests.length > 0 ? 0 : 1);
