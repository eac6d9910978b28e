# The command that a step failed in is the one whose program says so, not merely the last of the script; one
# that says nothing is known by its name and its exit code.
. "$(dirname "$0")/lib.sh"
need git
need make
rf_mount
echo host >"$M/config/labels/ubuntu-latest"
K=$M/knowledge
# SIGNATURE COMMAND SCRIPT: what is known of how a script fails
fails() {
    workflow "$T/w.yml" "$3"
    n=$(rf_drop "$T/w.yml")
    equal "$3" failure "$(cat "$M/runs/$n/conclusion")"
    local f
    f=$(dirname "$(dirname "$(find "$K"/failures/*/runs -name "$n")")")
    equal "$3" "$1" "$(cat "$f/signature")"
    equal "which of: $3" "$2" "$(ls "$f/commands" | grep -xF "$2")"
}
fails "fatal: repository 'nothing' does not exist" git-clone "git clone -q /var/empty/nothing; make -n; cp a b"
fails "make: *** No rule to make target 'this'. Stop." make-this "make this; git status; cp a b"
fails "cp: cannot stat 'a': No such file or directory" cp "cp a b; make -n; git status"
fails 'PATH: line N: frobnicate: command not found' frobnicate 'frobnicate --all; make -n; cp a b'
fails 'grep: exit code 1' grep 'echo x >f; grep -q y f'
fails 'exit code 1' '' 'test -e nothing'
equal 'never run' '' "$(ls "$K/commands" | grep -x git-status)"
