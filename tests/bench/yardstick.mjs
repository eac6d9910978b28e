// GitHub's own parser of workflows and evaluator of expressions, timed: the yardsticks of `runfs lint` and `runfs eval`.
// Usage: node yardstick.mjs MODULES lint FILE...     node yardstick.mjs MODULES eval LINES
// MODULES: the node_modules that holds @actions/workflow-parser and @actions/expressions. Prints how many
// milliseconds the first pass took and the best of the further ones, when everything is compiled.
import fs from 'node:fs';
import {register} from 'node:module';
import {pathToFileURL} from 'node:url';

// The package imports its schema without saying that it is JSON, which Node wants to be told.
const hook = `export async function load(url, context, next) {
  if (!url.endsWith('.json')) return next(url, context);
  const fs = await import('node:fs');
  return {format: 'module', shortCircuit: true, source: 'export default ' + fs.readFileSync(new URL(url), 'utf8')};
}`;
register('data:text/javascript,' + encodeURIComponent(hook), import.meta.url);

const [modules, what, ...rest] = process.argv.slice(2);
const load = path => import(pathToFileURL(`${modules}/@actions/${path}.js`).href);

async function linter(files) {
  const {parseWorkflow} = await load('workflow-parser/dist/workflows/workflow-parser');
  const {convertWorkflowTemplate} = await load('workflow-parser/dist/model/convert');
  const {NoOperationTraceWriter} = await load('workflow-parser/dist/templates/trace-writer');
  return async () => {
    let errors = 0;
    for (const name of files) {
      const parsed = parseWorkflow({name, content: fs.readFileSync(name, 'utf8')}, new NoOperationTraceWriter());
      if (parsed.value) errors += (await convertWorkflowTemplate(parsed.context, parsed.value)).errors?.length ?? 0;
      else errors += 1;
    }
    return errors;
  };
}

async function evaluator([file]) {
  const {Lexer} = await load('expressions/dist/lexer');
  const {Parser} = await load('expressions/dist/parser');
  const {Evaluator} = await load('expressions/dist/evaluator');
  const {reviver} = await load('expressions/dist/data/reviver');
  const {replacer} = await load('expressions/dist/data/replacer');
  const answer = line => {
    const {expr} = JSON.parse(line);
    const contexts = JSON.parse(line, reviver).get('contexts');
    try {
      const tree = new Parser(new Lexer(expr).lex().tokens, contexts.pairs().map(p => p.key), []).parse();
      const value = new Evaluator(tree, contexts).evaluate();
      return JSON.stringify({kind: value.kind, value}, replacer);
    } catch (e) {
      return JSON.stringify({error: e.message});
    }
  };
  return async () => {
    const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n');
    return lines.map(answer).join('\n').length;
  };
}

const pass = await (what === 'lint' ? linter(rest) : evaluator(rest));
const times = [];
for (let i = 0; i < 5; i++) {
  const start = performance.now();
  await pass();
  times.push(performance.now() - start);
}
console.log(times[0].toFixed(1), Math.min(...times.slice(1)).toFixed(1));
