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
    if (answer.status === 401)
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

/* Calls on(event, data) for each complete event in the text; returns the rest of it. */
function readEvents(text, on) {
    let from = 0, end;
    while ((end = text.indexOf('\n\n', from)) >= 0) {
        const block = text.slice(from, end);
        from = end + 2;
        if (block.startsWith('event: ')) {
            const line = block.indexOf('\n');
            on(block.slice(7, line), JSON.parse(block.slice(line + 7)));
        }
    }
    return from ? text.slice(from) : text;
}

/*
 * Follows GET /live with the parameters that query() gives, until stop(). What ends is begun again, soon at
 * first, then slower; 'lost' and 'hello' tell the view of both.
 */
function follow(query, on) {
    const stopper = new AbortController();
    let wait = 250;
    const once = async () => {
        const answer = await ask(`/live?${query()}`, {signal: stopper.signal});
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = '';
        for (;;) {
            const {done, value} = await reader.read();
            if (done || stopper.signal.aborted)
                return;
            text = readEvents(text ? text + value : value, (event, data) => {
                if (stopper.signal.aborted)
                    return;
                if (event === 'hello') {
                    wait = 250;
                    meet(data);
                }
                on(event, data);
            });
        }
    };
    (async () => {
        while (!stopper.signal.aborted) {
            try {
                await once();
            } catch (e) {
                if (stopper.signal.aborted || e.status === 401)
                    return;
                if (e.status === 503)
                    say(e.message, true);
            }
            if (stopper.signal.aborted)
                return;
            showLink('reconnecting');
            on('lost', null);
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
