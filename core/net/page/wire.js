/* The way to the server: the token, requests, and the stream of changes. The token is kept for this tab alone,
 * and goes in a header, so that it is in no address, no history and no log. */

const wire = {scope: 'read', who: ''};
const scopes = ['read', 'run', 'admin'];
const may = scope => scopes.indexOf(wire.scope) >= scopes.indexOf(scope);

class Refused extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

async function ask(path, options = {}) {
    const token = sessionStorage.getItem('token'), headers = {...options.headers};
    if (token)
        headers.Authorization = `Bearer ${token}`;
    if (options.body !== undefined)
        headers['Content-Type'] = 'application/json';
    const answer = await fetch(path, {method: options.method || 'GET', headers, signal: options.signal,
        body: options.body === undefined ? undefined : JSON.stringify(options.body), cache: 'no-store', redirect: 'error'});
    if (answer.ok)
        return answer;
    let message = `${answer.status} ${answer.statusText}`;
    try {
        message = (await answer.json()).message || message;
    } catch { /* no JSON: the status says it */ }
    if (answer.status === 401 && token === sessionStorage.getItem('token')) /* else it was given meanwhile */
        askForToken(token ? 'This token is not known (any more).' : '');
    throw new Refused(answer.status, message);
}

const askJson = async (path, options) => (await ask(path, options)).json();

/* Does it, and says how it went. */
async function tryTo(what, done, fn) {
    try {
        const result = await fn();
        if (done)
            say(done);
        return result === undefined ? true : result;
    } catch (e) {
        if (e.name !== 'AbortError' && e.status !== 401)
            say(`${what}: ${e.message}`, true);
        return null;
    }
}

/* As a file on this computer. */
async function download(path, name) {
    await tryTo(`Cannot download ${name}`, '', async () => {
        const address = URL.createObjectURL(await (await ask(path)).blob());
        const link = document.createElement('a');
        link.href = address;
        link.download = name;
        link.click();
        setTimeout(() => URL.revokeObjectURL(address), 60000);
    });
}

/* ------------------------------------------------------------------------------------------------- stream */

/* One event, as it stands between empty lines: [its name, its data]; null for a comment. */
function readEvent(block) {
    const line = block.indexOf('\n');
    return block.startsWith('event: ') ? [block.slice(7, line), JSON.parse(block.slice(line + 7))] : null;
}

/* Until the page is looked at. */
const looked = () => document.hidden
    ? new Promise(r => document.addEventListener('visibilitychange', r, {once: true})).then(looked) : Promise.resolve();

/*
 * Follows GET /live with the parameters that query() gives, until stop(). What ends is begun again, soon at
 * first, then slower; 'lost' and 'hello' tell the view of both. A page in the background lets go after a while:
 * a browser has six connections to a server, for all of its tabs.
 */
const BACKGROUND_MS = 10000, BUSY_MS = 12;

function follow(query, on) {
    const stopper = new AbortController();
    let wait = 250, current = null, timer = 0;
    const hidden = () => {
        clearTimeout(timer);
        if (document.hidden)
            timer = setTimeout(() => current && current.abort(), BACKGROUND_MS);
    };
    document.addEventListener('visibilitychange', hidden, {signal: stopper.signal});
    /* a page that is left may be kept for coming back, and its connection with it */
    addEventListener('pagehide', () => current && current.abort(), {signal: stopper.signal});
    const once = async () => {
        current = new AbortController();
        const answer = await ask(`/live?${query()}`, {signal: AbortSignal.any([stopper.signal, current.signal])});
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = '', from = 0, since = performance.now();
        for (;;) {
            const end = text.indexOf('\n\n', from);
            if (end < 0) {
                const {done, value} = await reader.read();
                if (done || stopper.signal.aborted)
                    return;
                text = text.slice(from) + value;
                from = 0;
                continue;
            }
            const event = readEvent(text.slice(from, end));
            from = end + 2;
            if (event && event[0] === 'hello') {
                wait = 250;
                meet(event[1]);
            }
            if (event)
                on(...event);
            if (performance.now() - since > BUSY_MS) { /* what comes without a pause leaves time for frames and keys */
                await new Promise(r => setTimeout(r));
                since = performance.now();
            }
            if (stopper.signal.aborted)
                return;
        }
    };
    (async () => {
        while (!stopper.signal.aborted) {
            try {
                await looked();
                if (stopper.signal.aborted)
                    return;
                await once();
            } catch (e) {
                if (stopper.signal.aborted || e.status === 401)
                    return;
                if (e.status === 503)
                    say(e.message, true);
            }
            if (stopper.signal.aborted)
                return;
            showLink(document.hidden ? 'paused' : 'reconnecting');
            on('lost', null);
            if (document.hidden)
                continue;
            await new Promise(r => setTimeout(r, wait));
            wait = Math.min(wait * 2, 8000);
        }
    })();
    return {stop: () => stopper.abort()};
}

function showLink(state) {
    $('link').className = state;
    $('link').title = state;
    fill($('link'), state === 'live' ? 'live' : `${state} …`);
}

function meet(hello) {
    const changed = wire.scope !== hello.scope || wire.who !== hello.who;
    Object.assign(wire, {scope: hello.scope, who: hello.who, version: hello.version});
    clockOffset = hello.now - Date.now();
    showLink('live');
    fill($('who'), `${hello.who} (${hello.scope})`);
    $('who').hidden = false;
    $('who').title = sessionStorage.getItem('token') ? 'Forget the token' : 'No token is needed here';
    if (changed)
        dispatchEvent(new Event('scope'));
}
