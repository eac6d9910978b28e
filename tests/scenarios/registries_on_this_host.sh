# An image that a workflow names is fetched by runfs itself, from where more is reached than by a job: no registry on this host is
# asked, by whatever name, nor does another lead there, unless the runner's owner has named it. Whoever pulls by hand asks whom he likes.
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
busybox_root
registry_start
image_of tool "$T/busybox"
push tool team/tool:1
trap_at() { # FILE: somebody who is never to be asked; its port
    "$PYTHON" "$here/tests/servers/trap.py" "$1" >"$1.port" &
    children+=($!)
    rf_wait 20 test -s "$1.port"
}
leading() { # realm|redirection: its address is in $led
    "$PYTHON" "$here/tests/servers/leading_registry.py" "$1" "http://127.0.0.1:$(cat "$T/asked.port")/" >"$T/$1.port" &
    children+=($!)
    rf_wait 20 test -s "$T/$1.port"
    led=127.0.0.1:$(cat "$T/$1.port")
}
workflow_of() { # IMAGE
    printf '%s\n' 'on: push' 'jobs:' '  a:' '    runs-on: ubuntu-latest' "    container: '$1'" '    steps: [run: echo it runs]' >"$T/w.yml"
}
run() { exits "$1" "$RUNFS" run --state "$STATE" "$T/w.yml" "${@:2}"; }
trap_at "$T/asked"
port=$(cat "$T/asked.port")

say 'what is on this host is asked for no workflow'
for host in 127.0.0.1 localhost 127.0.0.2 0.0.0.0; do
    workflow_of "$host:$port/team/tool:1"
    run 1
    contains "by $host" "$(cat "$T/out" "$T/err")" ":$port is this host, or what answers to it alone, which is asked for no workflow"
done
workflow_of "169.254.169.254/latest/meta-data:1"
run 1
contains metadata "$(cat "$T/out" "$T/err")" '169.254.169.254:443 is this host, or what answers to it alone'
printf '%s\n' 'on: push' 'jobs:' '  a:' '    runs-on: ubuntu-latest' '    services:' "      s: {image: '127.0.0.1:$port/team/tool:1'}" \
    '    steps: [run: "true"]' >"$T/w.yml"
run 1
contains 'of a service' "$(cat "$T/out" "$T/err")" ":$port is this host, or what answers to it alone"
printf '%s\n' 'on: push' 'jobs:' '  a:' '    runs-on: ubuntu-latest' "    steps: [uses: 'docker://127.0.0.1:$port/team/tool:1']" >"$T/w.yml"
run 1
contains 'of an action' "$(cat "$T/out" "$T/err")" ":$port is this host, or what answers to it alone"

say 'nor does a registry lead there'
for how in realm redirection; do
    leading "$how"
    workflow_of "$led/team/tool:1"
    run 1 --registry "$led"
    contains "by $how" "$(cat "$T/out" "$T/err")" "127.0.0.1:$port is this host, or what answers to it alone"
done
equal 'who was asked' '' "$(cat "$T/asked" 2>/dev/null || :)"

say 'one that the owner names is, and by hand it may be any'
workflow_of "$registry/team/tool:1"
run 0 --registry "$registry"
contains ran "$(cat "$T/out")" 'it runs'
exits 0 "$RUNFS" image pull "$registry/team/tool:1" --state "$STATE"
run 1
exits 1 "$RUNFS" run --state "$STATE" "$T/w.yml" --registry 'http://x'
contains 'no name of one' "$(cat "$T/err")" 'it is none, HOST or HOST:PORT'
rf_mount
echo "localhost:1 ${registry/127.0.0.1/localhost}" >"$M/config/local_registries"
n=$(rf_start "$T/w.yml")
ended "$n"
file_is "$M/runs/$n/conclusion" success
