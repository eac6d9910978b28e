# config/alerts/NAME: who is told of failures, recoveries, oddities and long runs, by an address, a command or a file. Bad
# ones are refused when they are closed and change nothing; what could not be told is told later, after a restart too.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/servers/github.sh"
github_begin
rf_mount
echo host >"$M/config/labels/h"
hook=http://127.0.0.1:$port/hook
cat >"$T/w.yml" <<'Y'
name: '<!channel> <script>x</script> & @everyone'
on: {workflow_dispatch: {inputs: {do: {default: 'true'}}}}
jobs: {a: {runs-on: h, steps: [{run: '${{ inputs.do }}'}]}}
Y
rf_drop "$T/w.yml" >/dev/null
go() { # COMMAND [FILE]: a run of it that has ended; sets n
    echo "do=$1" >"$M/dispatch/${2:-w.yml}"
    n=$(cat "$M/dispatch/${2:-w.yml}")
    ended "$n"
}
told() { [ "$(wc -l <"$T/$1.jsonl")" -ge "$2" ]; } # FILE N
alert() { printf '%s\n' "${@:2}" >"$T/alert" && cp "$T/alert" "$M/config/alerts/$1"; } # NAME LINE...

# bad ones
refuse() { # WHY LINE...
    refused alert bad "${@:2}"
    contains "errno" "$(cat "$T/err")" 'Invalid argument'
    file_has "$M/errors/config-alerts-bad" "$1"
    [ ! -e "$M/config/alerts/bad" ] || fail "it is there: $(cat "$M/config/alerts/bad")"
}
refuse 'a line is missing that says when' ''
refuse 'a line is missing that says when' "to $hook"
refuse 'a line is missing that says how' 'on failure'
refuse "line 1: it is on failure, recovery, anomaly or duration>N" 'on fire' "to $hook"
refuse "not on 'duration>10x'" 'on duration>10x' "to $hook"
refuse "not on 'duration>0s'" 'on duration>0s' "to $hook"
refuse 'line 2: `to` has an address' 'on failure' 'to ftp://x'
refuse 'line 2: `to` has an address' 'on failure' 'to http://a b'
refuse 'line 3: it has one of' 'on failure' "to $hook" 'file /x'
refuse 'line 2: `file` has an absolute path' 'on failure' 'file x'
refuse 'line 2: `command` has nothing behind it' 'on failure' 'command '
refuse "line 2: a line begins with on, workflow, to, command or file, not with 'mail'" 'on failure' 'mail me'
alert good '# of all' 'on failure' "file $T/good.jsonl"
refused alert good 'on fire'
equal 'the one before stays' '# of all|on failure|' "$(head -n 2 "$M/config/alerts/good" | tr '\n' '|')"
alert good 'on failure' "file $T/good.jsonl"
[ ! -e "$M/errors/config-alerts-good" ] || fail 'its error is still there'
rm "$M/config/alerts/good"
go 'false' # nobody asks

# failure and recovery, by each way; each once
alert file 'on failure recovery' "file $T/file.jsonl"
alert address 'on failure recovery' "to $hook"
alert command 'on failure recovery' "command printf '%s %s\n' \"\$RUNFS_RUN\" \"\$RUNFS_CONCLUSION\" >>$T/command.jsonl; printf '%s' \"\$RUNFS_TEXT\" >$T/said"
alert others 'on failure' 'workflow other*.yml' "file $T/others.jsonl"
go 'false'
failed=$n
rf_wait 20 told file 1
rf_wait 20 told command 1
rf_wait 20 asked 1
go 'true'
rf_wait 20 told file 2
rf_wait 20 told command 2
rf_wait 20 asked 2
go 'true'
equal 'into a file' "$failed failure failure
$((failed + 1)) success recovery" "$(jq -r '"\(.run) \(.conclusion) \(.reasons | join(" "))"' "$T/file.jsonl")"
equal 'by a command' "$failed failure
$((failed + 1)) success" "$(cat "$T/command.jsonl")"
equal 'to an address' "$failed $((failed + 1))" "$(jq -r '.body | fromjson | .run' "$G/requests" | xargs)"
equal 'each has a name of its own' 2 "$(jq -r .delivery "$G/requests" | sort -u | grep -cx '[0-9a-f]\{32\}')"
equal 'no token goes there' false "$(jq -r .authorized "$G/requests" | sort -u)"
[ ! -e "$T/others.jsonl" ] || fail 'it is of other workflows'
contains 'no markup of chats' "$(jq -r '.body | fromjson | .text' "$G/requests" | head -n 1)" '&lt;!channel&gt; &lt;script&gt;x&lt;/script&gt; &amp; @everyone (workflow_dispatch): run'
equal 'nobody is mentioned' '{"parse":[]}' "$(jq -c '.body | fromjson | .allowed_mentions' "$G/requests" | head -n 1)"
contains 'a shell is not led astray' "$(cat "$T/said")" "<!channel> <script>x</script> & @everyone (workflow_dispatch): run $((failed + 1)): success"
equal 'no errors' '' "$(find "$M/errors" -name 'alerts-*')"

