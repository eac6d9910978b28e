// Delivers a payload of each event and action that GitHub has, as its own client library's authors keep them, signed by that library.
// Usage: deliver_all.mjs URL SECRET. Prints what was answered, each answer with its count.
import {createRequire} from 'node:module';
import {randomUUID} from 'node:crypto';
const require = createRequire(`${process.env.MODULES}/x.js`);
const {sign, verify} = await import(`${process.env.MODULES}/@octokit/webhooks-methods/dist-node/index.js`);
const events = require('@octokit/webhooks-examples');

const [url, secret] = process.argv.slice(2);
const answers = {};
for (const {name, examples} of events)
  for (const example of examples) {
    const body = JSON.stringify(example), signature = await sign(secret, body);
    if (!await verify(secret, body, signature))
      throw new Error('what was signed is not verified');
    const headers = {'content-type': 'application/json', 'x-github-event': name, 'x-github-delivery': randomUUID(), 'x-hub-signature-256': signature};
    const answer = await fetch(url, {method: 'POST', headers, body});
    const said = `${answer.status} ${(await answer.json()).message}`;
    (answers[said] ??= []).push(name);
  }
for (const [said, names] of Object.entries(answers).sort())
  console.log(`${said}: ${names.length > 10 ? names.length : names.join(' ')}`);
