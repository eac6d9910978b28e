// Asks a runner for what it has, and holds each answer against GitHub's description of its API (OpenAPI 3.0).
// Usage: described.mjs DESCRIPTION URL TOKEN MOUNT ROUTES <REQUESTS. A request is METHOD PATH STATUS [BODY], "WAIT N" waits for the end
// of run N. ROUTES has a line for each route of the server, METHOD PATTERN: what the description has of them has to be asked.
import {createRequire} from 'node:module';
import {readFileSync} from 'node:fs';
const require = createRequire(`${process.env.MODULES}/x.js`);
const Ajv = require('ajv').default;
const formats = require('ajv-formats').default;

const [file, base, token, mount, routes] = process.argv.slice(2);
const description = JSON.parse(readFileSync(file));
const say = (request, what) => console.log(`${request}: ${what}`);

// OpenAPI 3.0 says `nullable` where JSON Schema says the type null. The rest that GitHub makes use of means the same in both.
const each = (object, fn) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, fn(value, key)]));
function asSchema(node) {
  if (Array.isArray(node))
    return node.map(asSchema);
  if (!node || typeof node !== 'object')
    return node;
  const {nullable, example, examples, ...rest} = node;
  const schema = each(rest, (value, key) =>
    key === 'properties' ? each(value, asSchema) : ['enum', 'default', 'required'].includes(key) ? value : asSchema(value));
  return nullable === true ? {anyOf: [{type: 'null'}, schema]} : schema;
}
const ajv = formats(new Ajv({strict: false, allErrors: true, logger: false, inlineRefs: false}), {mode: 'full'});
ajv.addSchema({$id: 'github', components: {schemas: each(description.components.schemas, asSchema)}});
const whole = ref => (ref?.$ref ? ref.$ref.slice(2).split('/').reduce((at, key) => at[key], description) : ref);

const compiled = new Map();
function validator(schema) {
  const key = JSON.stringify(schema);
  if (!compiled.has(key))
    compiled.set(key, ajv.compile(JSON.parse(JSON.stringify(asSchema(schema)).replaceAll('"#/', '"github#/'))));
  return compiled.get(key);
}

// the paths as patterns; the one with the most letters of its own is meant
const quoted = text => text.replace(/[.*+?^$()|[\]\\]/g, '\\$&');
const twice = '/repos/{owner}/{repo}/compare/{base}...{head}'; // {basehead} is the same
const paths = Object.keys(description.paths).filter(path => path !== twice).map(path => ({
  path,
  own: path.replace(/\{\w+\}/g, '').length,
  shape: path.replace(/\{\w+\}/g, '{}'),
  pattern: new RegExp(`^${path.split(/\{(\w+)\}/).map((part, i) => (i % 2 ? (['path', 'ref'].includes(part) ? '.+' : '[^/]+') : quoted(part))).join('')}$`),
})).sort((a, b) => b.own - a.own);
const asked = new Set();

async function ask(method, path, status, body) {
  const request = `${method} ${path}`;
  const headers = {authorization: `Bearer ${token}`, accept: 'application/vnd.github+json'};
  const answer = await fetch(base + path, {method, headers, body, redirect: 'manual'});
  const text = await answer.text();
  if (answer.status !== +status)
    say(request, `answered by ${answer.status}, not ${status}: ${text.slice(0, 200)}`);
  const name = paths.find(one => one.pattern.test(new URL(path, base).pathname))?.path;
  const operation = name && description.paths[name][method.toLowerCase()];
  if (!operation)
    return say(request, 'not described');
  asked.add(`${method} ${name}`);
  const response = whole(operation.responses[answer.status]);
  if (!response && answer.status < 400)
    say(request, `${answer.status} is none of ${Object.keys(operation.responses)}`);
  const schema = response?.content?.['application/json']?.schema ?? (answer.status >= 400 && {$ref: '#/components/schemas/basic-error'});
  if (schema) {
    const valid = validator(schema);
    if (!valid(JSON.parse(text)))
      for (const e of valid.errors)
        say(request, `${e.instancePath || '/'} ${e.message}${e.params.allowedValues ? `: ${e.params.allowedValues}` : ''}`);
  } else if (text && text !== '{}' && !response?.content?.['text/plain']) {
    say(request, `a body where none is described: ${text.slice(0, 100)}`);
  }
}

for (const line of readFileSync(0, 'utf8').split('\n')) {
  const [, method, path, status, body] = /^(\S+) (\S+) ?(\d*) ?(.*)$/.exec(line) ?? [];
  if (method === 'WAIT')
    readFileSync(`${mount}/runs/${path}/wait`);
  else if (method)
    await ask(method, path, status, body || undefined);
}
for (const line of readFileSync(routes, 'utf8').trim().split('\n')) {
  const [method, pattern] = line.split(' ');
  const path = paths.find(one => one.shape === pattern.replace(/[:*]\w+/g, '{}'))?.path;
  if (path && description.paths[path][method.toLowerCase()] && !asked.has(`${method} ${path}`))
    say(line, 'was not asked');
}
say(asked.size, 'operations asked');
