/*
 * The log of a job. Lines are kept as they came; only the rows that can be seen are in the document, and they are
 * made anew at most once a frame, so that it costs the same however many come. Every row has the same height.
 */

const ROW = 20, LINES_MAX = 300000, SCAN_AT_ONCE = 20000, LINE_SHOWN = 4000, LINE_KEPT = 20000;
const marks = [['##[group]', 'group'], ['##[endgroup]', 'endgroup'], ['##[error]', 'error'], ['##[warning]', 'warning'],
    ['##[notice]', 'notice'], ['##[debug]', 'debug'], ['##[command]', 'command'], ['[command]', 'command']];

/* Its `if`, and what the parts of that came to, on one line. */
const whyNot = s => (s.why || '').split('\n').filter(part => part && part !== 'skipped').join(' · ');

/* A line: {step, n, text, kind, group, sgr}; its step: {id, index, name, lines, open, ...}. */
class LogView {
    constructor(address) { /* address(step, line): of a line, for links */
        this.address = address;
        this.steps = new Map();
        this.order = [];
        this.rows = [];
        this.count = 0;
        this.following = true;
        this.found = [];
        this.foundAt = -1;
        this.query = '';
        this.spacer = el('div.spacer');
        this.window = el('div.window');
        this.box = el('div.lines', {tabindex: '0', role: 'log', 'aria-label': 'Log'}, this.spacer, this.window);
        this.counter = el('span.counter', {'aria-live': 'polite'});
        this.input = el('input', {type: 'search', placeholder: 'Search the log  ( / )', 'aria-label': 'Search the log',
            oninput: () => this.search(this.input.value), onkeydown: e => this.searchKey(e)});
        this.tailButton = el('button', {type: 'button', title: 'Follow the end (End)', onclick: () => this.toEnd()}, '⤓ follow');
        this.draw = perFrame(() => this.drawNow());
        this.box.addEventListener('scroll', () => {
            this.following = this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - ROW;
            this.draw();
        }, {passive: true});
        this.box.addEventListener('click', e => this.clicked(e));
        this.box.addEventListener('keydown', e => this.key(e));
        this.resizer = new ResizeObserver(() => this.draw());
        this.resizer.observe(this.box);
    }

    /* ----------------------------------------------------------------------------------------- what comes */

    /* The steps of the job, in order; their states may have changed. */
    setSteps(list) {
        this.order = list.map(s => {
            const step = this.steps.get(s.id) || {id: s.id, lines: [], open: true, dropped: 0, group: null, sgr: sgrNone};
            this.steps.set(s.id, Object.assign(step, {index: s.number, state: s}));
            return step;
        });
        this.stale = true;
        this.draw();
    }

    stepOf(id) {
        if (!this.steps.has(id)) {
            const step = {id, lines: [], open: true, dropped: 0, group: null, sgr: sgrNone, index: 0, state: null};
            this.steps.set(id, step);
            this.order.push(step);
        }
        return this.steps.get(id);
    }

    append(id, text, next) {
        const step = this.stepOf(id), parts = text.split('\n');
        step.next = next;
        if (step.partial) {
            const line = step.lines[step.lines.length - 1];
            if (line.text.length < LINE_KEPT)
                this.setText(line, line.text + parts[0]);
            parts.shift();
            step.partial = parts.length === 0;
        }
        if (parts.length && parts[parts.length - 1] === '')
            parts.pop();
        else if (parts.length)
            step.partial = true;
        /* rows only grow where what follows is steps that have said nothing yet */
        const later = this.order.slice(this.order.indexOf(step) + 1);
        this.growing = !this.stale && this.rows.length > 0 && later.every(s => !s.lines.length && !s.dropped);
        const behind = this.growing ? this.rows.splice(this.rows.length - later.length) : [];
        for (const part of parts)
            this.add(step, part);
        for (const row of behind)
            this.rows.push(row);
        if (this.count > LINES_MAX)
            this.forget();
        this.draw();
    }

    passed(id, lines, next) {
        const step = this.stepOf(id);
        step.next = next;
        this.count -= step.lines.length;
        step.dropped += step.lines.length + lines;
        step.lines = [];
        step.partial = false;
        step.group = null;
        this.stale = true;
    }

    setText(line, text) {
        const cr = text.lastIndexOf('\r', text.length - 2);
        line.text = (cr >= 0 ? text.slice(cr + 1) : text).replace(/\r$/, '').slice(0, LINE_KEPT);
        line.plain = undefined;
    }

