/* Elements, texts and times. Whatever comes from the server becomes text nodes here, never markup. */

/* el('a.row', {href: '#/', title: 'x', onclick: f}, 'text', node, ...): only these ways in, and no markup. */
function el(what, attrs, ...children) {
    const [tag, ...classes] = what.split('.');
    const node = document.createElement(tag);
    if (classes.length)
        node.className = classes.join(' ');
    for (const [name, value] of Object.entries(attrs || {})) {
        if (name.startsWith('on'))
            node.addEventListener(name.slice(2), value);
        else if (name === 'href')
            node.setAttribute('href', safeAddress(value));
        else if (value === true)
            node.setAttribute(name, '');
        else if (value !== false && value != null)
            node.setAttribute(name, String(value));
    }
    fill(node, ...children);
    return node;
}

function fill(node, ...children) {
    node.replaceChildren(...children.flat(Infinity).filter(c => c != null && c !== false)
        .map(c => c instanceof Node ? c : document.createTextNode(String(c))));
    return node;
}

/* A place on this page, or of the web; anything else leads nowhere. */
function safeAddress(address) {
    return /^(#|https?:\/\/)/i.test(address) ? address : '#';
}

const $ = id => document.getElementById(id);

/* What is told by the server's clock is shown by it. */
let clockOffset = 0;
const serverNow = () => Date.now() + clockOffset;

function duration(ms) {
    if (!(ms >= 0))
        return '';
    if (ms < 1000)
        return `${Math.round(ms)} ms`;
    const s = Math.floor(ms / 1000);
    if (s < 60)
        return `${(ms / 1000).toFixed(s < 10 ? 1 : 0)} s`;
    if (s < 3600)
        return `${Math.floor(s / 60)} m ${s % 60} s`;
    return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} m`;
}

/* From start to end, or to now while it goes on; '' before it began. */
function took(o) {
    return o.started ? duration((o.completed || serverNow()) - o.started) : '';
}

function ago(ms) {
    const s = (serverNow() - ms) / 1000;
    if (s < 5)
        return 'now';
    if (s < 60)
        return `${Math.floor(s)} s ago`;
    if (s < 3600)
        return `${Math.floor(s / 60)} min ago`;
    if (s < 86400)
        return `${Math.floor(s / 3600)} h ago`;
    return new Date(ms).toLocaleDateString();
}

function bytes(n) {
    const units = ['B', 'KB', 'MB', 'GB', 'TB'];
    let i = 0;
    for (; n >= 1000 && i < units.length - 1; i++)
        n /= 1000;
    return `${i && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

/* What of a commit and of a ref is shown. */
const shortSha = sha => /^0*$/.test(sha) ? '' : sha.slice(0, 7);
const shortRef = ref => ref.replace(/^refs\/(heads|tags)\//, '').replace(/^refs\//, '');

/* How a run, a job or a step is: its conclusion once it has one. */
const signs = {
    success: ['✓', 'good'], failure: ['✕', 'bad'], timed_out: ['✕', 'bad'], startup_failure: ['✕', 'bad'],
    interrupted: ['!', 'bad'], cancelled: ['⊘', 'dim'], skipped: ['–', 'dim'], in_progress: ['●', 'busy'],
    queued: ['○', 'wait'], pending: ['○', 'wait'],
};
const stateOf = o => o.status === 'completed' ? o.conclusion : o.status;

function sign(o) {
    const state = stateOf(o), [glyph, kind] = signs[state] || ['?', 'dim'];
    return el(`span.sign.${kind}`, {role: 'img', 'aria-label': state, title: state}, glyph);
}

/* A short notice, which goes by itself. */
let sayTimer;
function say(text, bad) {
    fill($('say'), text);
    $('say').className = bad ? 'shown bad' : 'shown';
    clearTimeout(sayTimer);
    sayTimer = setTimeout(() => { $('say').className = ''; }, 6000);
}

/* Calls fn once in the next frame, however often it is asked for. A page that is not looked at has no frames. */
function perFrame(fn) {
    let asked = false;
    return () => {
        if (asked)
            return;
        asked = true;
        requestAnimationFrame(() => { asked = false; fn(); });
    };
}
