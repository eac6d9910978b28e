// What a person finds in a run beyond its log. node page_more.mjs URL TOKEN RUN: says each thing that it found to be so.
import assert from 'node:assert/strict';
import { browse, login, press, shows } from './browser.mjs';

const [url, token, run] = process.argv.slice(2);
const ok = what => console.log(what);
const b = await browse();
try {
    await b.goto(`${url}/#/runs/${run}`);
    await login(b, token);
    await shows(b, 'Summaries');
    await shows(b, '# Coverage <b>91 %</b>');
    assert.deepEqual(await b.run(() => [document.querySelectorAll('.summary').length, document.querySelectorAll('.summary b, .summary h1, .summary script').length]), [1, 0]);
    ok('summaries of steps are shown as text');

    await b.until('the graph has links', () => document.querySelectorAll('figure .over a.box').length === 2);
    const places = await b.run(() => [...document.querySelectorAll('figure .over a.box')].map(a => {
        const r = a.getBoundingClientRect(), img = a.parentNode.querySelector('img').getBoundingClientRect();
        return r.left >= img.left && r.right <= img.right && r.top >= img.top && r.bottom <= img.bottom && r.width > 50;
    }));
    assert.deepEqual(places, [true, true]);
    await b.click('figure .over a.box:last-of-type');
    await b.until('its log', () => /^#\/runs\/\d+\/\d+$/.test(location.hash) && document.querySelector('.jobhead h2'));
    assert.equal(await b.run(() => document.querySelector('.jobhead h2').textContent), 'second');
    await shows(b, 'if: failure() · failure() => false');
    ok('a box of the graph leads to its job, which says why a step was skipped');

    await b.key('u');
    await shows(b, 'Former attempts');
    assert.equal(await b.run(() => document.querySelectorAll('.attempt').length), 0 + 1);
    await shows(b, 'Attempt 1');
    assert(await b.run(() => document.querySelector('.attempt .sign.good')));
    await press(b, 'Rerun');
    await b.until('two of them', () => document.querySelectorAll('.attempt').length === 2);
    assert.deepEqual(await b.run(() => [...document.querySelectorAll('.attempt strong')].map(n => n.textContent)), ['Attempt 2', 'Attempt 1']);
    await b.run(() => [...document.querySelectorAll('.attempt')].at(-1).querySelectorAll('a.button')[0].click());
    await b.until('its log', () => document.querySelector('.jobhead h2')?.textContent === 'first (attempt 1)');
    await shows(b, 'first attempt');
    assert(!(await b.run(() => document.body.innerText)).includes('Rerun job'));
    assert.equal(await b.run(() => document.querySelectorAll('.jobs .job').length), 1 + 2 + 1);
    await b.key('u');
    await b.until('the present jobs alone', () => document.querySelectorAll('.jobs .job').length === 1 + 2);
    ok('former attempts are there, with their logs');
    assert.deepEqual(b.complaints.filter(c => !c.includes('401')), []);
    if (process.env.SHOTS)
        await b.screenshot(`${process.env.SHOTS}/more.png`);
} finally {
    await b.close();
}

const phone = await browse({ width: 390, height: 844, phone: true });
try {
    await phone.send('Page.addScriptToEvaluateOnNewDocument', { source: `
        const answer = window.fetch, late = {};
        window.fetch = async (path, options) => {
            const a = await answer(path, options), name = String(path).split('?')[0];
            if (a.status === 401 && name !== '/live/knowledge')
                await new Promise(go => { late[name] = go; });
            while (a.status === 401 && name === '/live/knowledge' && !(late['/live'] && late['/live/graph'])) // or it gives up the others
                await new Promise(go => setTimeout(go, 10));
            return a;
        };` });
    await phone.goto(`${url}/#/knowledge`);
    await phone.until('a token is asked for, of which a part is typed', () => document.querySelector('#token') && late['/live/graph'] && late['/live']);
    await phone.type(token.slice(0, 9));
    await phone.run(() => late['/live/graph']());
    await phone.type(token.slice(9));
    await phone.key('Enter', '\r');
    await shows(phone, 'expected 200, got 500');
    await phone.run(() => late['/live']());
    await phone.run(() => new Promise(done => setTimeout(done, 200))); // what it would do it does at once
    assert(await phone.run(() => !document.querySelector('#token')));
    ok('a refusal that comes late takes no token away');
    const [text, all] = await phone.run(() => [document.querySelector('.lists .card .grow').getBoundingClientRect().width, document.documentElement.scrollWidth]);
    assert(text > 300 && all <= 390, `${text} of ${all} pixels`);
    ok('knowledge can be read on a phone');
} finally {
    await phone.close();
}
