/* Machines, as they come and go. */

class MachinesView {
    constructor() {
        this.table = el('tbody');
        this.empty = el('p.empty', {hidden: true}, 'There is no machine at the moment.');
        this.box = el('div.scroll', {hidden: true}, el('table', null, el('thead', null,
            el('tr', null, ['Machine', 'State', 'Label', 'Backend', 'Boot', 'Age', 'For'].map(t => el('th', {scope: 'col'}, t)))), this.table));
        this.node = el('section.page', null, el('div.bar', null, el('h1', null, 'Machines')), this.box, this.empty);
        this.machines = [];
        this.draw = perFrame(() => this.drawNow());
        this.stream = follow(() => new URLSearchParams({machines: 1}), (event, data) => {
            if (event !== 'machines')
                return;
            this.machines = data;
            this.told = true;
            this.draw();
        });
        this.clock = setInterval(() => this.draw(), 1000);
    }

    title() {
        return 'Machines';
    }

    drawNow() {
        const kinds = {active: 'good', executing: 'busy', initializing: 'wait', paused: 'wait', failed: 'bad'};
        this.box.hidden = !this.machines.length;
        this.empty.hidden = !this.told || this.machines.length > 0;
        const focused = this.table.contains(document.activeElement) && document.activeElement.getAttribute('href');
        fill(this.table, this.machines.map(m => el('tr', null, el('td', null, el('strong', null, m.name)),
            el('td', {title: m.why}, el(`span.sign.${kinds[m.state] || 'dim'}`, {'aria-hidden': 'true'}, '●'), m.state.replace('_', ' ')),
            el('td', null, m.label), el('td', {title: m.image}, m.backend),
            el('td', null, m.boot_us ? duration(m.boot_us / 1000) : ''), el('td', null, duration(serverNow() - m.created)),
            el('td', null, m.run > 0 && el('a', {href: `#/runs/${m.run}/${m.job}`}, `run ${m.run}`)))));
        const again = focused && [...this.table.querySelectorAll('a')].find(a => a.getAttribute('href') === focused);
        if (again)
            again.focus();
    }

    key(e) {
        return moveAmong(e, [...this.table.querySelectorAll('a')]);
    }

    close() {
        this.stream.stop();
        clearInterval(this.clock);
    }
}
