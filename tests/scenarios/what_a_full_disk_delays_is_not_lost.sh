# While the disk is full, or another program has the database locked, jobs that run go on, and none begins. `status` says why;
# with room again all of it is there: every run has its end, each row of it, and the next run works.
# waits
. "$(dirname "$0")/lib.sh"
need_root
need sqlite3
mkdir -p "$STATE"
mount -t tmpfs -o size=12m,mode=700 runfs-test "$STATE" || skip 'no tmpfs can be mounted here'
at_end+=('unmount "$M"' 'umount -l "$STATE"')
mkfifo "$T/go-1" "$T/go-2" "$T/sql"
rf_mount
echo host >"$M/config/labels/here"
w() { # SAID STEP: jobs of a matrix that wait for somebody, with a second step, and what follows them
    cat <<Y
on: push
jobs:
  first:
    runs-on: here
    outputs: {said: '$1'}
    strategy: {matrix: {n: [1, 2]}}
    steps:
      - run: echo begun >"$T/begun-\${{ matrix.n }}"; read -r line <"$T/go-\${{ matrix.n }}"
$2
  second:
    needs: first
    runs-on: here
    steps:
      - run: test -n '\${{ needs.first.outputs.said }}'
  not:
    needs: first
    if: failure()
    runs-on: here
    steps: [{run: exit 1}]
Y
}
w '${{ matrix.n }}' '' >"$T/short.yml"
w '${{ steps.it.outputs.said }}' "      - {id: it, run: 'echo said=\${{ matrix.n }} >>\$GITHUB_OUTPUT; echo ::warning::of \${{ matrix.n }}'}" >"$T/long.yml"
workflow "$T/other.yml" 'echo other'
head -c 900000 /dev/zero | tr '\0' '#' >>"$T/other.yml"

# It goes wrong when the first steps of both jobs run, and comes right when these jobs have ended.
delayed() { # FILE HOW UNDO
    rm -f "$T"/begun-*
    n=$(rf_start "$1")
    rf_wait 20 test -e "$T/begun-1"
    rf_wait 20 test -e "$T/begun-2"
    eval "$2"
    echo go >"$T/go-1"
    echo go >"$T/go-2"
    rf_wait 20 grep -q '^busy: 0' "$M/status"
    file_has "$M/status" 'database: cannot be written: '
    file_is "$M/runs/$n/status" in_progress
    refused cp "$T/other.yml" "$M/workflows/"
    refused test -e "$M/workflows/other.yml"
    eval "$3"
    ended "$n"
    file_lacks "$M/status" database:
    file_is "$M/runs/$n/conclusion" success
    for job in first-1 first-2 second; do
        file_is "$M/runs/$n/jobs/$job/conclusion" success
        equal "the steps of $job" '' "$(cat "$M/runs/$n/jobs/$job"/steps/*/conclusion | grep -vx success || :)"
    done
    file_is "$M/runs/$n/jobs/not/conclusion" skipped
    for k in 1 2; do file_is "$M/runs/$n/jobs/first-$k/outputs/said" "$k"; done
    equal 'what runs' '' "$(ls "$M/runs/active")"
}

say 'a full disk'
delayed "$T/short.yml" 'dd if=/dev/zero of="$STATE/fill" bs=4k 2>/dev/null || :' 'rm "$STATE/fill"'
file_has "$M/log" 'the database cannot be written: No space left on device'
file_has "$M/log" 'the database is written again'

say 'another program has the database'
lock() { # until it is told to let go
    sqlite3 "$STATE/runfs.db" <"$T/sql" >"$T/locked" 2>&1 &
    children+=($!)
    exec 9>"$T/sql"
    printf '.timeout 5000\nbegin exclusive;\nselect 1;\n' >&9
    rf_wait 10 grep -q 1 "$T/locked"
}
workflow "$T/old.yml" 'echo old; echo err >&2'
old=$(rf_drop "$T/old.yml")
delayed "$T/long.yml" 'lock; echo delete-logs >"$M/runs/$old/ctl"' 'exec 9>&-'
file_has "$M/log" 'another process has it locked'
file_has "$M/runs/$n/annotations" 'of 1'
file_has "$M/runs/$n/annotations" 'of 2'
file_has "$M/runs/$old/log" 'The log was deleted.' # of which all are told the size
for log in "$M/runs/$old/log" "$M/runs/$old/jobs/a/log" "$M"/runs/"$old"/jobs/a/steps/*/{log,stdout,stderr}; do
    equal "the size of ${log#"$M"/}" "$(stat -c %s "$log")" "$(cat "$log" | wc -c)"
done

say 'and what comes then'
workflow "$T/next.yml" 'echo next'
n=$(rf_drop "$T/next.yml")
file_is "$M/runs/$n/conclusion" success
rf_umount
equal 'the database' ok "$(sqlite3 "$STATE/runfs.db" 'PRAGMA integrity_check')"
