# A job that is given to a worker has what it has here of containers: its own, services, and Docker actions, also such that are built
# of a Dockerfile. Their images are fetched there, from where its owner allows, and stay for the next job; a password is in no log, no
# argument and no file. A cancel reaches whatever goes on, and nothing of a job is left.
# waits
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
"$RUNFS" doctor >"$T/doctor" || :
grep -q '^ok *sandbox' "$T/doctor" || skip "$(grep sandbox "$T/doctor")"
busybox_root
mkdir -p "$T/busybox/tmp"
$PYTHON -c 'import crypt; print("me:" + crypt.crypt("open sesame", "$2b$05$abcdefghijklmnopqrstuu"))' >"$T/htpasswd" 2>/dev/null
registry_start htpasswd "$T/htpasswd"
image_of base "$T/busybox" 'Env=["PATH=/usr/bin:/bin","FLAVOUR=base"]' 'User="app"'
image_of tool "$T/busybox" 'Env=["PATH=/usr/bin:/bin","FLAVOUR=tool"]' 'Entrypoint=["/bin/echo","entry:"]'
"$PYTHON" -c 'import io, sys, tarfile
with tarfile.open(sys.argv[1], "w") as t: t.addfile(tarfile.TarInfo("../out"), io.BytesIO(b""))' "$T/hostile.tar"
image_of hostile "$T/busybox" "$T/hostile.tar"
for name in base hostile; do push $name team/$name:1 --dest-creds 'me:open sesame'; done
"$RUNFS" image pull "oci:$T/images/tool:it" tool --state "$T/far" >/dev/null 2>&1

mkdir -p "$T/repo/built" "$T/repo/.github/workflows"
printf 'FROM tool\nCOPY said /\nRUN echo "built by $(id -u)" >>/said\nENTRYPOINT ["/bin/sh", "-c", "cat /said; echo by-action >made; echo o=output >>$GITHUB_OUTPUT"]\n' >"$T/repo/built/Dockerfile"
echo 'of a Dockerfile' >"$T/repo/built/said"
cat >"$T/repo/.github/workflows/w.yml" <<Y
on: push
env: {LATE: 1234}
jobs:
  whole:
    runs-on: ubuntu-latest
    container:
      image: $registry/team/base:1
      credentials: {username: me, password: "\${{ secrets.PASSWORD }}"}
      env: {OWN: "own \${{ env.LATE }}"}
      options: --hostname boxy
    services:
      other: {image: tool, entrypoint: nc -ll -p 7 -e, command: /bin/echo heard}
    steps:
      - uses: actions/checkout@v4
      - run: echo "as \$(id -un) on \$(hostname) in \$PWD, \$FLAVOUR, \$OWN, \${{ job.container.id != '' }} \${{ secrets.PASSWORD }}"
      - run: while ! said=\$(nc other 7 </dev/null); do sleep 0.1; done; echo "it was \$said"
      - uses: docker://tool
        with: {args: "one 'two three'"}
      - uses: ./built
        id: built
      - run: echo "\$(cat made) \${{ steps.built.outputs.o }}"
  none:
    runs-on: ubuntu-latest
    container: \${{ matrix.no }}
    steps:
      - run: echo "in \$PWD"
      - uses: docker://tool
        with: {args: from none}
  hostile:
    runs-on: ubuntu-latest
    container:
      image: $registry/team/hostile:1
      credentials: {username: me, password: "\${{ secrets.PASSWORD }}"}
    steps: [run: echo never]
  long:
    runs-on: ubuntu-latest
    steps:
      - uses: docker://tool
        with: {entrypoint: /bin/sh, args: -c "echo 'it goes on'; sleep 98760$$"}
      - if: always()
        run: echo cleaned up
Y
git_commit "$T/repo"
far="$RUNFS worker --state $T/far"
run() { # STATUS LABEL [OPTION...]
    (cd "$T/repo" && exits "$1" "$RUNFS" run --state "$STATE" .github/workflows/w.yml --label "ubuntu-latest=$2" --secret PASSWORD='open sesame' "${@:3}")
}
says() { contains "$1" "$(cat "$T/out" "$T/err")" "$2"; } # WHAT TEXT
nothing_left() { # but images
    [ -z "$(find "$T/far" -mindepth 1 -maxdepth 1 ! -name lock ! -name containers)" ] &&
        [ -z "$(find "$T/far/containers" -maxdepth 1 -name '.[pb]*ing-*')" ] && ! pgrep -f "sleep 98760$$" >/dev/null
}
layers() { find "$T/far/containers/layers" -mindepth 1 -maxdepth 1 | wc -l; }

say 'its own, services, actions, and what is built'
run 0 "worker:$far --registry $registry" --job whole
if is_root; then user=app; else user=root; fi
says 'its own' "as $user on boxy in /__w/repo/repo, base, own 1234, true ***"
says 'a service' 'it was heard'
says 'an action of an image' 'entry: one two three'
says 'an action of a Dockerfile' 'of a Dockerfile
built by 0'
says 'what that left' 'by-action output'
lacks 'the password' "$(cat "$T/out" "$T/err")" sesame
secret=$(printf 'me:open sesame' | base64)
equal 'the password in files' '' "$(grep -rls -e 'open sesame' -e "$secret" "$T/far" "$STATE" || :)"
equal 'images here' '' "$(find "$STATE/containers" -mindepth 2 2>/dev/null || :)"
rf_wait 20 nothing_left

