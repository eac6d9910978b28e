/* One run: its jobs, and beside them a summary (pictures, annotations, artifacts) or the log of a job. */

const PICTURES_MS = 5000;

class RunView {
    constructor(id) {
        this.id = id;
        this.jobs = new Map();
        this.annotations = [];
        this.artifacts = [];
        this.head = el('div.head');
        this.side = el('nav.jobs', {'aria-label': 'Jobs'});
        this.body = el('div.body');
        this.node = el('section.page.runpage', null, this.head, el('div.split', null, this.side, this.body));
        this.draw = perFrame(() => this.drawNow());
        this.clock = setInterval(() => this.draw(), 1000);
        this.onScope = () => this.draw();
        addEventListener('scope', this.onScope);
    }

    title() {
        return this.run ? `${stateOf(this.run)} · ${this.run.title || this.run.name} #${this.id}` : `#${this.id}`;
    }

    /* place: {job, step, line}; job undefined: the summary. */
    go(place) {
        const other = !this.stream || place.job !== this.jobId;
        this.target = place.line ? place : null;
        if (!other) {
            this.seekTarget();
            return;
        }
        this.jobId = place.job;
        if (this.log)
            this.log.close();
        this.log = this.jobId ? new LogView((step, line) => `#/runs/${this.id}/${this.jobId}/${step}/${line}`) : null;
        this.logDecided = false;
        this.bodyIsNew = true;
        this.begin();
        this.draw();
    }

    begin() {
        if (this.stream)
            this.stream.stop();
        this.stream = follow(() => {
            const query = new URLSearchParams({run: this.id});
            if (this.jobId) {
                query.set('job', this.jobId);
                query.set('from', this.log.from());
            }
            return query;
        }, (event, data) => this.take(event, data));
    }

    take(event, data) {
        if (event === 'run') {
            if (this.run && data.attempt !== this.run.attempt)
                for (const id of this.jobs.keys())
                    if (id !== this.jobId)
                        this.jobs.delete(id);
            if (data.status === 'completed' && this.run && this.run.status !== 'completed')
                this.picturesOld = true;
            this.run = data;
        } else if (event === 'job') {
            this.jobs.set(data.id, data);
            this.picturesOld = true;
            if (data.id === this.jobId)
                this.takeJob(data);
        } else if (event === 'annotations') {
            this.annotations = data;
        } else if (event === 'artifacts') {
            this.artifacts = data;
        } else if (event === 'gone') {
            this.gone = true;
        } else if (event === 'log' && this.log) {
            this.log.append(data.step, data.text, data.next);
            this.seekTarget();
            return;
        } else if (event === 'passed' && this.log) {
            this.log.passed(data.step, data.lines, data.next);
            return;
        }
        this.draw();
    }

    takeJob(job) {
        this.log.setSteps(job.steps);
        if (!this.logDecided)
            this.log.following = job.status !== 'completed' && !this.target;
        this.logDecided = true;
    }

    seekTarget() {
        if (this.target && this.log && this.log.goTo(this.target.step, this.target.line))
            this.target = null;
    }

    /* ---------------------------------------------------------------------------------------------- drawing */

    drawNow() {
        if (this.gone) {
            fill(this.node, el('p.empty', null, `There is no run ${this.id}.`));
            return;
        }
        if (!this.run)
            return;
        document.title = `${this.title()} · runfs`;
        this.node.classList.toggle('injob', Boolean(this.jobId));
        this.drawHead();
        this.drawSide();
        if (this.jobId)
            this.drawLog();
        else
            this.drawSummary();
    }

    button(what, done, scope, fn) {
        return may(scope) && el('button', {type: 'button', onclick: async e => {
            e.target.disabled = true;
            await tryTo(`Cannot ${what.toLowerCase()}`, done, fn);
            e.target.disabled = false;
        }}, what);
    }

