# fcctl-web's API from both sides: `runfs fcctl-serve` offers it, and jobs of a label `fcctl` run on such a server. As the
# original's client would, curl makes a machine, runs scripts in it, goes back to a snapshot and removes it.
. "$(dirname "$0")/lib.sh"
need curl
need jq
rf_mount
need_sandbox

serve() { # [OPTION...]: sets server, url
    rm -f "$T/serving" # what the server before it said
    "$RUNFS" fcctl-serve --listen 127.0.0.1:0 --key "$T/key" "$@" >"$T/serving" 2>"$T/serve.err" &
    server=$!
    children+=("$server")
    rf_wait 20 grep -q listening "$T/serving"
    url=$(sed -n 's/^listening on //p' "$T/serving")
}
stop_server() { kill "$server" && wait "$server" || fail "the server ended with $?"; }
token() { "$RUNFS" fcctl-serve --token --key "$T/key" --seconds "${1:-600}"; }
ask() { # METHOD PATH [BODY]: prints the status; what was said is in $T/body
    curl -s -o "$T/body" -w '%{http_code}' -X "$1" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
        ${3+-d "$3"} "$url$2"
}
said() { jq -r "$1" "$T/body"; }
execute() { ask POST /api/llm/execute "$(jq -n --arg id "$id" --arg code "$1" --argjson seconds "${2:-20}" \
    '{agent_id: "workflow-executor-1", language: "bash", code: $code, vm_id: $id, timeout_seconds: $seconds}')"; }
sleeper=7654$$ # what steps do, told apart from any other's
running() { [ "$(ask GET "/api/vms/$id")" = 200 ] && [ "$(said .status)" = running ]; }

# what it is told at the start
exits 2 "$RUNFS" fcctl-serve --machines 0
exits 1 "$RUNFS" fcctl-serve --key "$T/key" --label nonsense
contains 'a label that is none' "$(cat "$T/err")" "not to 'nonsense'"
equal 'the mode of its key' 600 "$(stat -c %a "$T/key")"
chmod 644 "$T/key"
exits 1 "$RUNFS" fcctl-serve --key "$T/key" --token
chmod 600 "$T/key"

# the API
serve --machines 2
token=$(token)
equal health 200 "$(curl -s -o "$T/body" -w '%{http_code}' "$url/health")"
equal 'no token' 401 "$(curl -s -o "$T/body" -w '%{http_code}' "$url/api/vms")"
good=$token token=$(token 1)
pause 1.1
equal 'one whose time has gone' 401 "$(ask GET /api/vms)"
contains 'is told so' "$(said .error)" 'has expired'
token=${good%?????}AAAAA
equal 'a forged one' 401 "$(ask GET /api/vms)"
token=$(printf '{"alg":"none"}' | base64 -w0 | tr -d =).$(printf '{"exp":9999999999}' | base64 -w0 | tr -d =).
equal 'one that nobody signed' 401 "$(ask GET /api/vms)"
token=$good
equal 'no JSON' 400 "$(ask POST /api/vms '{')"
equal 'made' 201 "$(ask POST /api/vms '{"vm_type": "bionic-test"}')"
id=$(said .id)
rf_wait 20 running
equal 'a script' 200 "$(execute 'echo out; echo err >&2; pwd >f; exit 3')"
equal 'what came of it' '3 out err' "$(said '"\(.exit_code) \(.stdout)\(.stderr)"' | xargs)"
equal 'a snapshot' 201 "$(ask POST "/api/vms/$id/snapshots" '{"name": "before", "description": "of a step"}')"
snapshot=$(said .snapshot_id)
execute 'rm f' >/dev/null
equal 'back to it' 200 "$(ask POST "/api/vms/$id/rollback/$snapshot")"
execute 'cat f' >/dev/null
equal 'its file' 0 "$(said .exit_code)"
equal 'no such snapshot' 404 "$(ask POST "/api/vms/$id/rollback/snap-99")"
execute 'sleep 100' 1 >/dev/null
contains 'its time' "$(said .error)" timeout_seconds
equal 'bytes that are no UTF-8' 'a�b' "$(execute "printf 'a\\377b'" >/dev/null; said .stdout)"
equal 'a time that is none' 400 "$(execute true 0)"
ask POST /api/vms '{}' >/dev/null
equal 'more than it may have' 503 "$(ask POST /api/vms '{}')"
# who goes away leaves nothing running
curl -s -m 1 -H "Authorization: Bearer $token" "$url/api/llm/execute" \
    -d "{\"vm_id\":\"$id\",\"code\":\"sleep $sleeper\"}" >/dev/null || :
