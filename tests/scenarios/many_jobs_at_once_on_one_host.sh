# A host that talks to one stranger at a time and hangs up on others: the jobs that are not let in come again, also by another host.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
rf_mount

serve() { # NAME [LINE]: with that in its configuration
    mkdir -p "$T/$1"
    echo "${2-}" >"$T/$1/first"
    port=$(ssh_port)
    ssh_serve "$1" 127.0.0.1 "$port"
}
serve way
ssh_add way 127.0.0.1 "$port"
serve few 'MaxStartups 1:100:1'
ssh_add few 127.0.0.1 "$port"

# somebody who says nothing is all that it takes
stand_in_the_way() {
    local said
    exec 9<>"/dev/tcp/127.0.0.1/$port"
    read -r -u 9 said
    [[ $said == SSH-* ]] # the one before has gone
}
rf_wait 20 stand_in_the_way
exits 1 "$RUNFS" host add other "$(id -un)@127.0.0.1:$port" --accept "$(ssh_print few)" "$M"
contains 'why' "$(cat "$T/err")" 'it closed the connection before it had shown a key'
exec 9>&-

echo 6 >"$M/config/slots"
echo ssh:few >"$M/config/labels/far"
printf 'on: push\njobs: {a: {strategy: {matrix: {n: [1, 2, 3, 4, 5, 6]}}, runs-on: far, steps: [{run: echo in}]}}\n' >"$T/many.yml"
all_went() {
    n=$(rf_drop "$T/many.yml")
    equal "$1: $(grep error "$M/runs/$n/log" || :)" success "$(cat "$M/runs/$n/conclusion")"
}
all_went 'from here'
{ cat "$M/config/hosts/few"; echo 'jump way'; } >"$T/host"
cp "$T/host" "$M/config/hosts/few"
all_went 'by another'
