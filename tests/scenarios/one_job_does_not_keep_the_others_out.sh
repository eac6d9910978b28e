# The services for actions are shared by all jobs. One that opens as many connections as it can, with its token and without one, and
# lets them crawl, does not keep another from them; and what it does within its share goes on.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need zip
ulimit -n "$(ulimit -Hn)"
coproc services { exec "$BUILD/tests/servers/results" "$STATE" 2>"$T/services.err"; }
children+=("$services_PID")
ask() { echo "$*" >&"${services[1]}" && head -n 1 <&"${services[0]}"; }
equal 'a run' 1 "$(ask run)"
equal 'another' 2 "$(ask run)"
open_job() { ask open "$@" >"$T/env"; token=$(jq -r .ACTIONS_RUNTIME_TOKEN "$T/env") url=$(jq -r .ACTIONS_RESULTS_URL "$T/env"); }
open_job 1 11 refs/heads/x - 3600 && greedy=$token
open_job 2 22 refs/heads/y - 3600 && modest=$token
call() { # TOKEN METHOD JSON
    curl -sS -m 30 -H "Authorization: Bearer $1" -H 'Content-Type: application/json' --data "$3" \
        "${url}twirp/github.actions.results.api.v1.ArtifactService/$2"
}
create() { call "$1" CreateArtifact "{\"workflow_run_backend_id\":\"$2\",\"name\":\"$3\",\"version\":4}" | jq -r .signed_upload_url; }
echo content >"$T/f" && (cd "$T" && zip -q a.zip f)
upload() { # TOKEN RUN NAME: as a job does it
    local to
    to=$(create "$1" "$2" "$3")
    equal "$3" 201 "$(curl -sS -m 30 -o /dev/null -w '%{http_code}' -X PUT -H 'x-ms-blob-type: BlockBlob' --data-binary "@$T/a.zip" "$to")"
    contains "$3" "$(call "$1" FinalizeArtifact "{\"workflow_run_backend_id\":\"$2\",\"name\":\"$3\"}")" '"ok":true'
}
slow=$(create "$greedy" 1 slow)
cat >"$T/crowd.py" <<'P'
import os, socket, sys, time
from urllib.parse import urlsplit
kind, url, count, ready = sys.argv[1], urlsplit(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
head = {"silent": "", "header": "GET / HTTP/1.1\r\nHost: x\r\n",
        "body": f"PUT {url.path}?{url.query}&comp=block&blockid=%s HTTP/1.1\r\nHost: x\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 1000\r\n\r\nx"}[kind]
held = []
def again(n):
    s = socket.create_connection((url.hostname, url.port))
    s.settimeout(0.001)
    s.sendall((head % ("a%03d" % (n % 1000)) if "%s" in head else head).encode())
    return s
for n in range(count):
    try:
        held.append(again(n))
    except OSError:
        pass
open(ready, "w").close()
n = count
while True:  # who is ended comes again
    for i, s in enumerate(held):
        try:
            if s.recv(1000) == b"":
                held[i] = again(n); n += 1
        except (TimeoutError, socket.timeout):
            pass
        except OSError:
            try:
                held[i] = again(n); n += 1
            except OSError:
                pass
    if os.getppid() == 1:
        break
P
crowd() { # KIND COUNT
    "$PYTHON" "$T/crowd.py" "$1" "$slow" "$2" "$T/ready-$1" 2>"$T/crowd-$1" &
    children+=($!)
    rf_wait 30 test -e "$T/ready-$1"
}
for kind in silent header body; do
    say "a crowd: $kind"
    crowd "$kind" 400
    for i in 1 2 3; do upload "$modest" 2 "$kind-$i"; done
done
say 'the greedy one, too, goes on'
upload "$greedy" 1 own

say 'a daemon has the descriptors for it, whatever its shell left it'
STATE=$T/other
(ulimit -Sn 256; rf_mount)
mounts+=("$M")
read -r soft hard < <(awk '/^Max open files/ {print $4, $5}' "/proc/$(daemon_pid)/limits")
equal 'descriptors' "$((hard < 65536 ? hard : 65536))" "$soft"
