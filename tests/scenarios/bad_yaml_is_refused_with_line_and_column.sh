#!/usr/bin/env bash
# A workflow in error is refused by close; errors/ has line and column; nothing runs; the good version stays.
. "$(dirname "$0")/lib.sh"

rf_mount
rf_one ci.yml 'echo good'
rf_drop ci.yml "$T/ci.yml"
rf_file bad.yml <<'Y'
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: echo hi
        colour: red
Y
refuses cp "$T/bad.yml" "$M/workflows/ci.yml"
has "$T/err" 'Invalid argument'
is "$M/errors/ci.yml" "ci.yml (Line: 7, Col: 9): Unexpected value 'colour'"
eq "runs" 1 "$(rf_runs)"
cmp "$T/ci.yml" "$M/workflows/ci.yml"
# what does not even parse
printf 'on: push\njobs:\n  a: [1, 2\n' >"$T/broken.yml"
refuses cp "$T/broken.yml" "$M/workflows/new.yml"
grep -q '^new.yml.*Line: [0-9]*, Col: [0-9]*' "$M/errors/new.yml" || fail "errors/new.yml: $(cat "$M/errors/new.yml")"
[ ! -e "$M/workflows/new.yml" ] || fail "a refused file was registered"
eq "runs" 1 "$(rf_runs)"
# the error number comes from close(2)
exits 22 "$PYTHON" - "$M/workflows/new.yml" "$T/broken.yml" <<'P'
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
os.write(fd, open(sys.argv[2], "rb").read())
try:
    os.close(fd)
except OSError as e:
    sys.exit(e.errno)
P
# every complaint, in order, as lint words them
rf_file many.yml <<'Y'
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    needs: nobody
    steps:
      - run: echo ${{ nosuch.thing }}
      - name: nothing to do
Y
refuses cp "$T/many.yml" "$M/workflows/many.yml"
(cd "$T" && "$RUNFS" lint many.yml >"$T/lint") && fail "lint accepts it"
eq "errors/many.yml" "$(cat "$T/lint")" "$(cat "$M/errors/many.yml")"
[ "$(wc -l <"$T/lint")" -ge 2 ] || fail "only one complaint: $(cat "$T/lint")"
# corrected, the error is gone
cp "$T/ci.yml" "$M/workflows/new.yml"
[ ! -e "$M/errors/new.yml" ] || fail "errors/new.yml stays"
cp "$T/ci.yml" "$M/workflows/ci.yml"
[ ! -e "$M/errors/ci.yml" ] || fail "errors/ci.yml stays"
