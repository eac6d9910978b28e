// Starting workflows, looking at machines, and what runs taught. node page_forms.mjs URL TOKEN MOUNT: says what it found to be so.
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync } from 'node:fs';
import { browse, login, pause, press, shows } from './browser.mjs';

const [url, token, mount] = process.argv.slice(2);
const read = path => readFileSync(`${mount}/${path}`, 'utf8').trim();
const ok = what => console.log(what);
const texts = selector => [...document.querySelectorAll(selector)].map(n => n.innerText.replace(/\s+/g, ' ').trim());

const b = await browse();
try {
    // a form with what the workflow asks for; what is wrong is said, and nothing starts
    await b.goto(`${url}/`);
    await login(b, token);
    await b.until('it is there', () => document.querySelector('#link.live'));
    await b.key('g');
    await b.key('w');
    await b.until('workflows', () => document.querySelectorAll('.card').length === 3);
    await b.run(() => [...document.querySelectorAll('.card')].find(c => c.innerText.includes('Ask me')).querySelector('a.button').click());
    await b.until('its form', () => document.querySelector('form.dispatch'));
    assert.deepEqual(await b.run(texts, '.field label'), ['level', 'loud', 'count *', 'note']);
    assert.deepEqual(await b.run(() => [...document.querySelectorAll('.field input, .field select')].map(i => `${i.type}:${i.type === 'checkbox' ? i.checked : i.value}`)),
        ['select-one:info', 'checkbox:true', 'number:', 'text:a "b"']);
    await press(b, 'Run');
    await pause(200);
    assert.match(await b.run(() => location.hash), /^#\/workflows\//); // a required field is empty: the browser says so
    await b.run(() => {
        document.querySelector('.field select').value = 'debug';
        document.querySelector('.field input[type=checkbox]').click();
        document.querySelector('.field input[type=number]').value = '2.5';
    });
    await press(b, 'Run');
    await b.until('the run', () => document.querySelector('.titles .sign.good'));
    const n = (await b.run(() => location.hash)).split('/')[2];
    assert.equal(n, readlinkSync(`${mount}/runs/latest`));
    assert.equal(read(`runs/${n}/jobs/a/steps/01-say/stdout`), 'debug false 2.5 a "b"');
    assert.equal(read(`runs/${n}/event`), 'workflow_dispatch');
    ok('a form starts a workflow with its inputs');

    // of a linked repository: a branch
    await b.run(() => { location.hash = '#/workflows'; });
    await b.until('workflows', () => document.querySelectorAll('.card').length === 3);
    await b.run(() => [...document.querySelectorAll('.card')].find(c => c.innerText.includes('r:linked.yml')).querySelector('a.button').click());
    await b.until('its form', () => document.querySelector('#dispatch-ref')?.value === 'main');
    await b.run(() => { document.querySelector('#dispatch-ref').value = 'nowhere'; });
    await press(b, 'Run');
    await b.until('why not', () => document.querySelector('#say.bad')?.innerText.includes('nowhere'));
    await b.run(() => { document.querySelector('#dispatch-ref').value = 'other'; });
    await press(b, 'Run');
    await b.until('the run', () => document.querySelector('.titles .sign.good') && document.querySelector('.meta').innerText.includes('other'));
    ok('a branch is chosen, and a wrong one refused');

    await b.run(() => { location.hash = '#/workflows'; });
    await b.until('workflows', () => document.querySelectorAll('.card').length === 3);
    await b.run(() => [...document.querySelectorAll('.card')].find(c => c.innerText.includes('Ask me')).querySelector('button').click());
    await b.until('it is disabled', () => document.querySelector('.card')?.innerText.includes('disabled'));
    read('config/disabled/ask.yml');
    await press(b, 'Enable');
    await b.until('it is enabled', () => !document.querySelector('#view').innerText.includes('disabled'));
    assert.throws(() => read('config/disabled/ask.yml'));
    ok('workflows are disabled and enabled');

    // machines come and go
    await b.run(() => { location.hash = '#/machines'; });
    await b.until('the machine', () => document.querySelector('tbody tr')?.innerText.includes('executing'));
    const job = await b.run(() => document.querySelector('tbody a').getAttribute('href'));
    await b.run(h => { location.hash = h.replace(/\/\d+$/, ''); }, job);
    await press(b, 'Cancel');
    await b.until('it ends', () => document.querySelector('.titles .sign[title=cancelled]'));
    await b.run(() => { location.hash = '#/machines'; });
    await shows(b, 'There is no machine');
    ok('machines come and go');

    // what runs taught
    await b.run(() => { location.hash = '#/knowledge'; });
    await b.until('the graph', () => document.querySelectorAll('.graph .node').length >= 3);
    await shows(b, 'cannot find module <b>foo</b>');
    const roles = await b.run(() => [...document.querySelector('select[aria-label="As which role"]').options].map(o => o.value));
    assert.deepEqual(roles, ['Role md', 'Role sh']);
    await b.run(() => { document.querySelector('select[aria-label="As which role"]').value = 'Role md'; });
    await b.key('/');
    await b.type('cache');
    await b.key('Enter', '\r');
    await shows(b, '3 found');
    assert.deepEqual((await b.run(texts, '.results strong')).sort(), ['Page 1 <u>', 'Page 2 <u>', 'Page 3 <u>']);
    await b.run(() => { document.querySelector('select[aria-label="As which role"]').value = 'Role sh'; });
    await press(b, 'Search');
    await shows(b, '1 found');
    ok('documents are searched as a role');
    await b.run(() => [...document.querySelectorAll('.graph .node')].find(x => x.textContent.includes('sort')).dispatchEvent(new MouseEvent('click', { bubbles: true })));
    await b.until('the command', () => document.querySelector('.command h2')?.innerText === 'sort' && document.querySelector('.graph .node.current'));
    await press(b, 'All commands');
    await b.until('all of them', () => !document.querySelector('.command h2'));
    ok('the graph of commands is walked');

    // what is found leads to what it is
    const search = async (query, place) => {
        await b.run(q => { document.querySelector('input[type=search]').value = q; }, query);
        await b.until('the link', async p => { // what runs said is found once it is indexed, which is soon
            document.querySelector('form[role=search]').requestSubmit();
            await new Promise(done => setTimeout(done, 200));
            return [...document.querySelectorAll('.results a')].some(a => a.getAttribute('href').startsWith(p));
        }, place);
        await b.run(p => [...document.querySelectorAll('.results a')].find(a => a.getAttribute('href').startsWith(p)).click(), place);
    };
    await search('sort', '#/knowledge/commands/sort');
    await b.until('the command', () => document.querySelector('.command h2')?.innerText === 'sort');
    await search('cannot find module', '#/knowledge/failures/');
    await b.until('the failure', () => location.hash.startsWith('#/knowledge/failures/') && !document.querySelector('.command h2'));
    await search('workflow_dispatch', '#/runs/');
    await b.until('the run', () => document.querySelector('.titles .sign'));
    await b.run(() => { location.hash = '#/knowledge'; });
    await b.until('the knowledge', () => document.querySelectorAll('.graph .node').length >= 3);
    ok('what is found leads to what it is');
    assert.deepEqual(await b.run(() => [document.querySelectorAll('#view b, #view u').length, document.scripts.length]), [0, 1]);
    assert.deepEqual(b.complaints.filter(c => !/401|422/.test(c)), []);
} finally {
    await b.close();
}
