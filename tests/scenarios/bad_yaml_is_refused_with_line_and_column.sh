# A workflow in error is refused by close; errors/ has line and column; nothing runs; the good version stays.
. "$(dirname "$0")/lib.sh"

rf_mount
workflow "$T/ci.yml" 'echo good'
n=$(rf_drop "$T/ci.yml")
cat >"$T/bad.yml" <<'Y'
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: echo hi
        colour: red
Y
refused cp "$T/bad.yml" "$M/workflows/ci.yml"
file_has "$T/err" 'Invalid argument'
file_is "$M/errors/ci.yml" "ci.yml (Line: 7, Col: 9): Unexpected value 'colour'"
equal "runs" 1 "$(runs)"
cmp "$T/ci.yml" "$M/workflows/ci.yml"
# what does not even parse
printf 'on: push\njobs:\n  a: [1, 2\n' >"$T/broken.yml"
refused cp "$T/broken.yml" "$M/workflows/new.yml"
grep -q '^new.yml.*Line: [0-9]*, Col: [0-9]*' "$M/errors/new.yml" || fail "errors/new.yml: $(cat "$M/errors/new.yml")"
[ ! -e "$M/workflows/new.yml" ] || fail "a refused file was registered"
equal "runs" 1 "$(runs)"
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
cat >"$T/many.yml" <<'Y'
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    needs: nobody
    steps:
      - run: echo ${{ nosuch.thing }}
      - name: nothing to do
Y
refused cp "$T/many.yml" "$M/workflows/many.yml"
(cd "$T" && "$RUNFS" lint many.yml >"$T/lint") && fail "lint accepts it"
equal "errors/many.yml" "$(cat "$T/lint")" "$(cat "$M/errors/many.yml")"
[ "$(wc -l <"$T/lint")" -ge 2 ] || fail "only one complaint: $(cat "$T/lint")"
# corrected, the error is gone
cp "$T/ci.yml" "$M/workflows/new.yml"
[ ! -e "$M/errors/new.yml" ] || fail "errors/new.yml stays"
cp "$T/ci.yml" "$M/workflows/ci.yml"
[ ! -e "$M/errors/ci.yml" ] || fail "errors/ci.yml stays"