execute true >/dev/null
equal 'the next command runs' 0 "$(said .exit_code)"
none_sleeps() { ! pgrep -xf "sleep $sleeper"; } # its request may have been the later one to be taken
rf_wait 20 none_sleeps
equal 'removed' 200 "$(ask DELETE "/api/vms/$id")"
equal 'removed twice' 404 "$(ask DELETE "/api/vms/$id")"
equal 'a script for nobody' 404 "$(execute true)"
stop_server
if compgen -G "$T/runfs-fcctl-*" >/dev/null; then fail 'its state is left'; fi

# its machines as ours
serve
echo "$url" >"$M/config/fcctl/url"
token >"$M/config/fcctl/token"
refused cat "$M/config/fcctl/token"
refused sh -c "echo nowhere >'$M/config/fcctl/url'"
echo fcctl:bionic-test >"$M/config/labels/far"
refused sh -c "echo 'fcctl memory=1G' >'$M/config/labels/other'"
cat >"$T/far.yml" <<'END'
on: push
jobs:
  a:
    runs-on: far
    env: { WORD: "it's here" }
    steps:
      - id: one
        run: |
          echo "$WORD"; echo oops >&2
          echo "K=v 1" >>"$GITHUB_ENV"; echo o=out >>"$GITHUB_OUTPUT"; echo '# done' >>"$GITHUB_STEP_SUMMARY"
      - run: echo "$K ${{ steps.one.outputs.o }}"; head -c 100000 /dev/zero | tr '\0' x
      - run: kill -9 $$
      - if: always()
        shell: sh
        run: echo after
END
n=$(rf_drop "$T/far.yml")
job=$M/runs/$n/jobs/a
file_is "$job/conclusion" failure
equal 'of the first' "it's here" "$(step_out "$n" a 01)"
equal 'its errors' oops "$(cat "$job"/steps/01-*/stderr)"
equal 'its summary' '# done' "$(cat "$job"/steps/01-*/summary.md)"
equal 'of the second' 'v 1 out' "$(step_out "$n" a 02 | sed -n 1p)"
equal 'all of it' 100008 "$(step_out "$n" a 02 | wc -c)"
equal 'of a killed one' 137 "$(cat "$job"/steps/03-*/exit_code)"
equal 'of the last' after "$(step_out "$n" a 04)"
file_has "$job/log" '##[warning]The token for the server of this machine expires in'
token 30000 >"$M/config/fcctl/token"
n=$(rf_drop "$T/far.yml")
refused grep -q 'The token' "$M/runs/$n/log"
vms() { curl -s -H "Authorization: Bearer $(token)" "$url/api/vms" | jq -r '.vms | length'; }
none_left() { [ "$(vms)" = 0 ]; }
rf_wait 20 none_left

# files of any bytes, there and back
cat >"$T/files.yml" <<'END'
on: push
jobs:
  make:
    runs-on: far
    outputs: { sum: "${{ steps.sum.outputs.sum }}" }
    steps:
      - run: mkdir -p out/sub; head -c 20000000 /dev/urandom >out/sub/big; printf 'a\377\000b' >out/odd; printf 'c\377\000d'
      - id: sum
        run: echo "sum=$(cat out/sub/big out/odd | sha256sum)" >>"$GITHUB_OUTPUT"
      - uses: actions/upload-artifact@v4
        with: {name: tree, path: out}
      - id: loud
        run: (sleep 0.5; echo late) & echo o=k >>"$GITHUB_OUTPUT"; head -c 20000000 /dev/zero | tr '\0' x; head -c 2000000 /dev/zero | tr '\0' y >&2
      - run: sleep 1; echo "${{ steps.loud.outputs.o }}"
  take:
    needs: make
    runs-on: far
    steps:
      - uses: actions/download-artifact@v4
        with: {name: tree}
      - run: '[ "$(cat sub/big odd | sha256sum)" = "${{ needs.make.outputs.sum }}" ]'
