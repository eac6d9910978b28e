/* Colours of terminals (ECMA-48, SGR). A line becomes pieces of text with classes; the state goes on in the next
 * line. Other control sequences are left out; nothing in a line can do more than look different. */

const sgrNone = Object.freeze({fg: '', bg: '', flags: ''});

function sgrColour(codes, i) { /* after 38 or 48: [what it is, how many codes it took] */
    if (codes[i + 1] === 5 && codes[i + 2] >= 0 && codes[i + 2] < 256)
        return [codes[i + 2] < 16 ? String(codes[i + 2]) : palette(codes[i + 2]), 2];
    if (codes[i + 1] === 2 && codes.slice(i + 2, i + 5).every(c => c >= 0 && c < 256) && codes.length >= i + 5)
        return [`#${codes.slice(i + 2, i + 5).map(c => c.toString(16).padStart(2, '0')).join('')}`, 4];
    return ['', codes.length];
}

function palette(n) {
    if (n >= 232)
        return `#${(8 + (n - 232) * 10).toString(16).padStart(2, '0').repeat(3)}`;
    const part = x => (x ? 55 + x * 40 : 0).toString(16).padStart(2, '0');
    n -= 16;
    return `#${part(Math.floor(n / 36))}${part(Math.floor(n / 6) % 6)}${part(n % 6)}`;
}

const flagOn = {1: 'b', 2: 'd', 3: 'i', 4: 'u', 7: 'r', 9: 's'}, flagOff = {22: 'bd', 23: 'i', 24: 'u', 27: 'r', 29: 's'};

function sgrApply(state, parameters) {
    const codes = parameters === '' ? [0] : parameters.split(/[;:]/).map(p => p === '' ? 0 : Number(p));
    let {fg, bg, flags} = state;
    for (let i = 0; i < codes.length; i++) {
        const c = codes[i];
        if (c === 0)
            fg = bg = flags = '';
        else if (flagOn[c])
            flags = flags.includes(flagOn[c]) ? flags : flags + flagOn[c];
        else if (flagOff[c])
            flags = [...flags].filter(f => !flagOff[c].includes(f)).join('');
        else if (c >= 30 && c <= 37)
            fg = String(c - 30);
        else if (c >= 90 && c <= 97)
            fg = String(c - 82);
        else if (c >= 40 && c <= 47)
            bg = String(c - 40);
        else if (c >= 100 && c <= 107)
            bg = String(c - 92);
        else if (c === 39)
            fg = '';
        else if (c === 49)
            bg = '';
        else if (c === 38 || c === 48) {
            const [colour, used] = sgrColour(codes, i);
            if (c === 38)
                fg = colour;
            else
                bg = colour;
            i += used;
        }
    }
    return fg || bg || flags ? {fg, bg, flags} : sgrNone;
}

/* CSI sequences, OSC strings (links, titles), other escapes, and control characters but for the tab. */
const controls = /\x1b\[([0-9;:<=>?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f]/g;

/* {pieces: [{text, state}], state}: the line without controls, and the state behind it. */
function readAnsi(line, state) {
    const pieces = [];
    let from = 0;
    const add = to => {
        if (to > from)
            pieces.push({text: line.slice(from, to), state});
    };
    for (const m of line.matchAll(controls)) {
        add(m.index);
        from = m.index + m[0].length;
        if (m[2] === 'm')
            state = sgrApply(state, m[1]);
    }
    add(line.length);
    return {pieces, state};
}

const hasControls = line => /[\x00-\x08\x0a-\x1f\x7f]/.test(line);
const plainText = line => hasControls(line) ? line.replace(controls, '') : line;

function stylePiece(node, state) {
    let {fg, bg} = state;
    if (state === sgrNone)
        return;
    if (state.flags.includes('r'))
        [fg, bg] = [bg || 'bg', fg || 'fg'];
    for (const f of state.flags)
        if (f !== 'r')
            node.classList.add(`sgr-${f}`);
    if (fg.startsWith('#'))
        node.style.color = fg;
    else if (fg)
        node.classList.add(`fg-${fg}`);
    if (bg.startsWith('#'))
        node.style.backgroundColor = bg;
    else if (bg)
        node.classList.add(`bg-${bg}`);
}
