/* Where the address leads, the keyboard, and the token. */

let view = null;

const views = [
    {name: 'Runs', href: '#/', pattern: /^\/?$/, make: () => new RunsView()},
    {pattern: /^\/runs\/(\d+)(?:\/(\d+)(?:\/(\d+)\/(\d+))?)?$/, make: m => new RunView(Number(m[1])),
        go: (v, m) => v.go({job: m[2] && Number(m[2]), step: Number(m[3]), line: m[4] && Number(m[4])}), same: (v, m) => v.id === Number(m[1])},
    {name: 'Workflows', href: '#/workflows', pattern: /^\/workflows(?:\/(\d+))?$/, make: () => new WorkflowsView(),
        go: (v, m) => v.go(m[1] ? Number(m[1]) : 0), same: () => true},
    {name: 'Machines', href: '#/machines', pattern: /^\/machines$/, make: () => new MachinesView()},
    {name: 'Knowledge', href: '#/knowledge', pattern: /^\/knowledge(?:\/(\d+)|\/(commands|failures|lessons)\/([^/]+))?$/, make: () => new KnowledgeView(),
        go: (v, m) => m[2] ? v.goTo(m[2], m[3]) : v.go(m[1] ? Number(m[1]) : 0), same: () => true},
];

function go(address) {
    if (location.hash === address)
        route();
    else
        location.hash = address;
}

function route() {
    const path = location.hash.slice(1);
    const found = views.map(v => [v, v.pattern.exec(path)]).find(([, m]) => m);
    if (!found) {
        leave();
        fill($('view'), el('p.empty', null, 'There is no such page.'));
        return;
    }
    const [entry, match] = found;
    if (!view || !entry.same || view.entry !== entry || !entry.same(view, match)) {
        leave();
        view = entry.make(match);
        view.entry = entry;
        fill($('view'), view.node);
    }
    if (entry.go)
        entry.go(view, match);
    document.title = `${view.title()} · runfs`;
    fill($('nav'), views.filter(v => v.name).map(v =>
        el('a', {href: v.href, 'aria-current': v === entry || (v.href === '#/' && path.startsWith('/runs')) ? 'page' : null}, v.name)));
}

function leave() {
    if (view)
        view.close();
    view = null;
}

/* ----------------------------------------------------------------------------------------------- the token */

function askForToken(why) {
    if ($('token'))
        return; /* somebody may be typing it */
    leave();
    $('who').hidden = true;
    const input = el('input', {type: 'password', id: 'token', autocomplete: 'off', required: true, spellcheck: 'false'});
    const form = el('form.login', {onsubmit: e => {
        e.preventDefault();
        sessionStorage.setItem('token', input.value.trim());
        route();
    }}, el('h1', null, 'A token, please'), why && el('p.why', null, why),
    el('label', {for: 'token'}, 'Token'), input, el('button.primary', {type: 'submit'}, 'Go on'),
    el('p.dim', null, 'runfs token create --scope read MOUNT makes one. It stays in this tab, until that is closed.'));
    fill($('view'), form);
    input.focus();
}

$('who').addEventListener('click', () => {
    if (sessionStorage.getItem('token') && confirm('Forget the token?')) {
        sessionStorage.removeItem('token');
        route();
    }
});

/* ---------------------------------------------------------------------------------------------- keyboard */

const keys = [['j  k', 'down, up'], ['Enter', 'open'], ['u  Esc', 'back'], ['/', 'search or filter'], ['n  N', 'next match, match before'],
    ['f', 'fold or unfold the steps'], ['Home  End', 'start of the log; end, and follow it'], ['g r', 'runs'], ['g w', 'workflows'], ['g m', 'machines'], ['g k', 'knowledge'], ['?', 'this help']];
const places = {r: '#/', w: '#/workflows', m: '#/machines', k: '#/knowledge'};
let gone = false; /* g was typed */

/* j and k among links. */
function moveAmong(e, nodes) {
    const by = e.key === 'j' ? 1 : e.key === 'k' ? -1 : 0;
    if (!by || !nodes.length)
        return false;
    const at = nodes.indexOf(document.activeElement);
    nodes[at < 0 ? (by > 0 ? 0 : nodes.length - 1) : Math.min(nodes.length - 1, Math.max(0, at + by))].focus();
    return true;
}

function help() {
    const dialog = $('help');
    fill(dialog, el('h2', null, 'Keys'), el('dl', null, keys.flatMap(([k, what]) => [el('dt', null, k), el('dd', null, what)])),
        el('button', {type: 'button', onclick: () => dialog.close()}, 'Close'));
    dialog.showModal();
}

addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches('input, textarea, select') || $('help').open) {
        if (e.key === 'Escape' && e.target.matches('input, select'))
            e.target.blur();
        return;
    }
    let done = true;
    if (gone && places[e.key])
        go(places[e.key]);
    else if (e.key === '?')
        help();
    else if (e.key !== 'g')
        done = view && view.key(e);
    gone = e.key === 'g';
    if (done)
        e.preventDefault();
});

addEventListener('hashchange', route);
route();
