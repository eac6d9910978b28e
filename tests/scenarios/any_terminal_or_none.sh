# The commands behave in every kind of terminal and in none: what is mistyped is guessed, standard streams may be closed or
# full, colours and the line at the bottom come only where they can be shown and are wanted.
. "$(dirname "$0")/lib.sh"
workflow "$T/w.yml" 'echo one; echo "::error::two"'
cd "$T"

# what may have been meant
exits 2 "$RUNFS" rum
equal 'a subcommand' "runfs: there is no subcommand 'rum': did you mean 'run'?
\`runfs -h\` lists what there is." "$(cat "$T/err")"
exits 2 "$RUNFS" doc
file_has "$T/err" "did you mean 'doctor'?"
exits 2 "$RUNFS" frobnicate
file_lacks "$T/err" 'did you mean'
exits 2 "$RUNFS" run --matrxi=a:b w.yml
file_has "$T/err" "did you mean '--matrix'?"
exits 2 "$RUNFS" lint w.yml --jsom
file_has "$T/err" "did you mean '--json'?"
exits 2 "$RUNFS" umount --lazy x
file_lacks "$T/err" 'did you mean'

# help of help
exits 0 "$RUNFS" help --help
cmp -s <("$RUNFS" -h) "$T/out" || fail "$(cat "$T/err")"

# -- ends options, which may follow operands
cp w.yml ./-w.yml
exits 0 "$RUNFS" lint -- -w.yml
exits 0 "$RUNFS" plan w.yml --json
exits 1 "$RUNFS" umount -- "$T/nowhere"
exits 2 "$RUNFS" doctor everything
exits 0 "$RUNFS" help umount

# no place for what is printed: said, and no success; who has read enough is no error
full() { exits "$1" sh -c 'exec "$0" "$@" >/dev/full' "$RUNFS" "${@:2}"; }
closed() { exits "$1" sh -c 'exec "$0" "$@" >&-' "$RUNFS" "${@:2}"; }
for stream in full closed; do
    $stream 1 help
    $stream 1 plan w.yml
    $stream 1 doctor
    $stream 1 run --state "$STATE" w.yml
    file_has "$T/err" 'cannot write to standard output'
done
equal 'what was run nevertheless' 2 "$(sqlite3 "$STATE/runfs.db" "SELECT count(*) FROM runs WHERE conclusion = 'success'")"
exits 0 sh -c 'exec "$0" "$@" <&- >&- 2>&-' "$RUNFS" mount --state "$STATE" "$M"
mounts+=("$M")
workflow "$T/x.yml" 'echo three'
rf_drop "$T/x.yml" >/dev/null
rf_umount
equal 'the database is one still' ok "$(sqlite3 "$STATE/runfs.db" 'PRAGMA integrity_check')"
(
    set +o pipefail
    "$RUNFS" doctor 2>"$T/err" | head -n 0
    equal 'who has read enough' '' "$(cat "$T/err")"
)

on_terminal() { # COLUMNS COMMAND...: 0: it does not say how wide it is
    "$PYTHON" - "$@" <<'PY'
import fcntl, os, pty, struct, sys, termios
columns, command = int(sys.argv[1]), sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
    os.execvp(command[0], command)
said = b""
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece:
        break
    said += piece
os.waitpid(pid, 0)
sys.stdout.buffer.write(said)
PY
}
export TERM=xterm
unset NO_COLOR
run=("$RUNFS" run --state "$STATE" w.yml)
printf 'on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - {name: "%s", run: sleep 0.3}\n' 'Ü\u001b[5m界界界界界界界界界界界界\nwide' >wide.yml
contains 'colours' "$(on_terminal 80 "${run[@]}")" $'\e[31m##[error]two'
contains 'a line at the bottom' "$(on_terminal 80 "${run[@]}")" $'\r\e[K'
out=$(NO_COLOR=1 on_terminal 80 "${run[@]}")
lacks 'NO_COLOR' "$out" $'\e['3
contains 'NO_COLOR' "$out" $'\r\e[K'
contains 'NO_COLOR, empty' "$(NO_COLOR='' on_terminal 80 "${run[@]}")" $'\e[31m'
for term in dumb ''; do
    lacks "TERM=$term" "$(TERM=$term on_terminal 80 "${run[@]}")" $'\e'
done
lacks 'TERM unset' "$(on_terminal 80 env -u TERM "${run[@]}")" $'\e'
lacks 'a narrow one' "$(on_terminal 10 "${run[@]}")" $'\r\e[K'
contains 'one of no known width' "$(on_terminal 0 "${run[@]}")" $'\r\e[K'
out=$(on_terminal 30 "$RUNFS" run --state "$STATE" wide.yml)
contains 'a name is cut between letters, by their width, and does not steer' "$out" $'\e[2ma / Ü [5m界界界界  0.'

# where the state is, and is not
unset XDG_STATE_HOME
HOME=$T/home XDG_STATE_HOME=relative exits 0 "$RUNFS" run w.yml
[ ! -e relative ] || fail 'a relative XDG_STATE_HOME was not ignored'
[ -e "$T/home/.local/state/runfs/runfs.db" ] || fail 'not below HOME'
HOME=/proc exits 1 "$RUNFS" run w.yml
file_has "$T/err" 'name another with --state'
