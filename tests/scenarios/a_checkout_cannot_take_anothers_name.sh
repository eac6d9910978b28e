# A linked repository is called what its origin was when it was linked: whoever owns a checkout and gives it another's origin
# later comes by neither the caches nor the events that are under that name, nor does a second one of that origin.
. "$(dirname "$0")/lib.sh"
need git
need sqlite3
rf_mount
echo host >"$M/config/labels/h"
checkout() { # NAME ORIGIN
    mkdir -p "$T/$1/.github/workflows"
    cat >"$T/$1/.github/workflows/ci.yml" <<'Y'
on: [push, workflow_dispatch]
jobs:
  a:
    runs-on: h
    steps:
      - {uses: actions/cache/restore@v4, id: c, with: {key: k, path: d}}
      - run: echo "$GITHUB_REPOSITORY"; cat d/by || echo none
      - run: mkdir -p d; git -C "$GITHUB_WORKSPACE" --version >/dev/null; echo "$GITHUB_REPOSITORY" >d/by
      - {uses: actions/cache/save@v4, with: {key: k, path: d}}
Y
    git_commit "$T/$1"
    [ -z "$2" ] || git -C "$T/$1" remote add origin "https://git.example.com/$2.git"
}
called() { sed -n "s/^repository $1: //p" "$M/status"; }
went() { # NAME: what its run says
    echo >"$M/dispatch/$1/ci.yml"
    local n && n=$(cat "$M/dispatch/$1/ci.yml")
    ended "$n"
    echo $(step_out "$n" a 02)
}
checkout bob b/own
checkout alice o/r
checkout r ''
for name in bob alice r; do ln -s "$T/$name" "$M/repos/$name"; done
equal 'what they are called' 'b/own o/r local/r' "$(called bob) $(called alice) $(called r)"

git -C "$T/bob" remote set-url origin https://git.example.com/o/r.git
git -C "$T/alice" remote remove origin
equal 'bob goes on as himself' 'b/own none' "$(went bob)"
equal 'nothing of that is hers' 'o/r none' "$(went alice)"
equal 'and he finds his own' 'b/own b/own' "$(went bob)"
equal 'a link is no name' 'local/r none' "$(went r)"

# hers alone, although one link is called so, and another's origin is
echo '{"ref": "refs/heads/main", "repository": {"full_name": "O/R"}}' >"$M/events/push"
equal 'who heard of it' 'alice/ci.yml' "$(sed -n 's/: run [0-9]*: .*//p' "$M/events/push")"
file_has "$M/events/push" 'bob/ci.yml: not started: the payload is of O/R, and this is b/own'
ended latest
equal 'in whatever case' o/r "$(step_out latest a 02 | head -n 1)"
# of one that nobody is called, the link's name decides
echo '{"ref": "refs/heads/main", "repository": {"full_name": "who/r"}}' >"$M/events/push"
equal 'who heard of that' 'r/ci.yml' "$(sed -n 's/: run [0-9]*: .*//p' "$M/events/push")"
ended latest

checkout carol O/R
ln -s "$T/carol" "$M/repos/carol"
checkout dropped runfs/workflows
ln -s "$T/dropped" "$M/repos/dropped"
equal 'of two the second is not' 'local/carol local/dropped' "$(called carol) $(called dropped)"
equal 'nor finds what is there' 'local/carol none' "$(went carol)"
file_has "$M/log" 'repository carol: its origin calls it O/R, as another is called: it is local/carol'
git -C "$T/alice" remote add origin https://git.example.com/o/r.git
ln -sfn "$T/alice" "$M/repos/alice"
equal 'linked anew' o/r "$(called alice)"
ln -sfn "$T/carol" "$M/repos/alice"
equal 'in its place' O/R "$(called alice)"
mv "$M/repos/bob" "$M/repos/robert"
equal 'renamed he is who he was' b/own "$(called robert)"

# who was linked before there were names has one from the next mount on, the first of two as its origin says
rf_umount
sqlite3 "$STATE/runfs.db" "UPDATE repos SET full_name = ''"
rf_mount
equal 'after an upgrade' 'local/alice local/r O/R' "$(called alice) $(called r) $(called carol)"
