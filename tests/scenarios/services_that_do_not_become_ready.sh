# A service that is not healthy in the time that its options give it fails the job, whose log has what the service said; steps that
# ask for a failure run all the same. What cannot be a service is refused before anything starts, in words that name it.
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
busybox_root
image_of tool "$T/busybox"
mkdir -p "$STATE"
"$RUNFS" image pull "oci:$T/images/tool:it" tool --state "$STATE" >/dev/null 2>&1
service() { # LINE...: a job with a service of these lines
    printf 'on: push\njobs:\n  j:\n    runs-on: %s\n    services:\n      broken:\n        image: tool\n' "${label:-ubuntu-latest}"
    printf '        %s\n' "$@"
    printf '    steps:\n      - run: echo never\n      - if: always()\n        run: echo "all the same, ${{ job.status }}"\n'
}
run() { exits "$1" "$RUNFS" run --state "$STATE" "${@:2}" "$T/w.yml"; }
is_refused() { # WORDS LINE...
    service "${@:2}" >"$T/w.yml"
    run 1
    contains "$2" "$(cat "$T/out" "$T/err")" "$1"
    lacks "$2 starts nothing" "$(cat "$T/out")" 'service container'
}

say 'unhealthy'
service 'command: sh -c "echo began; echo reason >/dev/stderr; exec sleep 1000"' \
    'options: --health-cmd "echo not yet; exit 1" --health-interval 200ms --health-retries 2' >"$T/w.yml"
run 1
out=$(cat "$T/out")
contains 'its log' "$out" '##[group]Service container broken failed.'
contains 'its output' "$out" $'began\nreason'
contains 'why' "$out" '##[error]broken service is unhealthy: its health check failed: not yet'
contains 'the error' "$out" '##[error]One or more containers failed to start.'
lacks 'no step' "$out" $'\nnever'
contains 'but for those that ask' "$out" $'\nall the same, failure'

say 'a check that takes too long'
service 'command: sleep 1000' 'options: --health-cmd "sleep 1000" --health-interval 100ms --health-timeout 100ms --health-retries 1' >"$T/w.yml"
run 1
contains 'why' "$(cat "$T/out")" 'it took longer than 0.1 s'

say 'one that has ended'
service 'command: sh -c "echo gone; exit 7"' 'options: --health-cmd true --health-start-period 1h' >"$T/w.yml"
sed -i 's/--health-cmd true/--health-cmd false/' "$T/w.yml"
run 1
contains 'why' "$(cat "$T/out")" 'broken service has ended, with exit code 7'
service 'command: nowhere' 'options: --health-cmd true' >"$T/w.yml"
run 1
contains 'why' "$(cat "$T/out")" 'broken service has ended: cannot start nowhere: No such file or directory'

say 'one of which nobody says when it is ready is not waited for'
service 'command: sleep 1000' >"$T/w.yml"
run 0
contains 'it ran' "$(cat "$T/out")" 'all the same, success'

say 'what is refused'
is_refused 'services.broken.options: runfs does not know --frob' 'options: --frob 1'
is_refused "services.broken.options: --health-interval has no such value: '10'" 'options: --health-cmd true --health-interval 10'
is_refused '--network is not for services' 'options: --network host'
is_refused "services.broken.ports: 'a:80' is not PORT or PORT:PORT" 'ports: ["a:80"]'
is_refused 'only ports of TCP are mapped' 'ports: ["53:53/udp"]'
is_refused 'services.broken.volumes: /etc:/host would show the job a directory of the host' 'volumes: ["/etc:/host"]'
is_refused 'the name '\''localhost'\'' is taken' 'options: --network-alias localhost'
sed 's/broken:/"not a name":/' "$T/w.yml" >"$T/w2.yml" && mv "$T/w2.yml" "$T/w.yml"
run 1
contains 'a name' "$(cat "$T/out" "$T/err")" "'not a name' cannot be a name in a network"
service 'command: sleep 1000' >"$T/w.yml"
run 1 --label ubuntu-latest=ssh:nowhere
contains 'another backend' "$(cat "$T/out" "$T/err")" 'a machine of ssh cannot reach'
service 'options: --cap-add SYS_NICE' 'command: sleep 1000' >"$T/w.yml"
run 0
contains 'what is left out' "$(cat "$T/out")" 'services.broken.options: --cap-add SYS_NICE cannot be done and is left out'
