// Chromium without a window, driven by its own protocol through a pipe: what a scenario needs of it, and no more.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';

export const pause = ms => new Promise(r => setTimeout(r, ms));

export async function browse({ width = 1280, height = 800, dark = false, phone = false, args = [] } = {}) {
    const home = mkdtempSync('/tmp/rf-browser-'); // not in TMPDIR: Chromium makes a socket in it, and its path has to be short
    process.once('exit', () => rmSync(home, { recursive: true, force: true }));
    const child = spawn('chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-dev-shm-usage',
        '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-crash-reporter', '--disable-breakpad',
        '--no-proxy-server', '--remote-debugging-pipe', `--user-data-dir=${home}`, ...args, 'about:blank'],
    { detached: true, stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: home, TMPDIR: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home } });
    const waiting = new Map(), complaints = [], listeners = [];
    for (const pipe of child.stdio.slice(3))
        pipe.on('error', () => {}); // when it ends
    let last = 0, text = '', session;
    child.stdio[4].setEncoding('utf8').on('data', data => {
        text += data;
        let end;
        while ((end = text.indexOf('\0')) >= 0) {
            const m = JSON.parse(text.slice(0, end));
            text = text.slice(end + 1);
            if (m.id && waiting.has(m.id)) {
                const { resolve, reject } = waiting.get(m.id);
                waiting.delete(m.id);
                m.error ? reject(new Error(m.error.message)) : resolve(m.result);
            } else if (m.method === 'Runtime.exceptionThrown') {
                complaints.push(m.params.exceptionDetails.exception?.description || m.params.exceptionDetails.text);
            } else if (m.method === 'Log.entryAdded' && m.params.entry.level === 'error') {
                complaints.push(`${m.params.entry.text} ${m.params.entry.url || ''}`);
            }
            for (const l of listeners)
                l(m);
        }
    });
    const send = (method, params = {}) => new Promise((resolve, reject) => {
        waiting.set(++last, { resolve, reject });
        child.stdio[3].write(JSON.stringify({ id: last, method, params, ...(session && { sessionId: session }) }) + '\0');
    });
    const { targetInfos } = await send('Target.getTargets');
    const target = targetInfos.find(t => t.type === 'page');
    session = (await send('Target.attachToTarget', { targetId: target.targetId, flatten: true })).sessionId;
    for (const domain of ['Page', 'Runtime', 'Log', 'Network'])
        await send(`${domain}.enable`);
    await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: phone ? 2 : 1, mobile: phone });
    if (phone)
        await send('Emulation.setTouchEmulationEnabled', { enabled: true });
    await send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });

    // fn runs in the page, with arguments that JSON can carry
    const run = async (fn, ...args) => {
        const r = await send('Runtime.evaluate', { expression: `(${fn})(...${JSON.stringify(args)})`, awaitPromise: true, returnByValue: true });
        if (r.exceptionDetails)
            throw new Error(r.exceptionDetails.exception?.description || r.exceptionDetails.text);
        return r.result.value;
    };
    const until = async (what, fn, ...args) => {
        for (const end = Date.now() + 60000; Date.now() < end; await pause(30)) {
            const value = await run(fn, ...args).catch(() => null);
            if (value)
                return value;
        }
        throw new Error(`never came true: ${what}; the page shows: ${await run(() => document.body.innerText.slice(0, 2000))}; it complained: ${complaints.join('; ')}`);
    };
    return {
        send, run, until, complaints,
        on: fn => listeners.push(fn),
        goto: url => send('Page.navigate', { url }),
        key: async (key, text = key.length === 1 ? key : undefined) => {
            await send('Input.dispatchKeyEvent', { type: 'keyDown', key, text });
            await send('Input.dispatchKeyEvent', { type: 'keyUp', key });
        },
        type: text => send('Input.insertText', { text }),
        click: async selector => { // a real click, in the middle of what is there
            const at = await until(`there is ${selector}`, s => {
                const n = document.querySelector(s);
                if (!n)
                    return null;
                n.scrollIntoView({ block: 'nearest' });
                const b = n.getBoundingClientRect();
                return b.width ? { x: b.x + b.width / 2, y: b.y + b.height / 2 } : null;
            }, selector);
            for (const type of ['mousePressed', 'mouseReleased'])
                await send('Input.dispatchMouseEvent', { type, ...at, button: 'left', clickCount: 1 });
        },
        screenshot: async file => writeFileSync(file, Buffer.from((await send('Page.captureScreenshot', { format: 'png' })).data, 'base64')),
        close: async () => {
            const ended = new Promise(r => child.once('exit', r));
            session = undefined;
            send('Browser.close').catch(() => {});
            await Promise.race([ended, pause(3000)]);
            try {
                process.kill(-child.pid, 'SIGKILL'); // its helpers, too, which write into its directory to the last
            } catch { /* there is none left */ }
            await ended;
            for (let i = 0; i < 50 && existsSync(home); i++) {
                rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
                await pause(100);
            }
        },
    };
}

// What the scenarios of the live page share.
export const shows = (b, text) => b.until(`the page shows ${text}`, t => document.body.innerText.includes(t), text);
export const press = (b, text) => b.until(`a button ${text}`, t => {
    const n = [...document.querySelectorAll('button, a')].find(x => x.textContent === t && !x.disabled);
    n?.click();
    return n;
}, text);
export async function login(b, token) {
    await b.until('a token is asked for', () => document.querySelector('#token'));
    await b.type(token);
    await b.key('Enter', '\r');
}
