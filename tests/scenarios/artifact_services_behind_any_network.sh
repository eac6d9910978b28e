# Actions that speak to the artifact and cache services themselves find them from a job whose label keeps the host's network from
# it, behind NAT and with none at all; nothing else of the host comes along, and nothing is left when the job has ended.
if [ "${1-}" != inside ] && [ "$(id -u)" = 0 ]; then # with the device that NAT needs, in mounts of our own
    exec unshare -m --propagation private bash "$0" inside
fi
. "$(dirname "$0")/lib.sh"
need node
if is_root; then
    mount -t tmpfs -o mode=755 net /dev/net
    (umask 0 && mknod -m 666 /dev/net/tun c 10 200)
fi
rf_mount
need_sandbox
echo on >"$M/config/snapshots" # each step finds them, whatever machine it is in
labels=(none)
"$RUNFS" doctor >"$T/doctor" || :
! grep -q '^ok *nat' "$T/doctor" || labels+=(nat)
for label in "${labels[@]}"; do
    echo "sandbox network=$label" >"$M/config/labels/$label"
done
$PYTHON -u -m http.server --bind 127.0.0.1 --directory "$T" 0 >"$T/other" 2>&1 &
children+=($!)
rf_wait 5 grep -q 'port [0-9]' "$T/other"
other=$(sed -n 's/.*port \([0-9]*\).*/\1/p' "$T/other")
found() { # LOG
    equal 'found by address and by name, in each step' 4 "$(grep -cE '^(127.0.0.1|localhost) 200 \{' <<<"$1")"
    equal 'and nothing else of the host' 2 "$(grep -cx 'nothing else' <<<"$1")"
}
for label in "${labels[@]}"; do
    say "network=$label"
    cat >"$T/w.yml" <<Y
on: push
jobs:
  a:
    runs-on: $label
    steps:
      - run: |
          mkdir act
          printf 'name: a\nruns: {using: node20, main: index.js}\n' >act/action.yml
          cat >act/index.js <<'JS'
          const at = new URL(process.env.ACTIONS_RESULTS_URL);
          const token = process.env.ACTIONS_RUNTIME_TOKEN;
          const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
          const [, run, job] = claims.scp.split(' ').find(s => s.startsWith('Actions.Results:')).split(':');
          const ids = {workflow_run_backend_id: run, workflow_job_run_backend_id: job};
          (async () => {
            for (const host of ['127.0.0.1', 'localhost']) {
              const r = await fetch('http://' + host + ':' + at.port + '/twirp/github.actions.results.api.v1.ArtifactService/ListArtifacts', {
                method: 'POST',
                headers: {authorization: 'Bearer ' + token, 'content-type': 'application/json'},
                body: JSON.stringify(ids)});
              console.log(host, r.status, await r.text());
            }
            await fetch('http://127.0.0.1:$other/').then(() => console.log('the other server too'), () => console.log('nothing else'));
          })();
          JS
      - uses: ./act
      - uses: ./act
Y
    n=$(rf_drop "$T/w.yml")
    file_is "$M/runs/$n/conclusion" success
    found "$(cat "$M/runs/$n/log")"
    say "network=$label, for an ordinary user"
    as_user true # makes its directory
    mkdir -p "$T/user"
    cp "$T/w.yml" "$T/user/"
    as_user runfs run --label "$label=sandbox network=$label" "$T/user/w.yml" >"$T/out" 2>&1 || fail "$(cat "$T/out")"
    found "$(cat "$T/out")"
done
rf_umount
