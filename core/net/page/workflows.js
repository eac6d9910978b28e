/* Workflows, and the form that starts one. */

class WorkflowsView {
    constructor() {
        this.list = el('div.cards');
        this.form = el('div');
        this.node = el('section.page', null, el('div.bar', null, el('h1', null, 'Workflows')), this.form, this.list);
        this.workflows = null;
        this.stream = follow(() => new URLSearchParams({workflows: 1}), event => {
            if (event === 'workflows')
                this.load();
        });
        this.onScope = () => this.draw();
        addEventListener('scope', this.onScope);
    }

    title() {
        return 'Workflows';
    }

    go(id) {
        this.id = id;
        this.formOf = undefined;
        this.draw();
    }

    async load() {
        const got = await tryTo('Cannot list workflows', '', () => askJson('/live/workflows'));
        if (!got)
            return;
        this.workflows = got.workflows;
        this.draw();
    }

    draw() {
        if (!this.workflows)
            return;
        fill(this.list, this.workflows.map(w => el('div.card', null,
            el('div.grow', null, el('strong', null, w.title), el('div.meta', null, [w.name, w.disabled && 'disabled'].filter(Boolean).join(' · '))),
            w.last_run > 0 && el('a', {href: `#/runs/${w.last_run}`}, `run ${w.last_run}`),
            may('admin') && el('button', {type: 'button', onclick: () => this.able(w)}, w.disabled ? 'Enable' : 'Disable'),
            may('run') && w.inputs && !w.disabled && el('a.button', {href: `#/workflows/${w.id}`}, 'Run …'))),
        !this.workflows.length && el('p.empty', null, 'There is no workflow yet. Drop one into the mount: cp ci.yml MOUNT/workflows/'));
        const w = this.workflows.find(x => x.id === this.id), key = w && may('run') ? JSON.stringify([w.id, w.inputs, w.branch]) : '';
        if (key === this.formOf)
            return; /* what was typed stays */
        this.formOf = key;
        fill(this.form, key && w.inputs ? this.dispatchForm(w) : null);
        const first = this.form.querySelector('input, select');
        if (first)
            first.focus();
    }

    async able(w) {
        await tryTo('Cannot change it', w.disabled ? 'It can be started again.' : 'Nothing starts it but a drop.',
            () => ask(`/workflows/${w.id}/${w.disabled ? 'enable' : 'disable'}`, {method: 'PUT', body: {}}));
        this.load();
    }

    field(input) {
        const id = `input-${input.name}`, attrs = {id, name: input.name, required: input.required && input.type !== 'boolean'};
        if (input.type === 'boolean')
            return [el('input', {...attrs, type: 'checkbox', checked: input.default === 'true'}), id];
        if (input.type === 'choice')
            return [el('select', attrs, input.options.map(o => el('option', {value: o, selected: o === input.default}, o))), id];
        return [el('input', {...attrs, type: input.type === 'number' ? 'number' : 'text', step: input.type === 'number' ? 'any' : null,
            value: input.default, autocomplete: 'off'}), id];
    }

    dispatchForm(w) {
        const ref = el('input', {id: 'dispatch-ref', type: 'text', value: w.branch, required: true});
        const fields = w.inputs.map(i => [i, ...this.field(i)]);
        return el('form.dispatch', {onsubmit: e => {
            e.preventDefault();
            this.start(w, ref.value, fields);
        }}, el('h2', null, `Run ${w.title}`),
        w.linked && [el('label', {for: 'dispatch-ref'}, 'Branch or tag'), ref],
        fields.map(([i, node, id]) => el(`div.field.${i.type}`, null,
            el('label', {for: id}, i.name, i.required && el('span.bad', {title: 'required'}, ' *')), node,
            i.description && el('p.dim', null, i.description))),
        el('div.actions', null, el('button.primary', {type: 'submit'}, 'Run'), el('a.button', {href: '#/workflows'}, 'Back')));
    }

    async start(w, ref, fields) {
        const inputs = {};
        for (const [i, node] of fields) {
            const value = i.type === 'boolean' ? String(node.checked) : node.value;
            if (value !== '' || i.required)
                inputs[i.name] = value;
        }
        const got = await tryTo('It was not started', '', () => askJson(`/workflows/${w.id}/dispatches`,
            {method: 'POST', body: {ref, inputs, return_run_details: true}}));
        if (got)
            go(`#/runs/${got.workflow_run_id}`);
    }

    key(e) {
        if (e.key === 'Escape' || e.key === 'u') {
            go(this.id ? '#/workflows' : '#/');
            return true;
        }
        return moveAmong(e, [...this.list.querySelectorAll('a, button')]);
    }

    close() {
        this.stream.stop();
        removeEventListener('scope', this.onScope);
    }
}
