'use strict';

const columns = require('columns');

/** A table of {name, passed, ms} results, with a line of totals. */
function reportTable(results) {
  const rows = results.map(r => [r.name, r.passed ? 'passed' : 'FAILED', `${r.ms} ms`]);
  const passed = results.filter(r => r.passed).length;
  const ms = results.reduce((sum, r) => sum + r.ms, 0);
  return columns([...rows, ['total', `${passed}/${results.length}`, `${ms} ms`]]).join('\n');
}

module.exports = reportTable;
