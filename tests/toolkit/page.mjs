// What a person does with the live page. node page.mjs URL TOKEN MOUNT DIR: says each thing that it found to be so; with SHOTS=DIR, pictures.
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, readlinkSync, writeFileSync, existsSync, mkdirSync } from 'node:fs';
import { browse, login, pause, press, shows } from './browser.mjs';

const [url, token, mount, dir] = process.argv.slice(2);
const read = path => readFileSync(`${mount}/${path}`, 'utf8').trim();
const drop = file => {
    copyFileSync(`${dir}/${file}`, `${mount}/workflows/${file}`);
    return readlinkSync(`${mount}/runs/latest`);
};
const ok = what => console.log(what);
const shots = process.env.SHOTS;
if (shots)
    mkdirSync(shots, { recursive: true });
const shot = async (b, name) => shots && b.screenshot(`${shots}/${name}.png`);
const rows = () => [...document.querySelectorAll('.lines .row')].map(r => r.innerText.replace(/\s+/g, ' ').trim());

const b = await browse();
try {
    await b.goto(`${url}/`);
    await login(b, 'rfs_wrong');
    await shows(b, 'not known');
    await login(b, token);
    await shows(b, 'There is no run yet');
    assert.deepEqual(b.complaints.filter(c => !c.includes('401')), []);
    b.complaints.length = 0;
    ok('without a token there is nothing to see');

    // a run comes, and changes, while the page is open
    const first = drop('hostile.yml');
    await b.until('the run is listed', () => document.querySelector('.run'));
    await b.until('it ends', () => document.querySelector('.run .sign.bad'));
    ok('runs are listed as they change');

    // what comes from a run is text, wherever it stands
    await b.key('j');
    await b.key('Enter', '\r');
    await b.until('its jobs', () => document.querySelectorAll('.job').length === 2);
    await b.until('its pictures', () => [...document.querySelectorAll('figure img')].filter(i => i.complete && i.naturalWidth).length === 2);
    await shows(b, '<img src=x onerror=window.hacked=3>'); // an annotation
    await shot(b, 'summary');
    await b.key('j');
    await b.key('j');
    await b.key('Enter', '\r');
    await shows(b, '<script>window.hacked=4</script>');
    await shows(b, '<u>prod</u>'); // an environment, whose address is no address of the web
    const log = await b.run(rows);
    assert(log.some(r => r.includes('<img src=x onerror=window.hacked=1>')), log.join('\n'));
    assert(log.some(r => r.includes('"><svg/onload=window.hacked=2>')));
    assert(log.some(r => r.includes('javascript:window.hacked=5')));
    await pause(300);
    const inside = await b.run(() => ({
        hacked: typeof hacked, scripts: document.scripts.length, strange: document.querySelectorAll('#view script, #view svg, #view b, #view u, #view iframe, #view [onerror], #view [onload], #view [style*="url"]').length,
        links: [...document.querySelectorAll('a')].map(a => a.getAttribute('href')).filter(h => !h.startsWith('#')), title: document.title,
    }));
    assert.deepEqual([inside.hacked, inside.scripts, inside.strange, inside.links], ['undefined', 1, 0, []]);
    assert(inside.title.includes('<b>'));
    // should a bug put markup of a text into the page all the same: the policy stops it
    assert.match(await b.run(() => {
        try {
            document.body.innerHTML = '<b>x</b>';
            return 'markup was made';
        } catch (e) {
            return String(e);
        }
    }), /TrustedHTML/);
    b.complaints.length = 0;
    ok('hostile names and logs are texts');

    // colours, groups, search, links to lines
    const colours = await b.run(() => [...document.querySelectorAll('.lines .text span')].filter(s => /fg-|bg-/.test(s.className) || s.style.color)
        .map(s => `${s.textContent}:${s.className}${s.style.color}`));
    assert.deepEqual(colours, ['green:fg-2', 'bold red:sgr-b fg-1', 'orange:rgb(255, 135, 0)', 'on blue:bg-4', 'other way:fg-bg bg-fg', 'true:rgb(1, 2, 3)']);
    assert(!log.some(r => r.includes('\x1b')) && log.some(r => r.includes('bell and title')));
    const group = log.findIndex(r => r.includes('My group'));
    assert(group > 0 && !log.some(r => r.includes('inside 2')));
    await b.run(() => [...document.querySelectorAll('.row.group')].find(r => r.innerText.includes('My group')).click());
    await b.until('it unfolds', () => document.body.innerText.includes('inside 2'));
    await b.key('/');
    await b.type('needle');
    await b.until('they are counted', () => document.querySelector('.counter').textContent === '4');
    for (let i = 0; i < 3; i++)
        await b.key('Enter', '\r');
    await b.until('the second one of the output is shown', () => document.querySelector('.counter').textContent === '3 of 4' && document.querySelector('.row.current mark')?.textContent === 'Needle');
    const place = await b.run(() => document.querySelector('.row.current .n').getAttribute('href'));
    await shot(b, 'log');
    await b.run(h => { location.hash = h; }, place);
    await b.send('Page.reload');
    await b.until('the line is shown', () => document.querySelector('.row.target')?.innerText.includes('Needle'));
    assert.match(place, /^#\/runs\/\d+\/\d+\/\d+\/\d+$/);
    ok('logs have colours, groups, search and links');

    // a log is told as it is printed
    const live = drop('live.yml');
    await b.run(h => { location.hash = h; }, `#/runs/${live}`);
    await b.until('its job', () => document.querySelectorAll('.job').length === 2);
    await b.run(() => document.querySelectorAll('.job')[1].click());
    await shows(b, 'before it');
    assert(!(await b.run(rows)).some(r => r.includes('after it')));
    writeFileSync(`${dir}/go`, '');
    await shows(b, 'after it');
    ok('a log is followed');

    // what it left behind is taken home
    mkdirSync(`${dir}/home`);
    await b.send('Page.setDownloadBehavior', { behavior: 'allow', downloadPath: `${dir}/home` });
    await b.until('it ends', () => document.querySelector('.titles .sign.good'));
    await press(b, '⇩ log');
    const taken = async name => {
        for (const end = Date.now() + 10000; Date.now() < end && !existsSync(`${dir}/home/${name}`); await pause(30));
        return readFileSync(`${dir}/home/${name}`);
    };
    const times = /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{7}Z /gm; // GitHub's logs have them, the mount's do not
    assert.equal((await taken('a.log')).toString().replace(times, ''), readFileSync(`${mount}/runs/${live}/jobs/a/log`).toString());
    await b.key('u');
    await press(b, '⇩ things');
    assert.equal((await taken('things.zip')).subarray(0, 2).toString(), 'PK');
    ok('logs and artifacts are taken home');

    // the server goes and comes back: the page goes on by itself, where it was
    const broken = drop('broken.yml');
    await b.run(h => { location.hash = h; }, `#/runs/${broken}`);
    await b.until('its job', () => document.querySelectorAll('.job').length === 2);
    await b.run(() => document.querySelectorAll('.job')[1].click());
    await shows(b, 'one of it');
    writeFileSync(`${mount}/config/listen`, 'off\n');
    await b.until('it notices', () => document.querySelector('#link.reconnecting'));
    writeFileSync(`${dir}/go-on`, '');
    readFileSync(`${mount}/runs/${broken}/wait`);
    writeFileSync(`${mount}/config/listen`, `${new URL(url).port}\n`);
    await shows(b, 'two of it');
    await b.until('it is live', () => document.querySelector('#link.live') && document.querySelector('.titles .sign.good'));
    assert.equal((await b.run(rows)).filter(r => r.endsWith('one of it')).length, 1);
    assert(b.complaints.every(c => c.includes('ERR_')), b.complaints.join());
    b.complaints.length = 0;
    ok('a broken connection is begun again');

    // ten thousand lines a second do not freeze it
    const flood = drop('flood.yml');
    await b.run(h => { location.hash = h; }, `#/runs/${flood}`);
    await b.until('its job', () => document.querySelectorAll('.job').length === 2);
    await b.run(() => {
        window.gaps = [];
        let last = performance.now();
        const frame = now => { gaps.push(now - last); last = now; requestAnimationFrame(frame); };
        requestAnimationFrame(frame);
        document.querySelectorAll('.job')[1].click();
    });
    await b.until('it ends', () => document.querySelector('.titles .sign.good') && [...document.querySelectorAll('.row')].some(r => r.innerText.includes('line 60000')));
    const measured = await b.run(() => ({ worst: Math.max(...gaps), all: gaps.reduce((a, b) => a + b), n: gaps.length, nodes: document.querySelectorAll('*').length }));
    console.error(`# flood: worst frame ${measured.worst.toFixed(0)} ms of ${measured.n}; ${measured.nodes} elements; ${read(`runs/${flood}/jobs/a/steps/01-flood/duration_ms`)} ms`);
    assert(measured.worst * 2 < measured.all && measured.n > 8, JSON.stringify(measured)); // a share of the time: however slow it is here
    assert(measured.nodes < 1500, `${measured.nodes} elements`);
    ok('a flood does not freeze it');

    // buttons: cancel, run again
    const long = drop('long.yml');
    await b.run(h => { location.hash = h; }, `#/runs/${long}`);
    await press(b, 'Cancel');
    await b.until('it is cancelled', () => document.querySelector('.titles .sign[title=cancelled]'));
    assert.equal(read(`runs/${long}/conclusion`), 'cancelled');
    await b.run(h => { location.hash = h; }, `#/runs/${live}`);
    await press(b, 'Rerun');
    await shows(b, 'attempt 2');
    await b.until('it succeeds', () => document.querySelector('.titles .sign.good'));
    assert.equal(read(`runs/${live}/attempts/1/conclusion`), 'success');
    ok('runs are cancelled and run again');

    // the token is kept for the tab alone, and stands in no address
    const kept = await b.run(() => [Object.keys(localStorage), document.cookie, location.href, performance.getEntriesByType('resource').map(e => e.name).join(' ')]);
    assert.deepEqual([kept[0], kept[1]], [[], '']);
    assert(!kept[2].includes(token) && !kept[3].includes(token));
    assert(kept[3].split(' ').every(a => a.startsWith(url) || a.startsWith('blob:') || a.startsWith('data:')), kept[3]);
    assert(!read('log').includes(token));
    ok('the token stays in the tab');
    assert.deepEqual(b.complaints, []);

    // who may only read has no buttons
    writeFileSync(`${dir}/want-reader`, '');
    while (!existsSync(`${dir}/reader`))
        await pause(30);
    await b.run(() => sessionStorage.clear());
    await b.send('Page.reload');
    await login(b, readFileSync(`${dir}/reader`, 'utf8').trim());
    await shows(b, '(read)');
    await b.until('the run', () => document.querySelector('.titles'));
    assert.deepEqual(await b.run(() => [...document.querySelectorAll('.actions button')].map(n => n.textContent)), []);
    ok('who may only read has no buttons');
    assert.deepEqual(b.complaints.filter(c => !c.includes('401')), []);
} finally {
    await b.close();
}
