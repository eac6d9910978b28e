'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const reportTable = require('..');

test('columns line up', () => {
  assert.equal(reportTable([{name: 'parse', passed: true, ms: 3}, {name: 'print all', passed: false, ms: 12}]),
    'parse      passed  3 ms\nprint all  FAILED  12 ms\ntotal      1/2     15 ms');
});

test('no results are a line of totals', () => {
  assert.equal(reportTable([]), 'total  0/0  0 ms');
});