    drawHead() {
        const run = this.run, ended = run.status === 'completed';
        const parts = JSON.stringify([run, wire.scope]);
        if (this.headOf === parts && ended)
            return;
        if (this.headOf === parts && this.tookNode) {
            this.tookNode.textContent = took(run);
            return;
        }
        this.headOf = parts;
        this.tookNode = el('span.took', null, took(run));
        const post = (path, body) => () => ask(`/runs/${run.id}/${path}`, {method: 'POST', body: body || {}});
        const actions = ended
            ? [this.button('Rerun', 'A new attempt begins.', 'run', post('rerun')),
                run.conclusion !== 'success' && this.button('Rerun failed jobs', 'A new attempt begins.', 'run', post('rerun-failed-jobs')),
                this.button('Rerun with debug log', 'A new attempt begins.', 'run', post('rerun', {enable_debug_logging: true})),
                may('admin') && el('button.danger', {type: 'button', onclick: () => this.remove()}, 'Delete')]
            : [this.button('Cancel', 'It is being cancelled.', 'run', post('cancel')),
                this.button('Force cancel', 'It is ended at once.', 'run', post('force-cancel'))];
        fill(this.head,
            el('div.titles', null, sign(run), el('h1', null, run.title || run.name), el('span.number', null, `#${run.id}`), this.tookNode),
            el('p.meta', null, [stateOf(run).replace('_', ' '), run.workflow, run.event, shortRef(run.ref), shortSha(run.sha), run.actor, run.repository,
                run.attempt > 1 && `attempt ${run.attempt}`, ended && run.exit_code > 0 && `exit code ${run.exit_code}`].filter(Boolean).join(' · ')),
            run.why && el('p.why', null, run.why), el('div.actions', null, actions));
    }

    async remove() {
        if (!confirm(`Delete run ${this.id} with its logs and artifacts?`))
            return;
        if (await tryTo('Cannot delete', 'Deleted.', () => ask(`/runs/${this.id}`, {method: 'DELETE'})))
            go('#/');
    }

    drawSide() {
        const jobs = [...this.jobs.values()].filter(j => !this.isFormer(j) || j.id === this.jobId).sort((a, b) => a.id - b.id);
        const first = new Map(); /* combinations of a matrix stand together */
        const group = j => `${j.attempt} ${j.caller} ${j.job_id}`;
        jobs.forEach(j => first.has(group(j)) || first.set(group(j), j.id));
        jobs.sort((a, b) => first.get(group(a)) - first.get(group(b)) || a.id - b.id);
        const parts = JSON.stringify([this.jobId, this.run.attempt, jobs.map(j => [j.id, j.name, stateOf(j), took(j)])]);
        if (this.sideOf === parts)
            return;
        this.sideOf = parts;
        const focused = document.activeElement && this.side.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
        fill(this.side,
            el('a.job', {href: `#/runs/${this.id}`, 'aria-current': this.jobId ? null : 'page'}, 'Summary'),
            jobs.map(j => el('a.job', {href: `#/runs/${this.id}/${j.id}`, 'aria-current': j.id === this.jobId ? 'page' : null},
                sign(j), el('span.name', null, this.nameOf(j)), el('span.took', null, took(j)))));
        const again = focused && [...this.side.children].find(a => a.getAttribute('href') === focused);
        if (again)
            again.focus();
        const here = this.side.querySelector('[aria-current]');
        if (here && (here.offsetLeft + here.offsetWidth > this.side.scrollLeft + this.side.clientWidth || here.offsetLeft < this.side.scrollLeft))
            this.side.scrollLeft = here.offsetLeft - this.side.offsetLeft; /* side by side, on a phone */
    }

    /* Of an attempt that another one followed. */
    isFormer(job) {
        return job.attempt !== this.run.attempt;
    }

    nameOf(job) {
        return this.isFormer(job) ? `${job.name} (attempt ${job.attempt})` : job.name;
    }

