# An artifact whose retention-days are over is gone, and its run still tells that it was there: `expired` in lists, 410 for who would download
# it, and a sentence of gh.
. "$(dirname "$0")/lib.sh"
need sqlite3
need curl
need jq
rf_mount
echo host >"$M/config/labels/h"
cat >"$T/w.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: h
    steps:
      - run: mkdir d; echo x >d/x
      - {uses: actions/upload-artifact@v4, with: {name: short, path: d, retention-days: 1}}
      - {uses: actions/upload-artifact@v4, with: {name: long, path: d, retention-days: 5}}
Y
equal 'the run' 1 "$(rf_drop "$T/w.yml")"
rf_umount
sqlite3 "$STATE/runfs.db" "UPDATE artifacts SET expires_at = 1 WHERE name = 'short'"
rf_mount
only_the_long() { [ "$(ls "$M/runs/1/artifacts")" = long ]; }
rf_wait 30 only_the_long
echo "$T/sock" >"$M/config/listen"
rf_wait 10 test -S "$T/sock"
base=http://runfs/repos/runfs/workflows/actions
ask() { curl -s --unix-socket "$T/sock" "$base/$1" "${@:2}"; }
status() { ask "$1" "${@:2}" -o "$T/body" -w '%{http_code}'; }

equal 'of the run' '2 short true, long false' "$(ask runs/1/artifacts | jq -r '"\(.total_count) \([.artifacts[] | "\(.name) \(.expired)"] | join(", "))"')"
equal 'of all runs, newest first' 'long false, short true' "$(ask artifacts | jq -r '[.artifacts[] | "\(.name) \(.expired)"] | join(", ")')"
equal 'by its name' 1 "$(ask 'artifacts?name=short' | jq .total_count)"
id=$(ask 'artifacts?name=short' | jq '.artifacts[0].id')
equal 'by itself' 'true 1' "$(ask "artifacts/$id" | jq -r '"\(.expired) \(.workflow_run.id)"')"
equal 'its content' '410 Artifact has expired' "$(status "artifacts/$id/zip") $(jq -r .message "$T/body")"
equal 'the other one' 302 "$(status "artifacts/$(ask 'artifacts?name=long' | jq '.artifacts[0].id')/zip")"
equal 'of another repository' 404 "$(curl -s --unix-socket "$T/sock" -o /dev/null -w '%{http_code}' "http://runfs/repos/o/r/actions/artifacts/$id")"
if command -v gh >/dev/null; then
    export XDG_CONFIG_HOME=$T/config XDG_CACHE_HOME=$T/cache HOME=$T GH_PROMPT_DISABLED=1 NO_COLOR=1 PATH=$BUILD:$PATH
    unset GH_TOKEN GITHUB_TOKEN
    eval "$("$RUNFS" gh-setup "$M")"
    export GH_REPO=$GH_HOST/runfs/workflows
    contains 'gh run view' "$(gh run view 1)" 'short (expired)'
    exits 1 gh run download 1 -n short -D "$T/d"
    exits 0 gh run download 1 -D "$T/all"
    equal 'what gh takes home' long "$(ls "$T/all")"
fi
equal 'deleted' 204 "$(status "artifacts/$id" -X DELETE)"
equal 'then it was never there' 404 "$(status "artifacts/$id/zip")"
rmdir "$M/runs/1"
equal 'nor without its run' 0 "$(ask artifacts | jq .total_count)"