END
n=$(rf_drop "$T/files.yml")
file_is "$M/runs/$n/conclusion" success
equal 'bytes of a step' 'c377\0d' "$(step_out "$n" make 01 | od -An -c | tr -d ' ')"
equal 'all of a loud one' 20000000 "$(step_out "$n" make 04 | tr -cd x | wc -c)"
equal 'and of its errors' 2000000 "$(tr -cd y <"$(echo "$M/runs/$n"/jobs/make/steps/04-*/stderr)" | wc -c)"
equal 'its output, and nothing that was late' k "$(step_out "$n" make 05)"
equal 'of an artifact' "$(cat "$M/runs/$n/jobs/make/outputs/sum")" \
    "$(cat "$M/runs/$n/artifacts/tree/sub/big" "$M/runs/$n/artifacts/tree/odd" | sha256sum)"
rf_wait 20 none_left

# snapshots, by hand and of a job
echo far >"$M/vms/remote.label"
mkdir "$M/vms/remote"
run() { printf '%s\n' "$1" >"$M/vms/remote/exec" && cat "$M/vms/remote/last/stdout"; }
equal 'before' '' "$(run 'echo one >f')"
mkdir "$M/vms/remote/snapshots/s1"
equal 'changed' two "$(run 'echo two >f; cat f')"
echo 'rollback s1' >"$M/vms/remote/ctl"
file_is "$M/vms/remote/status" rolled_back
equal 'as it was' one "$(run 'cat f')"
refused mkdir "$M/vms/remote/snapshots/s1"
rmdir "$M/vms/remote"
echo on >"$M/config/snapshots"
echo on >"$M/config/auto_rollback"
printf 'on: push\njobs: {a: {runs-on: far, steps: [{run: echo 1 >f}, {run: echo 2 >f; exit 1}, {if: always(), run: cat f}]}}\n' >"$T/back.yml"
n=$(rf_drop "$T/back.yml")
echo off >"$M/config/snapshots"
echo off >"$M/config/auto_rollback"
contains "a failed step is undone" "$(cat "$M/runs/$n/log")" "The machine is as it was before this step"
equal "by what always runs" 1 "$(step_out "$n" a 03)"
rf_wait 20 none_left

# cancelled, and late
printf 'on: push\njobs: {a: {runs-on: far, steps: [{run: echo begun; sleep %s, timeout-minutes: 0.02}]}}\n' "$sleeper" >"$T/late.yml"
n=$(rf_drop "$T/late.yml")
file_is "$M/runs/$n/conclusion" failure
equal 'what it had said' begun "$(step_out "$n" a 01)"
contains 'why it ended' "$(cat "$M/runs/$n/log")" 'has timed out'
refused pgrep -xf "sleep $sleeper"
printf 'on: push\njobs: {a: {runs-on: far, steps: [{run: sleep %s}, {if: always(), run: echo still}]}}\n' "$sleeper" >"$T/long.yml"
n=$(rf_start "$T/long.yml")
rf_wait 20 pgrep -xf "sleep $sleeper"
file_is "$M/runs/$n/jobs/a/vm/backend" fcctl
echo cancel >"$M/runs/$n/ctl"
ended "$n"
file_is "$M/runs/$n/conclusion" cancelled
equal 'what always runs' still "$(step_out "$n" a 02)"
refused pgrep -xf "sleep $sleeper"
rf_wait 20 none_left

# the server dies in the middle of a step
n=$(rf_start "$T/long.yml")
rf_wait 20 pgrep -xf "sleep $sleeper"
kill -KILL "$server"
ended "$n"
file_is "$M/runs/$n/conclusion" failure
contains 'why' "$(cat "$M/runs/$n/log")" 'POST '
n=$(rf_drop "$T/far.yml")
file_is "$M/runs/$n/conclusion" failure
contains 'nobody there' "$(cat "$M/runs/$n/log")" "connect to"

# tokens: one that has expired is told before anything is asked; one that the server does not take by its own words
serve
echo "$url" >"$M/config/fcctl/url"
token 1 >"$M/config/fcctl/token"
pause 1.1
n=$(rf_drop "$T/far.yml")
contains 'expired' "$(cat "$M/runs/$n/log")" 'the token expired at 20'
"$RUNFS" fcctl-serve --token --key "$T/another-key" >"$M/config/fcctl/token"
n=$(rf_drop "$T/far.yml")
contains 'of another key' "$(cat "$M/runs/$n/log")" '401: the token is none of this server'
stop_server
