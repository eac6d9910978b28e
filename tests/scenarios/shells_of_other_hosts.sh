# The shell of a host's user may be any: csh, fish, one that talks, one of one session. One that runs no commands is told from one
# that has no agent yet, before anything is put there.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
rf_mount

serve() { # NAME [LINE]: with that in its configuration
    local port
    mkdir -p "$T/$1"
    echo "${2-}" >"$T/$1/first"
    port=$(ssh_port)
    ssh_serve "$1" 127.0.0.1 "$port"
    ssh_add "$1" 127.0.0.1 "$port"
}

for shell in bash csh fish; do
    command -v "$shell" >/dev/null || continue
    mkdir -p "$T/$shell"
    echo "$shell" >"$T/$shell/shell"
    serve "$shell"
    contains "$shell" "$(ssh_job "$shell")" 'it went' # and is put there
    contains "$shell, again" "$(ssh_job "$shell")" 'it went'
    printf '%s\ndirectory %s\n' "$(cat "$M/config/hosts/$shell")" "$T/$shell/home/in/there" >"$T/host"
    cp "$T/host" "$M/config/hosts/$shell"
    contains "$shell, elsewhere" "$(ssh_job "$shell")" 'it went'
    contains "$shell, elsewhere again" "$(ssh_job "$shell")" 'it went'
    compgen -G "$T/$shell/home/in/there/agent-*" >/dev/null || fail "$shell: it is not where it was to be"
done

# one session at a time: the agent is put there in one, and started in the next
serve single 'MaxSessions 1'
contains 'one session' "$(ssh_job single)" 'it went'

# none
nothing() { # NAME WORDS: fails so, and nothing is left there
    contains "$1" "$(ssh_job "$1")" "$2"
    equal "$1: what is there" '' "$(find "$T/$1/home" -mindepth 1)"
}
serve none 'MaxSessions 0'
nothing none 'it lets the user in, but runs no command'
serve forced 'ForceCommand echo this account is for pictures only'
nothing forced 'it does not run what it is told'
nothing forced 'this account is for pictures only'
serve files 'ForceCommand internal-sftp'
nothing files 'it does not run what it is told'
serve barred 'ForceCommand echo not for you >&2; exit 1'
nothing barred 'not for you (status 1)'