    drawLog() {
        const job = this.jobs.get(this.jobId);
        if (!job)
            return;
        const parts = JSON.stringify([this.isFormer(job), job.status, job.conclusion, job.why, job.environment, job.url, wire.scope, this.annotations]);
        if (!this.bodyIsNew && this.logOf === parts) {
            this.jobTook.textContent = took(job);
            return;
        }
        this.logOf = parts;
        this.jobTook = el('span.took', null, took(job));
        const outside = /^https?:\/\//i.test(job.url) && {href: job.url, target: '_blank', rel: 'noopener noreferrer'};
        const bar = el('div.bar', null, sign(job), el('h2', null, this.nameOf(job)),
            job.environment && (outside ? el('a', outside, job.environment) : el('span.dim', null, job.environment)), this.jobTook,
            el('span.search', null, this.log.input, this.log.counter,
                el('button', {type: 'button', title: 'Match before (Shift+Enter)', 'aria-label': 'Match before', onclick: () => this.log.go(-1)}, '↑'),
                el('button', {type: 'button', title: 'Next match (Enter)', 'aria-label': 'Next match', onclick: () => this.log.go(1)}, '↓')),
            this.log.tailButton,
            el('button', {type: 'button', title: 'Fold or unfold all steps ( f )', onclick: () => this.log.foldAll()}, '⊟ fold'),
            el('button', {type: 'button', onclick: () => download(`/jobs/${job.id}/logs`, `${job.key}${this.isFormer(job) ? `-${job.attempt}` : ''}.log`)}, '⇩ log'),
            job.status === 'completed' && this.run.status === 'completed' && !this.isFormer(job) &&
                this.button('Rerun job', 'A new attempt begins.', 'run', () => ask(`/jobs/${job.id}/rerun`, {method: 'POST', body: {}})));
        const why = job.why && (!job.started || job.conclusion === 'cancelled') && el('p.why', null, job.why);
        const typing = document.activeElement === this.log.input;
        if (this.bodyIsNew) {
            fill(this.body, el('div.jobhead', null, bar, why), el('div.notes'), this.log.box);
            this.bodyIsNew = false;
        } else {
            fill(this.body.firstElementChild, bar, why);
        }
        fill(this.body.children[1], this.notes(this.annotations.filter(a => a.job === job.id)));
        if (typing)
            this.log.input.focus();
        this.log.draw();
    }

    notes(list) {
        return list.map(a => {
            const job = this.jobs.get(a.job), place = a.file && `${a.file}${a.line ? `:${a.line}` : ''}`;
            return el(`div.note.${['error', 'warning'].includes(a.level) ? a.level : 'notice'}`, null,
                el('strong', null, a.title || a.level), place && el('code', null, place), el('span.text', null, a.message),
                !this.jobId && job && el('a', {href: `#/runs/${this.id}/${a.job}`}, job.name));
        });
    }

    drawSummary() {
        if (this.bodyIsNew) {
            this.pictures = ['graph', 'timeline'].map(name => ({name, img: el('img', {alt: name === 'graph' ? 'What needs what' : 'Jobs and steps over time'})}));
            for (const p of this.pictures)
                p.over = el('div.over', null, p.img);
            fill(this.body, this.pictures.map(p => el('figure', null, el('figcaption', null, p.name === 'graph' ? 'Jobs' : 'Time'), p.over)),
                el('div.notes'), el('div.artifacts'), el('div.summaries'), el('div.attempts'));
            this.bodyIsNew = false;
            this.picturesOld = true;
            this.notesOf = '';
        }
        if (this.run.status !== 'completed' && Date.now() - this.drawnAt > PICTURES_MS)
            this.picturesOld = true; /* time goes on in them, too */
        if (this.picturesOld && !this.drawing) {
            this.drawPictures();
            this.drawMore();
        }
        const parts = JSON.stringify([this.annotations, this.artifacts, [...this.jobs.keys()]]);
        if (this.notesOf === parts)
            return;
        this.notesOf = parts;
        fill(this.body.children[2], this.annotations.length > 0 && el('h2', null, 'Annotations'), this.notes(this.annotations));
        fill(this.body.children[3], this.artifacts.length > 0 && el('h2', null, 'Artifacts'),
            this.artifacts.map(a => el('div.artifact', null,
                el('button', {type: 'button', onclick: () => download(`/artifacts/${a.id}/zip`, `${a.name}.zip`)}, `⇩ ${a.name}`),
                el('span.dim', null, `${bytes(a.size)}, ${a.files} ${a.files === 1 ? 'file' : 'files'}`))));
    }

