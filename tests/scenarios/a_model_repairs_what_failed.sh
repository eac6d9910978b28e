# What a language model proposed fails: if config/llm/repair says so the model is asked once, with the last lines and no secret, and
# what it says is proposed again.
. "$(dirname "$0")/lib.sh"
. "$here/tests/servers/chat.sh"
need jq
need git
rf_mount
need_sandbox
model_begin
echo key-of-the-house >"$M/secrets/KEY"
propose() { # PAGE: until it is proposed
    echo "Build it." >"$M/workflows/$1.txt"
    rf_wait 20 test -e "$M/workflows/$1.yml"
    answered "$1"
}
answered() { rf_wait 20 refused_now "$1"; }
refused_now() { ! [ -e "$M/errors/$1.txt" ]; }
fails() { # PAGE: its run's number, once that has failed
    echo run >"$M/dispatch/$1.yml"
    local n
    n=$(readlink "$M/runs/latest")
    ended "$n"
    file_is "$M/runs/$n/conclusion" failure
    echo "$n"
}
repairs() { grep -c 'a run of it failed' "$T/asked" || :; }
# whatever was to be asked has been: one question comes after the other
settled() {
    model good
    rm -f "$M/workflows/after.yml"
    propose after
}

# nobody is asked unless that is set
model mender
propose first
fails first >/dev/null
settled
equal 'not set' 0 "$(repairs)"

# asked, and proposed; not run
echo on >"$M/config/llm/repair"
model mender
propose build
n=$(fails build)
repaired() { grep -q "^# proposed by mender after run $n failed: read it" "$M/workflows/build.yml"; }
rf_wait 20 repaired
answered build
file_has "$M/workflows/build.yml" 'echo mended'
equal 'only what was started ran' "$n" "$(readlink "$M/runs/latest")"
asked=$(jq -r .asked.messages[1].content "$T/asked" | tail -n +2)
contains 'its step' "$asked" 'in its step "Compile", with exit code 3'
contains 'its last lines' "$asked" "$(printf '\nopening with ***\nno rule for all\n')"
contains 'the workflow' "$asked" "echo 'opening with ***'"
lacks 'a secret' "$(cat "$T/asked")" key-of-the-house
echo run >"$M/dispatch/build.yml"
m=$(readlink "$M/runs/latest")
ended "$m"
file_is "$M/runs/$m/conclusion" success

# once for each run: a bad answer is said, and it is not asked again
model giver-up
propose again
n=$(fails again)
rf_wait 20 grep -q 'is no JSON object' "$M/errors/again.txt"
file_lacks "$M/workflows/again.yml" 'after run'
before=$(repairs)
echo rerun >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" failure
settled
equal 'not again' "$before" "$(repairs)"

# what was repaired is not repaired again, even where it runs by itself
echo on >"$M/config/llm/auto_run"
model bungler
before=$(repairs)
count=$(runs)
echo "Build it." >"$M/workflows/loop.txt"
twice() { [ "$(runs)" = $((count + 2)) ]; }
rf_wait 30 twice
ended "$(readlink "$M/runs/latest")"
file_has "$M/runs/latest/workflow.yml" ' after run '
echo off >"$M/config/llm/auto_run"
settled
equal 'one repair' $((before + 1)) "$(repairs)"
equal 'two runs' $((count + 2)) "$(runs)"

# neither what a person has changed since it ran, nor his own
model bungler
propose mine
sed 's/exit 3/sleep 3; exit 3/' "$M/workflows/mine.yml" >"$T/mine.yml"
cp "$T/mine.yml" "$M/workflows/mine.yml"
n=$(readlink "$M/runs/latest")
sed 's/exit 3/exit 4/' "$T/mine.yml" >"$T/mine2.yml"
cp "$T/mine2.yml" "$M/workflows/mine.yml"
ended "$n"
ended "$(readlink "$M/runs/latest")"
rf_wait 20 grep -q ' after run ' "$M/workflows/mine.yml"
workflow "$T/own.yml" 'exit 1'
rf_drop "$T/own.yml" >/dev/null
settled
equal 'one of them' $((before + 2)) "$(repairs)"
equal 'no word of the other' '' "$(find "$M/errors" -name 'mine*')"

# nor what only says that it is one: a copy under another name, a file of a linked repository
before=$(repairs)
sed 's/sleep 3; //' "$T/mine.yml" >"$T/copy.yml"
file_has "$T/copy.yml" '# made from mine.txt'
n=$(rf_drop "$T/copy.yml")
file_is "$M/runs/$n/conclusion" failure
mkdir -p "$T/repo/.github/workflows"
{ echo '# made from a/b.txt'; sed 1d "$T/copy.yml"; } >"$T/repo/.github/workflows/mine.yml"
cp "$T/copy.yml" "$T/repo/.github/workflows/copy.yml"
git_commit "$T/repo"
ln -s "$T/repo" "$M/repos/r"
for name in mine copy; do
    echo >"$M/dispatch/r/$name.yml"
    n=$(readlink "$M/runs/latest")
    ended "$n"
    file_is "$M/runs/$n/conclusion" failure
done
settled
equal 'none of them' "$before" "$(repairs)"
equal 'no word of them' again.txt "$(ls "$M/errors")"
