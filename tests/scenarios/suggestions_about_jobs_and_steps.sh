# A job that waits for another for nothing could run beside it; a step that comes to the same in every commit need not run.
. "$(dirname "$0")/lib.sh"
# waits
rf_mount
need_sandbox
echo 6 >"$M/config/slots"
S=$M/knowledge/suggestions
mkdir -p "$T/repo/.github/workflows"
cat >"$T/repo/.github/workflows/ci.yml" <<'Y'
on: workflow_dispatch
jobs:
  lint:
    runs-on: ubuntu-latest
    steps: [{run: sleep 1.1}]
  unit:
    runs-on: ubuntu-latest
    needs: lint
    steps:
      - id: tell
        run: sleep 1.2; echo version=1.2 >>"$GITHUB_OUTPUT"; echo it is 1.2
      - run: echo ${{ steps.tell.outputs.version }}
  both:
    runs-on: ubuntu-latest
    steps:
      - run: mkdir web api
      - {run: sleep 1.1; echo >here, working-directory: web}
      - {run: sleep 1.2; echo >here, working-directory: api}
      - {run: sleep 1.1; ls ../web, working-directory: api}
Y
git -C "$T/repo" init -q
git -C "$T/repo" add -A
ln -s "$T/repo" "$M/repos/here"
runs=()
start() { # COUNT: runs of as many commits
    for _ in $(seq "$1"); do
        git -C "$T/repo" -c user.name=x -c user.email=x@x commit -q --allow-empty -m "one more"
        echo >"$M/dispatch/here/ci.yml"
        runs+=("$(cat "$M/dispatch/here/ci.yml")")
    done
}
start 4
for n in "${runs[@]}"; do ended "$n"; done
file_is "$M/runs/${runs[0]}/conclusion" success
equal 'too few' '' "$(ls "$S")"
start 6
for n in "${runs[@]}"; do ended "$n"; done
equal 'all of them' "$(printf '%s\n' parallelise-ci.yml-both-2-3.md parallelise-ci.yml-lint-unit.md skip-ci.yml-unit-tell.md)" "$(ls "$S")"
file_has "$S/parallelise-ci.yml-lint-unit.md" '# Run `unit` beside `lint`'
file_has "$S/parallelise-ci.yml-lint-unit.md" 'In the last 10 runs of both, `lint` always succeeded'
[ "$(awk '/^expected gain/ {print ($3 >= 1.1 && $3 < 9)}' "$S/parallelise-ci.yml-lint-unit.md")" = 1 ] || fail "$(cat "$S/parallelise-ci.yml-lint-unit.md")"
file_has "$S/parallelise-ci.yml-both-2-3.md" 'Step 2 works in `web` and step 3 in `api`'
file_has "$S/parallelise-ci.yml-both-2-3.md" 'In the last 10 runs both always succeeded'
file_has "$S/skip-ci.yml-unit-tell.md" 'In the last 10 runs, of 10 commits, step 1 succeeded'
file_has "$S/skip-ci.yml-unit-tell.md" '    version=1.2'
for s in parallelise-ci.yml-both-2-3.md parallelise-ci.yml-lint-unit.md skip-ci.yml-unit-tell.md; do
    [ -f "$S/$(awk '/^workflow:/ {print $2}' "$S/$s")" ] || fail "the workflow of $s is not where it says"
done
# One that is something else is no more to be skipped; what is beside needs not be put there; what shares a directory may not.
sed -i 's/1\.2 >>/1.3 >>/; s/working-directory: web/working-directory: api/; /needs: lint/d' "$T/repo/.github/workflows/ci.yml"
git -C "$T/repo" add -A
start 1
ended "${runs[10]}"
equal 'none' '' "$(ls "$S")"
refused cat "$S/skip-ci.yml-unit-tell.md"
