// The live page in Chromium without a window, timed. node page.mjs URL TOKEN MOUNT: lines "NAME VALUE...", in milliseconds.
// content: from a reload to the frame with the first run (of all that are there); empty: to that of the form that asks for a
// token, which needs no data; flood: the slowest frame while a step prints 10,000 lines a second, and while nothing happens.
import { copyFileSync, readlinkSync } from 'node:fs';
import { browse, login, pause } from '../toolkit/browser.mjs';

const [url, token, mount, workflow] = process.argv.slice(2);
const loads = 20;
const b = await browse();

// When an element that fits the selector is in the document, and the frame behind it was drawn.
await b.send('Page.addScriptToEvaluateOnNewDocument', { source: `
    for (const [name, selector] of [['content', '.run'], ['form', '#token']]) {
        const look = () => {
            if (!document.querySelector(selector))
                return requestAnimationFrame(look);
            requestAnimationFrame(() => setTimeout(() => { window['at_' + name] = performance.now(); }));
        };
        requestAnimationFrame(look);
    }` });
const times = async name => {
    const all = [];
    for (let i = 0; i < loads; i++) {
        await b.run(n => { window[`at_${n}`] = 0; }, name);
        await b.send('Page.reload');
        all.push(await b.until(name, n => window[`at_${n}`], name));
    }
    all.sort((x, y) => x - y);
    return `${all[loads / 2].toFixed(0)} ${all[Math.floor(loads * 0.95)].toFixed(0)}`;
};
const slowest = async seconds => {
    await b.run(() => {
        window.gaps = [];
        let last = performance.now();
        const frame = now => { gaps.push(now - last); last = now; requestAnimationFrame(frame); };
        requestAnimationFrame(frame);
    });
    await pause(seconds * 1000);
    return (await b.run(() => { gaps.sort((x, y) => x - y); return [gaps[Math.floor(gaps.length * 0.5)], gaps[Math.floor(gaps.length * 0.99)], gaps.at(-1)].map(g => g.toFixed(0)); })).join(' ');
};
try {
    await b.goto(`${url}/`);
    await b.until('the page', () => document.querySelector('#token'));
    console.log(`empty ${await times('form')}`);
    await login(b, token);
    await b.until('runs', () => document.querySelector('.run'));
    console.log(`content ${await times('content')}`);
    await b.run(() => { location.hash = '#/machines'; });
    await pause(500);
    console.log(`idle ${await slowest(3)}`);
    copyFileSync(workflow, `${mount}/workflows/flood.yml`);
    const run = readlinkSync(`${mount}/runs/latest`);
    await b.run(h => { location.hash = h; }, `#/runs/${run}`);
    await b.until('its job', () => document.querySelectorAll('.job').length === 2);
    await b.run(() => document.querySelectorAll('.job')[1].click());
    await b.until('its log', () => document.querySelectorAll('.row').length > 20);
    const flood = await slowest(4);
    await b.until('its end', () => document.querySelector('.titles .sign.good'));
    console.log(`flood ${flood}`);
} finally {
    await b.close();
}
