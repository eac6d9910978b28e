/* A directed graph, drawn from left to right: layers by the longest path (edges that close a circle are left out of
 * that), ordered in their layers by where their neighbours stand. */

const NODE_W = 150, NODE_H = 36, GAP_X = 70, GAP_Y = 16;
const svgNs = 'http://www.w3.org/2000/svg';

function svg(tag, attrs, ...children) {
    const node = document.createElementNS(svgNs, tag);
    for (const [name, value] of Object.entries(attrs))
        node.setAttribute(name, String(value));
    node.append(...children.map(c => c instanceof Node ? c : document.createTextNode(String(c))));
    return node;
}

function layersOf(nodes, edges) {
    const out = new Map(nodes.map(n => [n.id, []])), state = new Map(), order = [];
    for (const e of edges)
        if (e.from !== e.to && out.has(e.from) && out.has(e.to))
            out.get(e.from).push(e.to);
    const visit = id => { /* depth first; what leads back to an open node is no forward edge */
        state.set(id, 1);
        out.set(id, out.get(id).filter(to => state.get(to) !== 1 && (state.get(to) === 2 || visit(to))));
        state.set(id, 2);
        order.push(id);
        return true;
    };
    const into = new Map(nodes.map(n => [n.id, 0]));
    for (const e of edges)
        into.set(e.to, (into.get(e.to) || 0) + 1);
    for (const n of [...nodes].sort((a, b) => into.get(a.id) - into.get(b.id)))
        if (!state.has(n.id))
            visit(n.id);
    const rank = new Map(nodes.map(n => [n.id, 0]));
    for (const id of order.reverse())
        for (const to of out.get(id))
            rank.set(to, Math.max(rank.get(to), rank.get(id) + 1));
    const layers = [];
    for (const n of nodes)
        (layers[rank.get(n.id)] ||= []).push(n);
    return layers;
}

function place(nodes, edges) {
    const layers = layersOf(nodes, edges), at = new Map();
    const settle = () => layers.forEach((layer, x) => layer.forEach((n, y) => at.set(n.id, {x, y: y - layer.length / 2})));
    settle();
    for (let round = 0; round < 8; round++) {
        for (const layer of layers) {
            const weight = new Map(layer.map(n => {
                const near = edges.filter(e => e.from !== e.to && (e.from === n.id || e.to === n.id))
                    .map(e => at.get(e.from === n.id ? e.to : e.from)).filter(Boolean);
                return [n.id, near.length ? near.reduce((sum, p) => sum + p.y, 0) / near.length : at.get(n.id).y];
            }));
            layer.sort((a, b) => weight.get(a.id) - weight.get(b.id));
        }
        settle();
    }
    const most = Math.max(...layers.map(l => l.length));
    for (const p of at.values()) {
        p.px = p.x * (NODE_W + GAP_X) + 10;
        p.py = (p.y + most / 2) * (NODE_H + GAP_Y) + 10;
    }
    return {at, width: layers.length * (NODE_W + GAP_X) - GAP_X + 20, height: most * (NODE_H + GAP_Y) + 40};
}

const rateClass = o => {
    const n = o.successes + o.failures, rate = n ? o.successes / n : -1;
    return rate < 0 ? 'unknown' : rate >= 0.98 ? 'good' : rate >= 0.7 ? 'mid' : 'bad';
};

const times = e => e.successes + e.failures + e.unknown;

/* href(node): where it leads to. */
function drawGraph({nodes, edges}, href, current) {
    const {at, width, height} = place(nodes, edges);
    const most = Math.max(1, ...edges.map(times));
    const root = svg('svg', {viewBox: `0 0 ${width} ${height}`, width, height, class: 'graph', role: 'img', 'aria-label': 'Which command follows which'},
        svg('defs', {}, svg('marker', {id: 'arrow', viewBox: '0 0 8 8', refX: 8, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: 'userSpaceOnUse', orient: 'auto'},
            svg('path', {d: 'M0 0L8 4L0 8z', class: 'arrow'}))));
    for (const e of edges) {
        const a = at.get(e.from), b = at.get(e.to);
        if (!a || !b)
            continue;
        const x1 = a.px + NODE_W, y1 = a.py + NODE_H / 2, x2 = b.px, y2 = b.py + NODE_H / 2;
        const d = b.x > a.x ? `M${x1} ${y1}C${x1 + GAP_X / 2} ${y1} ${x2 - GAP_X / 2} ${y2} ${x2} ${y2}`
            : `M${a.px + NODE_W / 2} ${a.py + NODE_H}C${a.px + NODE_W / 2} ${a.py + NODE_H + 40} ${b.px + NODE_W / 2} ${b.py + NODE_H + 40} ${b.px + NODE_W / 2} ${b.py + NODE_H}`;
        root.append(svg('path', {d, class: `edge ${rateClass(e)}`, 'stroke-width': (1 + 3 * times(e) / most).toFixed(1), 'marker-end': 'url(#arrow)'},
            svg('title', {}, `${times(e)} times, ${e.failures} failed`)));
    }
    for (const n of nodes) {
        const p = at.get(n.id), name = n.name.length > 20 ? `${n.name.slice(0, 19)}…` : n.name;
        root.append(svg('a', {href: href(n), class: `node ${rateClass(n)}${n.id === current ? ' current' : ''}`},
            svg('title', {}, n.name), svg('rect', {x: p.px, y: p.py, width: NODE_W, height: NODE_H, rx: 6}),
            svg('text', {x: p.px + 10, y: p.py + 15}, name),
            svg('text', {x: p.px + 10, y: p.py + 29, class: 'small'}, `${n.runs} ${n.runs === 1 ? 'run' : 'runs'}${n.failures ? `, ${n.failures} failed` : ''}`)));
    }
    return root;
}