    add(step, text) {
        const line = {step, n: step.dropped + step.lines.length + 1, group: step.group, sgr: step.sgr};
        this.setText(line, text);
        for (const [mark, kind] of marks)
            if (line.text.startsWith(mark)) {
                line.kind = kind;
                break;
            }
        step.lines.push(line);
        this.count++;
        if (line.text.includes('\x1b'))
            step.sgr = readAnsi(line.text, line.sgr).state;
        if (line.kind === 'group') {
            step.group = {head: line, open: undefined, ended: false, lines: 0};
            line.heads = step.group;
            line.group = null;
        } else if (line.kind === 'endgroup' && step.group) {
            step.group.ended = true;
            step.group = null;
            this.stale = true;
        } else if (step.group) {
            step.group.lines++;
        }
        if (this.query && (!this.scan || this.order.indexOf(step) < this.scan.step) && this.matches(line))
            this.found.push(line);
        if (!this.growing)
            this.stale = true;
        else if (this.isShown(line))
            this.rows.push(line);
    }

    /* The oldest tenth; what is kept goes on with its numbers. */
    forget() {
        let excess = this.count - LINES_MAX * 0.9;
        for (const step of this.order) {
            const n = Math.min(excess, step.lines.length);
            step.lines.splice(0, n);
            step.dropped += n;
            this.count -= n;
            excess -= n;
            if (excess <= 0)
                break;
        }
        this.found = this.found.filter(l => l.n > l.step.dropped);
        if (this.scan)
            this.search(this.query);
        this.stale = true;
    }

    /* What was told so far, for a stream that goes on from there. */
    from() {
        return this.order.filter(s => s.next).map(s => `${s.id}.${s.next}`).join(',');
    }

    /* ---------------------------------------------------------------------------------------- what is seen */

    isOpen(group) {
        return group.open === undefined ? !group.ended : group.open;
    }

    isShown(line) {
        return line.step.open && line.kind !== 'endgroup' && (!line.group || this.isOpen(line.group));
    }

    layOut() {
        this.stale = false;
        this.rows = [];
        for (const step of this.order) {
            this.rows.push(step);
            if (!step.open)
                continue;
            if (step.dropped)
                this.rows.push({note: `${step.dropped} lines are not shown: download the log for all of it`, step});
            for (const line of step.lines)
                if (this.isShown(line))
                    this.rows.push(line);
        }
    }

