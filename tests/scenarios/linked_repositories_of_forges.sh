# A linked checkout, and a mirror of an address, have the workflows of the folder that counts, and follow when another one does;
# their runs know where they are from, also when they are run again, and the API and `gh` find the files there.
. "$(dirname "$0")/lib.sh"
need git
need curl
need jq
R=$T/r
mkdir -p "$R"/.{github,gitea}/workflows
says() { workflow "$1" "$2" && sed -i 's/ubuntu-latest/h/; s/^on: push/on: {push: , workflow_dispatch: }/' "$1"; } # FILE SCRIPT
says "$R/.gitea/workflows/ci.yml" 'echo "of gitea: ${{ gitea.repository }} $GITEA_REF ${{ github.workflow_ref }} ${{ job.workflow_file_path }}"'
says "$R/.gitea/workflows/only.yaml" 'echo "for ${{ gitea.actor }}"'
says "$R/.github/workflows/ci.yml" 'echo of github'
git -C "$T" init -q -b main r
git -C "$R" remote add origin git@git.example.com:o/r.git
git_commit "$R"
rf_mount
echo host >"$M/config/labels/h"
echo "$T/api.sock" >"$M/config/listen"
rf_wait 10 test -S "$T/api.sock"
api() { curl -sf --unix-socket "$T/api.sock" -H 'Accept: application/json' "http://ci/$1"; }
ln -s "$R" "$M/repos/r"
push() { # REPO SHA
    jq -cn --arg sha "$2" --arg name "$1" '{ref: "refs/heads/main", after: $sha, repository: {full_name: $name}, sender: {login: "alice"}}' >"$M/events/push"
}
newest() { basename "$(realpath "$M/runs/latest")"; }

say 'a checkout'
equal 'its workflows' 'ci.yml only.yaml' "$(ls "$M/workflows/r" | xargs)"
push o/r "$(git -C "$R" rev-parse HEAD)"
equal 'what a push starts' 2 "$(grep -c ': run ' "$M/events/push")"
n=$(sed -n 's|^r/ci.yml: run \([0-9]*\):.*|\1|p' "$M/events/push")
ended "$n"
file_has "$M/runs/$n/log" 'of gitea: o/r refs/heads/main o/r/.gitea/workflows/ci.yml@refs/heads/main .gitea/workflows/ci.yml'
equal 'its path by the API' .gitea/workflows/ci.yml "$(api "repos/o/r/actions/runs/$n" | jq -r .path)"
equal 'its workflow' .gitea/workflows/ci.yml "$(api repos/o/r/actions/workflows/ci.yml | jq -r .path)"
equal 'the file' "$(cat "$R/.gitea/workflows/ci.yml")" "$(curl -sf --unix-socket "$T/api.sock" -H 'Accept: application/vnd.github.raw' http://ci/repos/o/r/contents/.gitea/workflows/ci.yml)"
equal 'the files' '.gitea/workflows/ci.yml .gitea/workflows/only.yaml' "$(api repos/o/r/contents/.gitea/workflows | jq -r '.[].path' | xargs)"
equal 'what does not count is a file like others' .github/workflows/ci.yml "$(api repos/o/r/contents/.github/workflows | jq -r '.[].path')"
refused api repos/o/r/contents/.forgejo/workflows

say 'again, after a restart, it is what it was'
rf_umount
rf_mount
rf_wait 10 test -S "$T/api.sock"
echo rerun >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/attempt" 2
file_is "$M/runs/$n/conclusion" success
file_has "$M/runs/$n/log" 'of gitea: o/r refs/heads/main'

say 'another folder counts from now on'
mkdir "$T/next"
says "$T/next/ci.yml" 'echo "of forgejo: ${{ forge.ref_name }} $FORGEJO_ACTIONS $FORGEJO_REPOSITORY"'
mkdir "$R/.forgejo"
mv "$T/next" "$R/.forgejo/workflows"
rf_wait 20 test ! -e "$M/workflows/r/only.yaml"
rf_wait 20 grep -q 'of forgejo' "$M/workflows/r/ci.yml"
echo run >"$M/dispatch/r/ci.yml"
n=$(cat "$M/dispatch/r/ci.yml")
ended "$n"
file_has "$M/runs/$n/log" 'of forgejo: main true o/r'
equal 'its payload names it' .forgejo/workflows/ci.yml "$(jq -r .workflow "$M/runs/$n/event.json")"
rm -r "$R/.forgejo"
rf_wait 20 grep -q 'of gitea' "$M/workflows/r/ci.yml"

say 'what was dropped is taken as whoever takes it'
says "$T/dropped.yml" 'echo "dropped: $FORGEJO_REF_NAME ${{ forgejo.event_name }}"'
n=$(rf_drop "$T/dropped.yml")
file_has "$M/runs/$n/log" 'dropped: '
sed 's/forgejo.event_name/forgejo_.event_name/' "$T/dropped.yml" >"$T/wrong.yml"
refused cp "$T/wrong.yml" "$M/workflows/"
file_has "$M/errors/wrong.yml" "Unrecognized named-value: 'forgejo_'"

say 'a mirror'
git clone -q --bare "$R" "$T/bare.git"
ln -s "file://$T/bare.git" "$M/repos/m"
equal 'its workflows' 'ci.yml only.yaml' "$(ls "$M/workflows/m" | xargs)"
mkdir -p "$R/.forgejo/workflows"
says "$R/.forgejo/workflows/new.yml" 'echo "pushed: ${{ forgejo.sha }} $FORGEJO_TOKEN"'
git_commit "$R"
git -C "$R" push -q "$T/bare.git" main
sha=$(git -C "$R" rev-parse HEAD)
name=$(sed -n 's/^repository m: //p' "$M/status" | awk '{print $1}')
push "${name:-local/m}" "$sha"
n=$(sed -n 's|^m/new.yml: run \([0-9]*\):.*|\1|p' "$M/events/push")
[ -n "$n" ] || fail "the push starts: $(cat "$M/events/push")"
ended "$n"
file_has "$M/runs/$n/log" "pushed: $sha"
equal 'its workflows now' new.yml "$(ls "$M/workflows/m")"
