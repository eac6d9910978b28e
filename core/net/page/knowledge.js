/* What runs taught: a search as a role, the graph of commands, failures, lessons, suggestions. */

class KnowledgeView {
    constructor() {
        this.query = el('input', {type: 'search', placeholder: 'Search documents  ( / )', 'aria-label': 'Search documents'});
        this.role = el('select', {'aria-label': 'As which role'});
        this.results = el('div.results', {'aria-live': 'polite'});
        this.graph = el('figure.graphbox');
        this.command = el('div.command');
        this.lists = el('div.lists');
        this.node = el('section.page', null, el('div.bar', null, el('h1', null, 'Knowledge'), this.statsNode = el('span.dim')),
            el('form.bar', {role: 'search', onsubmit: e => { e.preventDefault(); this.search(); }}, this.role, this.query, el('button', {type: 'submit'}, 'Search')),
            this.results, this.command, this.graph, this.lists);
        this.loaded = this.load();
        this.stream = follow(() => new URLSearchParams({workflows: 1}), () => {}); /* who it is, and whether it is there */
    }

    title() {
        return 'Knowledge';
    }

    async load() {
        const got = await tryTo('Cannot read', '', () => askJson('/live/knowledge'));
        if (!got || this.closed)
            return;
        const {stats} = got;
        fill(this.statsNode, `${stats.commands} commands, ${stats.successes} successes, ${stats.failures} failures`);
        fill(this.role, got.roles.length ? got.roles.map(r => el('option', {value: r, selected: r === got.selected}, r))
            : el('option', {value: ''}, 'no role'));
        this.role.disabled = !got.roles.length;
        const page = t => el('details', {'data-place': t.place}, el('summary', null, t.name), el('pre', null, t.text));
        const section = (title, list, fn) => list.length > 0 && [el('h2', null, title), list.map(fn)];
        fill(this.lists,
            section('Lessons', got.lessons, page), section('Suggestions', got.suggestions, page),
            section('Runs that departed from their history', got.anomalies, a =>
                el('div.card', null, el('a', {href: `#/runs/${a.run}`}, `run ${a.run}`), el('span.grow', null, a.why.trim()))),
            section('Failures', [...got.failures].sort((a, b) => b.count - a.count || b.last - a.last), f => el('div.card', {'data-place': f.place},
                el('code.grow', null, f.line), el('span.dim', null, `${f.count}×, ${ago(f.last)}`),
                f.runs.map(r => el('a', {href: `#/runs/${r}`}, `#${r}`)),
                f.fixed > 0 && el('a.good', {href: `#/runs/${f.fixed}`}, `mended in #${f.fixed}`))),
            !stats.commands && el('p.empty', null, 'No run has taught anything yet.'));
    }

    async go(id) {
        this.id = id;
        const [graph, command] = await Promise.all([
            tryTo('Cannot read the graph', '', () => askJson(`/live/graph?around=${id}`)),
            id && tryTo('Cannot read the command', '', () => askJson(`/live/commands/${id}`))]);
        if (this.closed || id !== this.id || !graph)
            return;
        fill(this.graph, graph.nodes.length > 0 && drawGraph(graph, n => `#/knowledge/${n.id}`, id));
        this.graph.hidden = !graph.nodes.length;
        fill(this.command, command ? this.commandCard(command) : null);
    }

    /* What a search found, by where it is in the mount. */
    async goTo(kind, name) {
        if (kind === 'commands') {
            const c = await tryTo('Cannot read the command', '', () => askJson(`/live/commands?name=${encodeURIComponent(name)}`));
            if (c && !this.closed)
                go(`#/knowledge/${c.id}`);
            return;
        }
        await this.go(0);
        await this.loaded;
        const node = [...this.lists.querySelectorAll('[data-place]')].find(n => n.dataset.place === `${kind}/${name}`);
        if (node) {
            node.open = true;
            node.scrollIntoView({block: 'center'});
        }
    }

    commandCard(c) {
        const n = c.successes + c.failures;
        return el('div.card', null, el('div.grow', null, el('h2', null, c.name),
            el('p.meta', null, [`${c.runs} runs`, n > 0 && `${(100 * c.successes / n).toFixed(0)}% succeed`, c.p50 >= 0 && `median ${duration(c.p50)}`,
                c.p95 >= 0 && `95% within ${duration(c.p95)}`, c.last > 0 && ago(c.last)].filter(Boolean).join(' · ')),
            c.variants.map(v => el('div', null, el('code', null, v.text), el('span.dim', null, `  ${v.runs}×${v.failures ? `, ${v.failures} failed` : ''}`))),
            el('p', null, c.in.slice(-12).reverse().flatMap(r => [el('a', {href: `#/runs/${r}`}, `#${r}`), ' ']))),
        el('a.button', {href: '#/knowledge'}, 'All commands'));
    }

    async search() {
        const query = this.query.value.trim();
        if (!query) {
            fill(this.results);
            return;
        }
        const body = {query, limit: 50};
        if (this.role.value)
            body.role = this.role.value;
        const got = await tryTo('Cannot search', '', () => askJson('/documents/search', {method: 'POST', body}));
        if (!got || this.closed)
            return;
        fill(this.results, el('p.dim', null, got.total ? `${got.total} found` : 'Nothing was found.'),
            got.results.map(d => el('div.card', null, el('div.grow', null, el('strong', null, d.url.startsWith('file:') ? d.title : el('a', {href: `#/${d.url}`}, d.title)), el('div.meta', null, d.url),
                el('p.excerpt', null, d.body)), el('span.dim', {title: 'rank'}, (d.rank / 1e6).toFixed(2)))));
    }

    key(e) {
        if (e.key === '/') {
            this.query.focus();
            return true;
        }
        if ((e.key === 'Escape' || e.key === 'u') && this.id) {
            go('#/knowledge');
            return true;
        }
        return moveAmong(e, [...this.graph.querySelectorAll('a'), ...this.lists.querySelectorAll('a, summary')]);
    }

    close() {
        this.closed = true;
        this.stream.stop();
    }
}
