#!/usr/bin/env bash
# mv of a file from elsewhere, and mv over a registered workflow within the mount, start one run each.
. "$(dirname "$0")/lib.sh"

rf_mount
rf_one ci.yml 'echo one'
cp "$T/ci.yml" "$T/move.yml"
mv "$T/move.yml" "$M/workflows/ci.yml"
eq "runs after mv into the mount" 1 "$(rf_runs)"
[ ! -e "$T/move.yml" ] || fail "mv left its source"
rf_one two.yml 'echo two'
cp "$T/two.yml" "$M/workflows/ci.yml.new"
eq "runs after writing a temporary name" 1 "$(rf_runs)"
mv "$M/workflows/ci.yml.new" "$M/workflows/ci.yml"
eq "runs after mv over" 2 "$(rf_runs)"
eq "conclusion" success "$(timeout 30 cat "$M/runs/2/wait")"
has "$M/runs/2/log" two
cmp "$T/two.yml" "$M/workflows/ci.yml"
eq "workflows/" ci.yml "$(ls -A "$M/workflows")"
# a bad one moved over is refused, and the good one stays
echo 'on: [' >"$M/workflows/bad.tmp"
refuses mv "$M/workflows/bad.tmp" "$M/workflows/ci.yml"
cmp "$T/two.yml" "$M/workflows/ci.yml"
eq "runs" 2 "$(rf_runs)"
[ -s "$M/errors/ci.yml" ] || fail "errors/ci.yml says nothing"
