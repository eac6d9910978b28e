# A host with another processor, without room, or whose home holds no programs: the job says which, and where else the agent may be.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
need_root

# a runner whose agent can be given a sibling
mkdir "$T/bin"
cp "$BUILD/runfs" "$BUILD/runfs-agent" "$T/bin/"
RUNFS=$T/bin/runfs
rf_mount
serve() { # NAME
    local port
    port=$(ssh_port)
    ssh_serve "$1" 127.0.0.1 "$port"
    ssh_add "$1" 127.0.0.1 "$port"
}
there() { find "$T/$1/home" -mindepth 1 -path '*/agent-*'; }

# its processor, by what its uname says: nothing is put there
mkdir -p "$T/other/bin"
cat >"$T/other/bin/uname" <<'END'
#!/bin/sh
case $1 in -m) echo armv9 ;; *) exec /usr/bin/uname "$@" ;; esac
END
chmod +x "$T/other/bin/uname"
serve other
log=$(ssh_job other)
contains 'which' "$log" "its processor is another (armv9 there, $(uname -m) here)"
contains 'what to do' "$log" "$T/bin/runfs-agent-armv9"
equal 'what is there' '' "$(there other)"
{ cat "$T/bin/runfs-agent"; echo of another build; } >"$T/bin/runfs-agent-armv9"
contains 'with one of its own' "$(ssh_job other)" 'it went'
contains 'and again' "$(ssh_job other)" 'it went'
equal 'how many were put there' 1 "$(there other | wc -l)"
equal 'which' 'of another build' "$(tail -c 17 "$(there other)")"
rm "$(there other)"
printf '#!/bin/sh\necho Plan9\n' >"$T/other/bin/uname"
contains 'no Linux' "$(ssh_job other)" 'it is no Linux: `uname` there says Plan9'

# where it cannot be put, and where it cannot be started
home() { # NAME OPTIONS: of a file system of its own
    mkdir -p "$T/$1/home"
    mount -t tmpfs -o "$2" runfs-test "$T/$1/home" || skip 'no tmpfs can be mounted here'
    ending+=("$T/$1/home")
}
ending=()
at_end+=('umount -l "${ending[@]}"')
home full size=300k
serve full
contains 'full' "$(ssh_job full)" 'the agent cannot be put into ~/.cache/runfs/: cat: write error: No space left on device'
equal 'what is left there' '' "$(there full)"
home inert noexec
serve inert
log=$(ssh_job inert)
contains 'why' "$log" 'Permission denied (status 126'
contains 'what to do' "$log" 'directory /PATH'

# elsewhere, in a directory of that user only
elsewhere() { # DIRECTORY
    { grep -v '^directory' "$M/config/hosts/inert"; echo "directory $1"; } >"$T/host"
    cp "$T/host" "$M/config/hosts/inert"
}
elsewhere "$T/inert/room"
contains 'elsewhere' "$(ssh_job inert)" 'it went'
contains 'and again' "$(ssh_job inert)" 'it went'
chown 31337 "$T/inert/room"
contains "another's" "$(ssh_job inert)" "the agent cannot be put into $T/inert/room/: it belongs to another user"
refused elsewhere "$T/in'ert"
file_has "$M/errors/config-hosts-inert" 'is no directory to use there'
refused elsewhere room
