// What pages of other sites try against the runner, in a browser whose user has its page open. node strangers.mjs URL TOKEN RUN JOB ARTIFACT:
// says each thing that it found to be so.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { browse, login, pause, shows } from './browser.mjs';

const [url, token, run, job, artifact] = process.argv.slice(2);
const port = new URL(url).port;
const ok = what => console.log(what);
const dispatch = '/repos/runfs/workflows/actions/workflows/w.yml/dispatches';

// the other site: a page that may do anything
const site = createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(request.url === '/form'
        ? `<form method=post action="${url}${dispatch}" enctype=text/plain><input name='{"ref":"main","x":"' value='"}'></form><script>document.forms[0].submit()</script>`
        : request.url === '/link' ? `<a href="${url}/">look</a>` : '<p>a page');
}).listen(0, '127.0.0.1');
await new Promise(r => site.once('listening', r));
const other = `http://127.0.0.1:${site.address().port}`;

const b = await browse({ args: ['--host-resolver-rules=MAP *.example 127.0.0.1'] });
const statuses = [];
b.on(m => m.method === 'Network.responseReceived' && statuses.push(`${m.params.response.status} ${new URL(m.params.response.url).pathname}`));
// what a page gets to see of an answer: its status, or that it is kept from it
const asks = (path, options = {}) => b.run(async (u, o) => {
    try {
        const r = await fetch(u, o);
        return r.type === 'opaque' ? 'opaque' : String(r.status);
    } catch (e) {
        return 'kept from it';
    }
}, path, options);
try {
    await b.goto(`${url}/`);
    await login(b, token);
    await b.until('it is in', () => document.querySelector('.run'));

    await b.goto(`${other}/`);
    await shows(b, 'a page');
    assert.equal(await asks(`${url}/live/runs`), 'kept from it');
    assert.equal(await asks(`${url}/live/runs`, { credentials: 'include' }), 'kept from it');
    assert.equal(await asks(`${url}/live/runs`, { headers: { Authorization: `Bearer ${token}` } }), 'kept from it');
    assert.equal(await b.run(u => new Promise(r => {
        const e = new EventSource(u);
        e.onmessage = e.onopen = () => r('told');
        e.onerror = () => r('kept from it');
    }), `${url}/live`), 'kept from it');
    ok('what there is cannot be read, even with the token');

    statuses.length = 0;
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
        assert.equal(await asks(url + dispatch, { method: 'POST', mode: 'no-cors', credentials: 'include', headers: { 'Content-Type': type }, body: '{"ref":"main"}' }), 'opaque');
    assert.equal(await asks(`${url}/runs/${run}`, { method: 'DELETE' }), 'kept from it');
    await b.run(u => navigator.sendBeacon(u, '{"ref":"main"}'), url + dispatch);
    await b.run(u => new Promise(r => {
        const s = document.createElement('script');
        s.src = u;
        s.onload = s.onerror = r;
        document.head.append(s);
    }), `${url}/live/runs`);
    await b.goto(`${other}/form`);
    await b.until('the form was sent', u => location.href === u, url + dispatch);
    assert.deepEqual(statuses.filter(s => s.endsWith('dispatches') && !s.startsWith('403')), []);
    assert(statuses.filter(s => s.endsWith('dispatches')).length >= 4, statuses.join());
    ok('nothing is asked for by forms and simple requests');

    await b.goto(`${other}/`);
    await shows(b, 'a page');
    statuses.length = 0;
    await b.run(u => new Promise(r => {
        const f = document.createElement('iframe');
        f.src = u;
        f.onload = r;
        document.body.append(f);
    }), `${url}/`);
    assert.deepEqual(statuses.filter(s => s.endsWith(' /')), ['403 /']);
    ok('the page is in no frame');

    await b.goto(`${other}/link`);
    await b.click('a');
    await b.until('the page is there', () => document.querySelector('#token') || document.querySelector('.run'));
    ok('a link leads to it');

    // a name of the other site that now means this host: the browser takes both for one site
    await b.goto(`http://rebound.example:${port}/`);
    await b.until('the page asks for a token', () => document.querySelector('#token'));
    assert.equal(await asks('/live/runs'), '401');
    assert.equal(await asks('/user', { credentials: 'include' }), '401');
    assert.equal(await asks(dispatch, { method: 'POST', body: '{"ref":"main"}' }), '401');
    assert.equal(await asks('/webhook', { method: 'POST', body: '{}' }), '401');
    assert.equal(await b.run(() => Object.keys(sessionStorage).length + Object.keys(localStorage).length + document.cookie.length), 0);
    ok('a name that is bound anew gets nothing');

    // what holds words of a workflow, opened as a document of its own
    await b.send('Network.setExtraHTTPHeaders', { headers: { Authorization: `Bearer ${token}` } });
    for (const path of [`/runs/${run}/graph.svg`, `/runs/${run}/timeline.svg`, `/jobs/${job}/logs`, `/repos/runfs/workflows/actions/runs/${run}`,
        `/repos/runfs/workflows/actions/runs/${run}/jobs`, '/repos/runfs/workflows/contents/.github/workflows/hostile.yml', `/repos/runfs/workflows/check-runs/${job}/annotations`,
        `/artifacts/${artifact}/zip`, '/live/workflows', `/documents/search?query=hacked`, '/%3Cscript%3Ewindow.hacked=9%3C/script%3E',
        '/repos/%3Cscript%3Ewindow.hacked=9%3C/script%3E/x']) {
        statuses.length = 0;
        await b.goto(url + path);
        for (let i = 0; i < 200 && !statuses.length; i++)
            await pause(20);
        await b.until('it is there', () => document.readyState === 'complete');
        await pause(50);
        assert.deepEqual([path, statuses.length, await b.run(() => [typeof hacked, document.documentElement.namespaceURI.endsWith('svg') ? 'picture' : document.querySelectorAll('script, img, iframe, [onload], [onerror]').length])],
            [path, statuses.length, ['undefined', path.endsWith('.svg') ? 'picture' : 0]]);
        assert(statuses.length > 0);
    }
    ok('no answer is a page that runs something');
} finally {
    await b.close();
    site.close();
    site.closeAllConnections();
}