say 'the next job finds its images, and what was built'
before=$(layers)
run 0 "worker:$far --registry $registry" --job whole
says 'built before' 'Dockerfile has been built of the same before'
lacks 'fetched' "$(cat "$T/out")" "fetching $registry"
equal 'layers' "$before" "$(layers)"
run 0 "worker:$far --registry $registry" --job none
says 'none' 'in /home/runner/work/repo/repo'
says 'a plain job has actions' 'entry: from none'

say 'its machine may be of an image that somebody brought there'
printf 'on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{shell: "sh -e {0}", run: "echo users: $(wc -l </etc/passwd)"}]}}\n' >"$T/image.yml"
exits 0 "$RUNFS" run --state "$STATE" "$T/image.yml" --label "ubuntu-latest=worker:$far --machine sandbox:tool"
says 'its files' 'users: 2'
run 1 "worker:$far --machine sandbox:absent" --job none
says 'one that is not there' 'runfs image pull absent'

say 'it is for the host of the worker to say which registries there are asked'
run 1 "worker:$far" --job whole --registry "$registry"
says 'why' "$registry is this host, or what answers to it alone, which is asked for no workflow"
run 1 "worker:$far --registry $registry" --job whole --secret PASSWORD=wrong
says 'a wrong password' "cannot fetch the image $registry/team/base:1"
lacks 'what is not told' "$(cat "$T/out" "$T/err")" wrong
sed "s#$registry/team/hostile:1#127.0.0.1:1/sesame/a#" "$T/repo/.github/workflows/w.yml" >"$T/secret.yml"
exits 1 "$RUNFS" run --state "$STATE" "$T/secret.yml" --job hostile --label "ubuntu-latest=worker:$far 2>$T/said" --secret PASSWORD=sesame/a
says 'a name with a secret' 'cannot fetch the image 127.0.0.1:1/***:latest'
lacks 'the name' "$(cat "$T/out" "$T/err" "$T/said")" sesame
exits 2 "$RUNFS" worker --registry http://x
exits 2 "$RUNFS" worker --container-pull never
exits 2 "$RUNFS" worker --container-size-mib 0

say 'an image that is none is refused, and nothing of it stays'
run 1 "worker:$far --registry $registry" --job hostile
says 'why' "'../out' leads out of it"
equal 'layers' "$before" "$(layers)"
rf_wait 20 nothing_left

say 'a machine that is no sandbox has none, nor has a worker of before there were any'
run 1 "worker:$far --machine host --registry $registry" --job whole
says 'its machine' 'the container of a job is a sandbox, and its label means host'
run 1 "worker:$far --machine host" --job none
says 'an action' 'a Docker action needs a job that runs in a sandbox'
echo '{"type": "hello", "version": 1, "host": "old"}' >"$T/hello"
run 1 "worker:cat $T/hello; exec sleep 60" --job whole
says 'of before' 'The worker on old has no containers'

say 'a cancel reaches an action, and who kills the runner ends the worker, too'
long() { # SIGNAL: once the action says something
    (cd "$T/repo" && exec "$RUNFS" run --state "$STATE" .github/workflows/w.yml --job long --label "ubuntu-latest=worker:$far" >"$T/long" 2>&1) &
    local pid=$!
    rf_wait 60 grep -q 'it goes on$' "$T/long"
    kill "-$1" $pid
    status=0
    wait $pid || status=$?
    rf_wait 60 nothing_left
}
long INT
equal 'cancelled' 130 "$status"
contains 'always()' "$(cat "$T/long")" 'cleaned up'
long KILL

say 'who cancels a job whose image is being fetched does not wait for the registry; the password is in no argument meanwhile'
"$PYTHON" "$here/tests/servers/endless_registry.py" "$T/asked" 0 >"$T/port" &
children+=($!)
rf_wait 20 test -s "$T/port"
slow=127.0.0.1:$(cat "$T/port")
sed "s#$registry/team/hostile:1#$slow/slow#" "$T/repo/.github/workflows/w.yml" >"$T/slow.yml"
"$RUNFS" run --state "$STATE" "$T/slow.yml" --job hostile --label "ubuntu-latest=worker:$far --registry $slow" --secret PASSWORD='open sesame' >"$T/long" 2>&1 &
long=$!
rf_wait 60 test -s "$T/asked"
fetching=$(pgrep -f "skopeo.*$T/far")
for pid in $fetching; do
    lacks 'an argument' "$(tr '\0' ' ' <"/proc/$pid/cmdline")" sesame
    lacks 'its environment' "$(tr '\0' ' ' <"/proc/$pid/environ")" sesame
done
kill -INT "$long"
status=0
wait "$long" || status=$?
equal 'cancelled' 130 "$status"
for pid in $fetching; do rf_wait 20 gone "$pid"; done
rf_wait 20 nothing_left

say 'where no registry is to be asked about what is here, none is needed'
kill "${children[0]}"
run 0 "worker:$far --registry $registry --container-pull missing" --job whole
says 'it runs' 'it was heard'
rf_wait 20 nothing_left
