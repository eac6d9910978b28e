# Hostile actions and steps: actions that use themselves, patterns that would take for ever, programs of the runner that
# the job has replaced, artifacts of other repositories, keys of caches that are none.
. "$(dirname "$0")/lib.sh"
need git
rf_mount
need_sandbox
R=$T/repo
mkdir -p "$R/bomb" "$R/.github/workflows" "$T/src" "$T/mirror/acme"
composite() { # USES: a composite of ten steps that go on whatever happens
    printf 'name: bomb\ndescription: uses itself\nruns:\n  using: composite\n  steps:\n'
    for _ in 1 2 3 4 5 6 7 8 9 10; do printf '    - {uses: %s, continue-on-error: true}\n' "$1"; done
}
composite ./bomb >"$R/bomb/action.yml"
composite acme/bomb@main >"$T/src/action.yml"
git_commit "$T/src"
git clone -q --bare "$T/src" "$T/mirror/acme/bomb.git"
echo "$T/mirror" >"$M/config/actions_mirror"

say 'actions that use themselves'
printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: acme/bomb@main\n' >"$T/far.yml"
n=$(rf_drop "$T/far.yml")
file_is "$M/runs/$n/conclusion" failure
file_has "$M/runs/$n/log" 'max depth 9'
cat >"$R/.github/workflows/near.yml" <<'END2'
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: ./bomb
END2
git_commit "$R"
ln -s "$R" "$M/repos/hostile"
echo >"$M/dispatch/hostile/near.yml"
n=$(readlink "$M/runs/latest")
ended "$n"
file_has "$M/runs/$n/log" 'The actions of this job use more than 2000 actions: does one of them use itself?'

say 'patterns that would take for ever, and a find that lies'
stars=$(printf '**/a*/%.0s' $(seq 40))
deep=$(printf 'a/%.0s' $(seq 60))
cat >"$T/walk.yml" <<END2
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: mkdir -p $deep && touch ${deep}f b
      - run: echo "[\${{ hashFiles('${stars}nothing') }}] [\${{ hashFiles('**/f') != '' }}]"
      - run: |
          printf '%s\n' '#!/bin/sh' 'printf "x"' >/usr/local/bin/find
          chmod +x /usr/local/bin/find
      - continue-on-error: true
        run: echo "[\${{ hashFiles('b') }}]"
      - run: |
          printf '%s\n' '#!/bin/sh' 'printf "f 1 /\0f 99999999999999999999 /etc/passwd\0f\0\0f 3\0f -1 /\0f 1 relative\0f 7 /home"' >/usr/local/bin/find
      - continue-on-error: true
        run: echo "[\${{ hashFiles('b', '/**') }}]"
      - uses: actions/upload-artifact@v4
        continue-on-error: true
        with: {path: b}
      - run: echo "still here"
END2
n=$(rf_drop "$T/walk.yml")
file_is "$M/runs/$n/conclusion" success
contains 'matched' "$(step_out "$n" a 02)" '[] [true]'
contains 'goes on' "$(step_out "$n" a 08)" 'still here'

say "another repository's artifacts, a cache with too many keys, one with a comma"
printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo private > f\n      - {uses: actions/upload-artifact@v4, with: {path: f}}\n' >"$T/theirs.yml"
theirs=$(rf_drop "$T/theirs.yml")
file_is "$M/runs/$theirs/conclusion" success
cat >"$T/ours.yml" <<END2
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/download-artifact@v4
        continue-on-error: true
        with: {run-id: $theirs}
      - run: test ! -e f && test ! -e artifact
      - uses: actions/cache@v4
        continue-on-error: true
        with: {path: f, key: k, restore-keys: "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11"}
      - uses: actions/cache@v4
        continue-on-error: true
        with: {path: f, key: "a,b"}
END2
n=$(rf_drop "$T/ours.yml")
file_is "$M/runs/$n/conclusion" success
file_has "$M/runs/$n/log" "there is no run $theirs of local/ours"
file_has "$M/runs/$n/log" 'Keys are limited to a maximum of 10.'
file_has "$M/runs/$n/log" 'cannot contain commas'

say 'a tar that never ends is ended by a cancel'
cat >"$R/.github/workflows/near.yml" <<'END2'
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          printf '%s\n' '#!/bin/sh' 'exec sleep 1000' >/usr/local/bin/tar
          chmod +x /usr/local/bin/tar
      - uses: actions/checkout@v4
END2
git_commit "$R" hang
echo >"$M/dispatch/hostile/near.yml"
n=$(readlink "$M/runs/latest")
checked_out() { grep -q 'HEAD is now at' "$M/runs/$n/jobs/a/log"; }
rf_wait 30 checked_out
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" cancelled
