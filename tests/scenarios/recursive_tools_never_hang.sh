# grep -r, find -L, cp -r, rsync -a, du and tar over the whole mount, while a run is active and after.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
workflow "$T/done.yml" 'echo needle'
first=$(rf_drop "$T/done.yml")
printf 'on: push\njobs:\n  a:\n    runs-on: h\n    steps:\n      - run: until [ -e %s/go ]; do sleep 0.05; done\n' "$T" >"$T/live.yml"
cp "$T/live.yml" "$M/workflows/"
live=$(readlink "$M/runs/latest")
sweep() {
    timeout 30 grep -rs needle "$M" >"$T/found" || fail "grep -r: $?"
    contains 'grep found it' "$(cat "$T/found")" "runs/$first/jobs/a/steps/01-run-echo-needle/stdout:needle"
    timeout 30 find -L "$M" >"$T/list" 2>/dev/null || [ $? -ne 124 ] || fail 'find -L hangs'
    timeout 30 cp -r "$M/runs/$first" "$T/copy-$1" || fail "cp -r: $?"
    timeout 30 du -s "$M" >/dev/null || fail 'du'
    timeout 30 tar cf "$T/t.tar" -C "$M" --exclude secrets . 2>"$T/tar.err" || [ $? -eq 1 ] || fail "tar: $(cat "$T/tar.err")"
    if command -v rsync >/dev/null; then
        timeout 30 rsync -a --exclude /secrets "$M/" "$T/rsync-$1/" || [ $? -eq 24 ] || fail "rsync: $?"
        cmp "$T/rsync-$1/runs/$first/log" "$M/runs/$first/log"
    fi
    equal 'the copy is whole' "$(cd "$M/runs/$first" && find . -type f ! -name duration_ms | sort | xargs cat | cksum)" \
        "$(cd "$T/copy-$1" && find . -type f ! -name duration_ms | sort | xargs cat | cksum)"
}
sweep active
equal 'the live run still runs' in_progress "$(cat "$M/runs/$live/status")"
touch "$T/go"
equal 'it ended' success "$(cat "$M/runs/$live/wait")"
sweep finished
