# kill -9 of the daemon at many moments of many runs: each time it comes back, over the dead mount, with every run whole.
# limit: 180
. "$(dirname "$0")/lib.sh"
rf_mount
cat >"$T/w.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: for i in 1 2 3 4 5; do echo "line $i of $GITHUB_RUN_ID"; done
      - run: sleep 0.0$((RANDOM % 9)); echo "second of $GITHUB_RUN_ID"
Y
declare -A told=() # what a reader was told: run -> conclusion
for round in $(seq 12); do
    pid=$(daemon_pid)
    for i in 1 2 3; do cp "$T/w.yml" "$M/workflows/w$i.yml"; done
    pause "0.0$((RANDOM % 10))"
    for c in "$M"/runs/[0-9]*/conclusion; do
        value=$(cat "$c" 2>/dev/null) || continue
        [ -z "$value" ] || { n=${c%/*}; told[${n##*/}]=$value; }
    done
    last=$(readlink "$M/runs/latest")
    kill -9 "$pid"
    rf_wait 10 gone "$pid"
    rf_mount
    equal "round $round: runs" "$((round * 3))" "$(runs)"
    [ "$(readlink "$M/runs/latest")" = "$last" ] || fail "round $round: the newest run is $(readlink "$M/runs/latest"), not $last"
done
rf_wait 60 grep -q '^active_runs: 0' "$M/status"
for n in "${!told[@]}"; do equal "run $n, which was told" "${told[$n]}" "$(cat "$M/runs/$n/conclusion")"; done
success=0
for d in "$M"/runs/[0-9]*; do
    n=${d##*/}
    case $(cat "$d/conclusion") in
    success)
        success=$((success + 1))
        equal "log of run $n" "line 1 of $n line 2 of $n line 3 of $n line 4 of $n line 5 of $n second of $n" \
            "$(cat "$d"/jobs/a/steps/*/stdout | xargs)"
        ;;
    interrupted | cancelled) ;;
    *) fail "run $n: '$(cat "$d/conclusion")'" ;;
    esac
    file_is "$d/status" completed
done
[ "$success" -gt 0 ] || fail 'no run ever succeeded'
say "$success of $(runs) runs succeeded, ${#told[@]} were told before"
equal 'mounts' 1 "$(grep -c " $M " /proc/self/mounts)"
