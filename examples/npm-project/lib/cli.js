#!/usr/bin/env node
'use strict';

const fs = require('fs');
const reportTable = require('./index.js');

// Results as JSON on standard input, the table on standard output.
console.log(reportTable(JSON.parse(fs.readFileSync(0, 'utf8'))));
