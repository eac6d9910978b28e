#!/usr/bin/env bash
# { a; b; } > workflows/f.yml: several programs write one open file; one run, when the last one closes it.
. "$(dirname "$0")/lib.sh"

rf_mount
{
    echo 'on: push'
    printf 'jobs:\n  build:\n    runs-on: ubuntu-latest\n'
    cat <<'Y'
    steps:
      - run: echo grouped
Y
} >"$M/workflows/g.yml"
eq "runs" 1 "$(rf_runs)"
eq "conclusion" success "$(timeout 30 cat "$M/runs/1/wait")"
has "$M/runs/1/log" grouped
# nothing came of the programs before the last one, and nothing does when the file is only read
cat "$M/workflows/g.yml" >"$T/copy"
eq "runs" 1 "$(rf_runs)"
[ ! -e "$M/errors/g.yml" ] || fail "errors/g.yml: $(cat "$M/errors/g.yml")"
