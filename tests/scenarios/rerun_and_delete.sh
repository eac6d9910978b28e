# rerun is a new attempt of the same run, rerun-failed keeps what succeeded, rmdir deletes.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/r.yml" <<Y
on: push
jobs:
  good:
    runs-on: h
    outputs: {v: "\${{ steps.o.outputs.v }}"}
    steps:
      - id: o
        run: echo x >> $T/good-ran; echo v=kept >> \$GITHUB_OUTPUT
  bad:
    needs: good
    runs-on: h
    steps:
      - run: echo "attempt \$GITHUB_RUN_ATTEMPT \${{ needs.good.outputs.v }}"; test -e $T/mended
Y
n=$(rf_drop "$T/r.yml")
R=$M/runs/$n
equal first failure "$(cat "$R/conclusion")"
find "$R" -type f -exec cat {} + >/dev/null # so that the kernel has it all in its cache
touch "$T/mended"
echo rerun-failed >"$R/ctl"
equal second success "$(cat "$R/wait")"
equal conclusion success "$(cat "$R/conclusion")"
equal attempt 2 "$(cat "$R/attempt")"
equal 'what succeeded did not run again' 1 "$(wc -l <"$T/good-ran")"
equal 'its outputs are there' 'attempt 2 kept' "$(cat "$R"/jobs/bad/steps/01-*/stdout)"
contains 'its log is there' "$(cat "$R/jobs/good/log")" 'v=kept'
echo rerun >"$R/ctl"
equal third success "$(cat "$R/wait")"
equal 'all of it ran again' 2 "$(wc -l <"$T/good-ran")"
refused sh -c "echo rerun-failed > '$R/ctl'"
equal 'runs' 1 "$(runs)"
rmdir "$R"
refused test -e "$R"
equal 'gone' 0 "$(runs)"
equal 'its log too' 0 "$(find "$STATE/logs" -type f | wc -l)"
n2=$(rf_drop "$T/r.yml")
equal 'numbers are not used again' $((n + 1)) "$n2"
workflow "$T/s.yml" 'sleep 30'
cp "$T/s.yml" "$M/workflows/"
refused rmdir "$M/runs/$(readlink "$M/runs/latest")"
echo cancel >"$M/runs/latest/ctl"
