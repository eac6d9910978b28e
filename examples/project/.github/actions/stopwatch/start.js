const fs = require('fs');

const name = process.env.INPUT_NAME;
const on = (process.env.STOPWATCHES || '').split(',').filter(Boolean).concat(name);
fs.appendFileSync(process.env.GITHUB_ENV, `STOPWATCHES=${on.join(',')}\n`);
fs.appendFileSync(process.env.GITHUB_STATE, `count=${on.length}\n`);
fs.appendFileSync(process.env.GITHUB_OUTPUT, `started=${name}\n`);