    drawNow() {
        if (this.stale)
            this.layOut();
        const height = this.rows.length * ROW, box = this.box;
        if (this.height !== height) {
            this.height = height;
            this.spacer.style.height = `${height}px`;
        }
        if (this.following)
            box.scrollTop = height;
        const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 8);
        const last = Math.min(this.rows.length, first + Math.ceil(box.clientHeight / ROW) + 16);
        const shown = [];
        for (let i = first; i < last; i++)
            shown.push(this.row(this.rows[i]));
        this.window.style.transform = `translateY(${first * ROW}px)`;
        this.first = first;
        fill(this.window, shown);
        this.tailButton.classList.toggle('on', this.following);
        this.counter.textContent = !this.query ? '' : this.found.length
            ? `${this.foundAt < 0 ? '' : `${this.foundAt + 1} of `}${this.found.length}` : 'none';
        if (this.drawn)
            this.drawn();
    }

    row(o) {
        if (o.note)
            return el('div.row.note', null, o.note);
        if (!o.step)
            return this.stepRow(o);
        const {step} = o, text = el('span.text');
        const row = el('div.row', null,
            el('a.n', {href: this.address(step.index, o.n), tabindex: '-1', 'aria-label': `line ${o.n}`}, o.n), text);
        if (o.kind)
            row.classList.add(o.kind);
        if (o.group)
            row.classList.add('inner');
        if (o === this.target)
            row.classList.add('target');
        if (o === this.found[this.foundAt])
            row.classList.add('current');
        let shown = o.text;
        if (o.heads) {
            text.append(el('button.fold', {type: 'button', tabindex: '-1', 'aria-expanded': String(this.isOpen(o.heads))}, this.isOpen(o.heads) ? '▾' : '▸'));
            shown = shown.slice(9);
        } else if (o.kind) {
            shown = shown.slice(shown.indexOf(']') + 1);
        }
        this.paint(text, shown, o.sgr);
        if (o.heads && !this.isOpen(o.heads))
            text.append(el('span.dim', null, `  ${o.heads.lines} lines`));
        return row;
    }

    stepRow(step) {
        const s = step.state || {name: 'step', status: 'in_progress'};
        return el('div.row.step', {'data-step': step.id}, el('button.fold', {type: 'button', tabindex: '-1', 'aria-expanded': String(step.open)}, step.open ? '▾' : '▸'),
            sign(s), el('span.name', null, s.name), el('span.dim', {title: s.why}, s.conclusion === 'skipped' ? whyNot(s) : took(s)));
    }

    /* The line in its colours, with what is searched for marked. */
    paint(node, line, sgr) {
        const long = line.length > LINE_SHOWN;
        const {pieces} = readAnsi(long ? line.slice(0, LINE_SHOWN) : line, sgr);
        const at = this.query ? this.ranges(pieces.map(p => p.text).join('')) : [];
        let offset = 0, k = 0;
        for (const {text, state} of pieces) {
            let from = 0;
            const put = (to, marked) => {
                if (to <= from)
                    return;
                const part = el(marked ? 'mark' : 'span', null, text.slice(from, to));
                stylePiece(part, state);
                node.append(part);
                from = to;
            };
            for (; k < at.length && at[k][0] < offset + text.length; k++) {
                put(Math.max(0, at[k][0] - offset), false);
                put(Math.min(text.length, at[k][1] - offset), true);
                if (at[k][1] > offset + text.length)
                    break;
            }
            put(text.length, false);
            offset += text.length;
        }
        if (long)
            node.append(el('span.dim', null, ` … ${line.length - LINE_SHOWN}${line.length >= LINE_KEPT ? ' or more' : ''} further characters`));
    }

    /* ---------------------------------------------------------------------------------------------- search */

    search(query) {
        this.query = query.toLowerCase();
        this.found = [];
        this.foundAt = -1;
        clearTimeout(this.scanTimer);
        this.scan = this.query ? {step: 0, line: 0} : null;
        this.scanOn();
    }

    /* Some thousand lines at a time; what is added meanwhile is reached as well. */
    scanOn() {
        const {scan} = this;
        for (let left = SCAN_AT_ONCE; scan && scan.step < this.order.length && left > 0; scan.step++, scan.line = 0) {
            const {lines} = this.order[scan.step];
            for (; scan.line < lines.length && left > 0; scan.line++, left--)
                if (this.matches(lines[scan.line]))
                    this.found.push(lines[scan.line]);
            if (scan.line < lines.length)
                break;
        }
        if (scan && scan.step < this.order.length)
            this.scanTimer = setTimeout(() => this.scanOn());
        else
            this.scan = null;
        this.draw();
    }

    matches(line) {
        if (line.plain === undefined)
            line.plain = plainText(line.text).toLowerCase();
        return line.kind !== 'endgroup' && line.plain.includes(this.query);
    }

    ranges(text) {
        const found = [], lower = text.toLowerCase();
        for (let i = lower.indexOf(this.query); i >= 0; i = lower.indexOf(this.query, i + this.query.length))
            found.push([i, i + this.query.length]);
        return found;
    }

    go(by) {
        if (!this.found.length)
            return;
        this.foundAt = this.foundAt < 0 ? (by > 0 ? 0 : this.found.length - 1)
            : (this.foundAt + by + this.found.length) % this.found.length;
        this.show(this.found[this.foundAt]);
    }

    searchKey(e) {
        if (e.key === 'Enter')
            this.go(e.shiftKey ? -1 : 1);
        else if (e.key === 'Escape') {
            this.input.value = '';
            this.search('');
            this.box.focus();
        } else
            return;
        e.preventDefault();
        e.stopPropagation();
    }

    /* ------------------------------------------------------------------------------------------------ moving */

    /* Unfolds what hides the line, and brings it into view. */
    show(line) {
        line.step.open = true;
        if (line.group)
            line.group.open = true;
        this.layOut();
        this.following = false;
        this.spacer.style.height = `${this.rows.length * ROW}px`;
        this.box.scrollTop = Math.max(0, this.rows.indexOf(line) * ROW - this.box.clientHeight / 3);
        this.draw();
    }

    /* By the number of its step and its own. False: it is not there (yet). */
    goTo(index, n) {
        const step = this.order.find(s => s.index === index), line = step && step.lines[n - 1 - step.dropped];
        if (!line)
            return false;
        this.target = line;
        this.show(line);
        return true;
    }

    toEnd() {
        this.following = true;
        this.draw();
    }

    foldAll() {
        const open = !this.order.some(s => s.open && s.lines.length);
        for (const s of this.order)
            s.open = open;
        this.stale = true;
        this.draw();
    }

    clicked(e) {
        const row = e.target.closest('.row');
        if (!row || e.target.closest('a') || String(getSelection()))
            return;
        const o = this.rows[this.first + [...this.window.children].indexOf(row)];
        if (!o || o.note)
            return;
        if (!o.step)
            o.open = !o.open;
        else if (o.heads)
            o.heads.open = !this.isOpen(o.heads);
        else
            return;
        this.stale = true;
        this.following = false;
        this.draw();
    }

    key(e) {
        if (e.key === 'End')
            this.toEnd();
        else if (e.key === 'Home') {
            this.following = false;
            this.box.scrollTop = 0;
        } else
            return;
        e.preventDefault();
    }

    close() {
        this.resizer.disconnect();
    }
}
