# strategy.max-parallel and config/slots limit how many jobs run at once, and slots changes live.
. "$(dirname "$0")/lib.sh"
rf_mount
echo host >"$M/config/labels/h"
mkdir "$T/at"
# Each job says that it runs, and stays until it is let go; the most that were ever there at once is what counts.
cat >"$T/p.yml" <<Y
on: push
jobs:
  a:
    runs-on: h
    strategy:
      max-parallel: 2
      matrix: {n: [1, 2, 3, 4, 5]}
    steps:
      - run: |
          mkdir $T/at/\${{ matrix.n }}
          until [ -e $T/go ]; do sleep 0.02; done
          ls $T/at | wc -l
          rmdir $T/at/\${{ matrix.n }}
Y
here_now() { [ "$(ls "$T/at" | wc -l)" = "$1" ]; }
echo 4 >"$M/config/slots"
n=$(rf_start "$T/p.yml")
rf_wait 10 here_now 2
equal 'running jobs' 2 "$(cat "$M/runs/$n"/jobs/*/status | grep -c in_progress)"
touch "$T/go"
equal 'conclusion' success "$(timeout 60 cat "$M/runs/$n/wait")"
most=$(cat "$M/runs/$n"/jobs/a-*/steps/01-*/stdout | sort -n | tail -n 1)
[ "$most" -le 2 ] || fail "$most jobs ran at once with max-parallel 2"
equal jobs 5 "$(ls "$M/runs/$n/jobs" | wc -l)"
# slots
rm "$T/go"
sed -i '/max-parallel/d' "$T/p.yml"
echo 1 >"$M/config/slots"
n=$(rf_start "$T/p.yml")
rf_wait 10 here_now 1
contains status "$(cat "$M/status")" 'busy: 1'
equal 'queued with one slot' 4 "$(cat "$M/runs/$n"/jobs/*/status | grep -c queued)"
echo 3 >"$M/config/slots"
rf_wait 10 here_now 3
contains status "$(cat "$M/status")" 'busy: 3'
touch "$T/go"
equal 'conclusion' success "$(timeout 60 cat "$M/runs/$n/wait")"