    /* Summaries of steps, and former attempts with the logs of their jobs. */
    async drawMore() {
        let more;
        try {
            more = await (await ask(`/live/runs/${this.id}`)).json();
        } catch {
            return; /* it is asked for again when something changes */
        }
        const parts = JSON.stringify(more);
        if (this.closed || this.jobId || (this.moreOf === parts && this.body.children[4].hasChildNodes()))
            return;
        this.moreOf = parts;
        const name = id => this.jobs.get(id) ? this.jobs.get(id).name : '';
        fill(this.body.children[4], more.summaries.length > 0 && el('h2', null, 'Summaries'), more.summaries.map(s => el('div.summary', null,
            el('p.dim', null, [name(s.job), s.step].filter(Boolean).join(' · ')), el('pre', null, s.text + (s.cut ? '\n…' : '')))));
        fill(this.body.children[5], more.attempts.length > 0 && el('h2', null, 'Former attempts'), more.attempts.slice().reverse().map(a => el('div.attempt', null,
            sign(a), el('strong', null, `Attempt ${a.attempt}`), el('span.dim', null, `${stateOf(a)}, ${took(a)}`),
            a.jobs.map(j => el('a.button', {href: `#/runs/${this.id}/${j.id}`, title: `The log of ${j.name}`}, sign(j), ` ${j.name}`)))));
    }

    /* Links over the boxes of jobs, whose places the picture says. */
    drawLinks(p, svg) {
        const size = svg.match(/viewBox="0 0 (\d+) (\d+)"/), boxes = /<g id="job-(\d+)"><title>([^<]*)<\/title><rect class="box" x="([\d.]+)" y="([\d.]+)" width="(\d+)" height="(\d+)"/g;
        const links = size ? [...svg.matchAll(boxes)].map(([, id, , x, y, width, height]) => {
            const a = el('a.box', {href: `#/runs/${this.id}/${id}`, 'aria-label': this.jobs.get(Number(id)) ? this.jobs.get(Number(id)).name : 'Job'});
            Object.assign(a.style, {left: `${100 * x / size[1]}%`, top: `${100 * y / size[2]}%`, width: `${100 * width / size[1]}%`, height: `${100 * height / size[2]}%`});
            return a;
        }) : [];
        fill(p.over, p.img, links);
    }

    /* As images: what is in them can do nothing. At most once a second. */
    async drawPictures() {
        this.drawing = true;
        this.drawnAt = Date.now();
        this.picturesOld = false;
        for (const p of this.pictures) {
            try {
                const svg = await (await ask(`/runs/${this.id}/${p.name}.svg`)).blob(), before = p.img.src;
                p.img.src = URL.createObjectURL(svg);
                if (p.name === 'graph')
                    this.drawLinks(p, await svg.text());
                if (before)
                    URL.revokeObjectURL(before);
            } catch { /* it is asked for again when something changes */ }
        }
        setTimeout(() => {
            this.drawing = false;
            if (this.picturesOld && !this.closed)
                this.draw();
        }, 1000);
    }

    key(e) {
        if (e.key === '/' && this.log) {
            this.log.input.focus();
            return true;
        }
        if (this.log && (e.key === 'n' || e.key === 'N')) {
            this.log.go(e.key === 'n' ? 1 : -1);
            return true;
        }
        if (this.log && e.key === 'f') {
            this.log.foldAll();
            return true;
        }
        if (e.key === 'Escape' || e.key === 'u') {
            go(this.jobId ? `#/runs/${this.id}` : '#/');
            return true;
        }
        return moveAmong(e, [...this.side.children]);
    }

    close() {
        this.closed = true;
        this.stream.stop();
        if (this.log)
            this.log.close();
        clearInterval(this.clock);
        removeEventListener('scope', this.onScope);
    }
}
