/* The list of runs, as they change. */

class RunsView {
    constructor() {
        this.runs = new Map();
        this.rowOf = new Map();
        this.status = sessionStorage.getItem('status') || '';
        this.text = '';
        this.list = el('div.runs', {role: 'list', 'aria-label': 'Runs'});
        this.empty = el('p.empty', {hidden: true});
        this.more = el('button.more', {type: 'button', hidden: true, onclick: () => this.older()}, 'Older runs');
        this.filter = el('input', {type: 'search', placeholder: 'Filter  ( / )', 'aria-label': 'Filter runs',
            oninput: () => { this.text = this.filter.value.toLowerCase(); this.filterAll(); }});
        this.select = el('select', {'aria-label': 'Which runs', onchange: () => this.choose(this.select.value)},
            ['', 'active', 'success', 'failure', 'cancelled'].map(s =>
                el('option', {value: s, selected: s === this.status}, s ? s : 'all runs')));
        this.node = el('section.page', null,
            el('div.bar', null, el('h1', null, 'Runs'), this.select, this.filter), this.list, this.empty, this.more);
        this.draw = perFrame(() => this.drawNow());
        this.dirty = new Set();
        this.stream = follow(() => new URLSearchParams({status: this.status}), (event, data) => this.take(event, data));
        this.clock = setInterval(() => this.tick(), 1000);
        this.watcher = new IntersectionObserver(seen => { if (seen.some(s => s.isIntersecting)) this.older(); }, {rootMargin: '400px'});
        this.watcher.observe(this.more);
    }

    title() {
        return 'Runs';
    }

    take(event, data) {
        if (event === 'runs') {
            this.runs.clear();
            this.rowOf.clear();
            this.list.replaceChildren();
            for (const run of data)
                this.put(run);
            this.more.hidden = data.length < 100;
            this.complete = data.length < 100;
            this.told = true;
            this.drawNow(); /* the first thing to see waits for no frame */
            return;
        } else if (event === 'run') {
            this.put(data);
        } else if (event === 'gone') {
            this.runs.delete(data.id);
            this.dirty.add(data.id);
        } else {
            return;
        }
        this.draw();
    }

    wanted(run) {
        const s = this.status;
        return !s || s === run.conclusion || (s === 'active' && run.status !== 'completed') ||
            (s === 'failure' && run.conclusion === 'interrupted');
    }

    put(run) {
        const old = Math.min(...this.oldest());
        if (!this.complete && this.told && run.id < old && !this.runs.has(run.id))
            return; /* it comes when older ones are asked for */
        if (this.wanted(run))
            this.runs.set(run.id, run);
        else
            this.runs.delete(run.id);
        this.dirty.add(run.id);
    }

    oldest() {
        const first = this.list.lastElementChild;
        return first ? [Number(first.dataset.id)] : [];
    }

    row(run) {
        const row = el('a.run', {href: `#/runs/${run.id}`, role: 'listitem', 'data-id': run.id},
            sign(run), el('span.title', null, run.title || run.name),
            el('span.meta', null, [`#${run.id}`, run.workflow, run.event, shortRef(run.ref), shortSha(run.sha), run.actor,
                run.attempt > 1 && `attempt ${run.attempt}`].filter(Boolean).join(' · ')),
            el('span.took'), el('time', {title: new Date(run.created).toLocaleString()}));
        row.words = `${row.textContent} ${run.name} ${stateOf(run)}`.toLowerCase();
        return row;
    }

    times(row, run) {
        row.querySelector('.took').textContent = took(run) || stateOf(run);
        row.querySelector('time').textContent = ago(run.created);
    }

    drawNow() {
        for (const id of this.dirty) {
            const run = this.runs.get(id), old = this.rowOf.get(id);
            if (!run) {
                if (old)
                    old.remove();
                this.rowOf.delete(id);
                continue;
            }
            const row = this.row(run);
            this.times(row, run);
            row.hidden = this.text !== '' && !row.words.includes(this.text);
            this.rowOf.set(id, row);
            if (old) {
                const focused = document.activeElement === old;
                old.replaceWith(row);
                if (focused)
                    row.focus();
                continue;
            }
            let at = this.list.firstElementChild;
            const last = this.list.lastElementChild;
            if (last && Number(last.dataset.id) > id)
                at = null;
            while (at && Number(at.dataset.id) > id)
                at = at.nextElementSibling;
            this.list.insertBefore(row, at);
        }
        this.dirty.clear();
        this.tellEmpty();
    }

    tellEmpty() {
        const shown = [...this.rowOf.values()].some(r => !r.hidden);
        this.empty.hidden = shown || !this.told;
        this.empty.textContent = this.runs.size || this.status ? 'No run is like that.'
            : 'There is no run yet. Drop a workflow into the mount: cp ci.yml MOUNT/workflows/';
    }

    tick() {
        for (const [id, run] of this.runs)
            if (this.rowOf.has(id))
                this.times(this.rowOf.get(id), run);
    }

    filterAll() {
        for (const row of this.rowOf.values())
            row.hidden = this.text !== '' && !row.words.includes(this.text);
        this.tellEmpty();
    }

    choose(status) {
        this.status = status;
        sessionStorage.setItem('status', status);
        go('#/');
    }

    async older() {
        if (this.asking || this.more.hidden || !this.told)
            return;
        this.asking = true;
        const query = new URLSearchParams({before: Math.min(...this.oldest()), status: this.status});
        const got = await tryTo('Cannot list older runs', '', () => askJson(`/live/runs?${query}`));
        this.asking = false;
        if (!got)
            return;
        this.complete = got.runs.length < 100;
        this.more.hidden = this.complete;
        for (const run of got.runs) {
            this.runs.set(run.id, run);
            this.dirty.add(run.id);
        }
        this.draw();
    }

    key(e) {
        if (e.key === '/') {
            this.filter.focus();
            return true;
        }
        return moveAmong(e, [...this.list.children].filter(r => !r.hidden));
    }

    close() {
        this.stream.stop();
        this.watcher.disconnect();
        clearInterval(this.clock);
    }
}