# run again: a failure of its own
echo rerun >"$M/runs/$failed/ctl"
ended "$failed"
rf_wait 20 told file 3
equal 'the second attempt' "$failed 2" "$(tail -n 1 "$T/file.jsonl" | jq -r '"\(.run) \(.attempt)"')"

# long ones, odd ones
rm "$M/config/alerts/command" "$M/config/alerts/file" "$M/config/alerts/address"
alert long 'on duration>1s' "file $T/long.jsonl"
alert odd 'on anomaly' 'workflow odd*.yml x.yml' "file $T/odd.jsonl"
cp "$T/w.yml" "$T/odder.yml"
rf_drop "$T/odder.yml" >/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do go 'true' odder.yml; done
go 'sleep 1.5; false' odder.yml
rf_wait 20 told long 1
rf_wait 20 told odd 1
equal 'long' "$n" "$(jq .run "$T/long.jsonl")"
equal 'odd' "$n" "$(jq .run "$T/odd.jsonl")"
[ -n "$(jq -r .anomaly "$T/odd.jsonl")" ] || fail 'it does not say how'
rm "$M/config/alerts/long" "$M/config/alerts/odd"

# what cannot be told: why stands in errors/, and it is told once it can be
printf '%s\n' 502 cut >"$G/faults"
alert a 'on failure' 'to secrets/CHAT'
alert b 'on failure' "command test -e $T/flag || { echo no flag >&2; exit 1; }; echo x >>$T/b.jsonl"
alert c 'on failure' "file $T/no/such/c.jsonl"
requests=$(wc -l <"$G/requests")
go 'false'
file_is "$M/runs/$n/conclusion" failure
rf_wait 20 test -e "$M/errors/alerts-a" -a -e "$M/errors/alerts-b" -a -e "$M/errors/alerts-c"
file_is "$M/errors/alerts-a" "config/alerts/a: run $n: secrets/CHAT holds no address"
file_is "$M/errors/alerts-b" "config/alerts/b: run $n: the command ended with 1: no flag "
file_has "$M/errors/alerts-c" 'No such file or directory'
echo "$hook/very-secret-path" >"$M/secrets/CHAT"
rf_wait 20 sh -c "[ \$(grep -c very-secret '$G/requests') -ge 2 ]"
file_lacks "$M/errors/alerts-a" very-secret
touch "$T/flag"
mkdir -p "$T/no/such"
rf_wait 60 sh -c "[ -z \"\$(find '$M/errors' -name 'alerts-*')\" ]"
equal 'by the command' x "$(cat "$T/b.jsonl")"
equal 'into the file' "$n" "$(jq .run "$T/no/such/c.jsonl")"
equal 'to the address, by the same name each time' 1 "$(tail -n "+$((requests + 1))" "$G/requests" | jq -r .delivery | sort -u | wc -l)"
if grep -rsF very-secret "$M" "$STATE/log"; then fail 'the address can be read'; fi

# a daemon that is killed while nobody can be told
rm "$M/config/alerts/b"
github_end
rm -r "$T/no/such"
for _ in 1 2 3; do go 'false'; done
rf_wait 20 grep -q 'alerts: 6 waiting' "$M/status"
pid=$(daemon_pid)
kill -KILL "$pid"
rf_umount 2>/dev/null || umount -l "$M"
rf_wait 10 gone "$pid"
mkdir -p "$T/no/such"
github_begin "$port"
rf_mount
rf_wait 60 sh -c "[ \$(cat '$T/no/such/c.jsonl' | wc -l) -ge 3 ]"
rf_wait 60 sh -c "! grep -q alerts: '$M/status'"
equal 'each once' "$((n - 2)) $((n - 1)) $n" "$(jq .run "$T/no/such/c.jsonl" | sort -n | xargs)"
equal 'to the address, too' "$((n - 2)) $((n - 1)) $n" "$(tail -n 3 "$G/requests" | jq -r '.body | fromjson | .run' | sort -n | xargs)"

# the daemon's end between the writing of a line and the knowing of it: as if what it knew then had not been kept
pid=$(daemon_pid)
rf_umount
rf_wait 10 gone "$pid"
$PYTHON - "$STATE/runfs.db" <<'P'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE words SET settled = 0, said = '', doubt = 1 WHERE kind IN ('alert', 'watch')")
db.commit()
P
rf_mount
rf_wait 60 sh -c "! grep -q alerts: '$M/status'"
equal 'a line is there once' "$((n - 2)) $((n - 1)) $n" "$(jq .run "$T/no/such/c.jsonl" | sort -n | tail -n 3 | xargs)"
equal 'no line twice' '' "$(jq -r .id "$T/no/such/c.jsonl" "$T/file.jsonl" | sort | uniq -d)"
