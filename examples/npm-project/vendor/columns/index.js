'use strict';

/** The rows as lines, each cell as wide as the widest of its column. */
function columns(rows) {
  const widths = [];
  for (const row of rows)
    row.forEach((cell, i) => { widths[i] = Math.max(widths[i] || 0, String(cell).length); });
  return rows.map(row => row.map((cell, i) => String(cell).padEnd(widths[i])).join('  ').trimEnd());
}

module.exports = columns;
