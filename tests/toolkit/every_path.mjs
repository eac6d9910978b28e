// Asks a runner for every operation of GitHub's description, with ordinary and with odd words for what is variable in its path, and says
// what was answered otherwise than GitHub's API does: a failure of the server, or an error that is not told in JSON.
// Usage: every_path.mjs DESCRIPTION URL TOKEN OWNER REPOSITORY [PREFIX]: only of paths that begin so
import {readFileSync} from 'node:fs';

const [file, base, token, owner, repo, prefix = '/'] = process.argv.slice(2);
const description = JSON.parse(readFileSync(file));
const odd = ['none', '0', '-1', '99999999999999999999', '%00', '%2e%2e%2f%2e%2e', 'a%20b%0d%0aX: y', '%ff', "'%22<b>", '--output=x'];
const queries = ['', '?per_page=-1&page=0', '?per_page=99999&page=999999999999', '?ref=%ff&sha=--x&path=%2e%2e&state=%00', '?since=x&until=y&created=z&cursor=w'];
const bodies = [undefined, '', '[]', '{', '{"a": {"b": [1e999, "\\ud800"]}}', 'null'];
const headers = {authorization: `Bearer ${token}`, accept: 'application/vnd.github+json', 'content-type': 'application/json'};
let asked = 0;

async function ask(method, path, body) {
  const answer = await fetch(base + path, {method, headers, body: method === 'GET' || method === 'HEAD' ? undefined : body, redirect: 'manual'});
  const text = await answer.text();
  const what = `${method} ${path} ${body ?? ''}: ${answer.status}`;
  asked++;
  if (answer.status >= 500)
    console.log("%s %s", what, text.slice(0, 200));
  if (answer.status < 400)
    return;
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    return console.log('%s is no JSON: %s', what, text.slice(0, 100));
  }
  if (!json.message || !json.documentation_url || json.status !== String(answer.status) || !/^application\/json/.test(answer.headers.get('content-type')))
    console.log("%s %s", what, text.slice(0, 200));
}

const methods = {get: 0, put: 1, post: 2, patch: 3, delete: 4};
let n = 0;
for (const [path, operations] of Object.entries(description.paths).filter(([path]) => path.startsWith(prefix)))
  for (const method of Object.keys(operations).filter(one => one in methods)) {
    const word = odd[n++ % odd.length];
    for (const value of [word, 'none']) {
      const filled = path.replace(/\{owner\}/, owner).replace(/\{repo\}/, repo).replace(/\{\w+\}/g, value);
      await ask(method.toUpperCase(), filled + queries[n % queries.length], bodies[n % bodies.length]);
    }
  }
console.log('asked:', asked > 300);
