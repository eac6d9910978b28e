# `services:` as GitHub has them: from a registry, started before the job's first step and waited for until they are healthy;
# found by name from a job in a container, and by mapped ports of localhost from one that is in none. Behind the last step they are
# stopped, and nothing of them is left.
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
busybox_root
redis_into_root
registry_start
image_of redis "$T/busybox" 'Entrypoint=["redis-server"]' 'Cmd=["--protected-mode","no","--save",""]' 'User="app"' \
    'Env=["PATH=/usr/bin:/bin","FLAVOUR=plain"]'
image_of app "$T/busybox"
push redis team/redis:7
push app team/app:1
mkdir -p "$T/repo/.github/workflows"
cat >"$T/repo/.github/workflows/w.yml" <<Y
on: push
jobs:
  contained:
    runs-on: ubuntu-latest
    container: $registry/team/app:1
    services:
      cache:
        image: $registry/team/redis:7
        options: --health-cmd "redis-cli ping" --health-interval 1s --health-timeout 5s --health-retries 30 --network-alias second
      Other:
        image: $registry/team/redis:7
        env: {FLAVOUR: "\${{ github.event_name }}"}
        entrypoint: sh -c
        command: >-
          'echo flavour \$FLAVOUR in \$PWD as \$(id -u); hostname; until echo QUIT | nc cache 6379; do sleep 0.1; done; exec nc -ll -p 7 -e echo heard'
    steps:
      - run: |
          redis-cli -h cache set greeting hello
          echo "it says \$(redis-cli -h second get greeting) on \${{ job.services.cache.network == job.container.network }}"
          while ! said=\$(nc Other 7 </dev/null); do sleep 0.1; done # it has no health check that was waited for
          echo "the other one \$said"
          cat /etc/hosts | head -n 3
  mapped:
    runs-on: ubuntu-latest
    strategy: {matrix: {port: ["6379", "16379:6379", "127.0.0.1:26379:6379/tcp"]}}
    services:
      redis:
        image: $registry/team/redis:7
        ports: ["\${{ matrix.port }}"]
        options: --health-cmd "redis-cli ping" --health-interval 1s --health-retries 30
      twin:
        image: $registry/team/redis:7
        ports: ["6380:6379"]
        options: --health-cmd "redis-cli ping" --health-interval 1s --health-retries 30
      none:
        image: \${{ matrix.nothing }}
    steps:
      - run: |
          redis-cli -p "\${{ job.services.redis.ports['6379'] }}" set who redis
          redis-cli -h localhost -p 6380 set who twin
          echo "who: \$(redis-cli -h ::1 -p "\${{ job.services.redis.ports[6379] }}" get who) \$(redis-cli -p 6380 get who)"
          echo "ports \${{ toJSON(job.services) }}"
      - run: head -c 5000000 /dev/zero | tr '\\0' x | redis-cli -p 6380 -x set big; redis-cli -p 6380 strlen big
Y
repo() { git -C "$T/repo" -c user.name=x -c user.email=x@example.org -c init.defaultBranch=main "$@"; }
repo init -q
repo add -A
repo commit -qm one
run() { (cd "$T/repo" && exits "$1" "$RUNFS" run --state "$STATE" .github/workflows/w.yml --registry "$registry" "${@:2}"); }

say 'a job in a container finds them by name'
run 0 --job contained
out=$(cat "$T/out")
contains 'the step of its own' "$out" 'Initialize containers'
contains 'what it does' "$out" '##[group]Starting cache service container'
contains 'what it waits for' "$out" 'cache service is healthy.'
contains 'by name' "$out" 'it says hello on true'
contains 'one to another' "$out" '+OK'
contains 'entry point, command and environment of the workflow' "$out" 'flavour push in / as'
contains 'what it said' "$out" '##[group]Print service container logs: Other'
contains 'its end' "$out" 'Stop and remove container: cache'

say 'any other finds them on localhost'
run 0 --job mapped
out=$(cat "$T/out")
equal 'each its own' 3 "$(grep -c 'who: redis twin' "$T/out")"
contains 'a port of its own choice' "$out" '"6379": "16379"'
contains 'much at once' "$out" 5000000

say 'in the mount, beside what else comes before the first step'
rf_mount
echo "$registry" >"$M/config/local_registries"
cat >"$T/beside.yml" <<Y
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    services:
      cache: {image: $registry/team/redis:7}
    steps:
      - run: echo kept >f
      - uses: actions/upload-artifact@v4
        with: {name: it, path: f}
Y
n=$(rf_drop "$T/beside.yml")
file_is "$M/runs/$n/conclusion" success
equal 'its steps' '00-initialize-containers 00-set-up-job 01-run-echo-kept-f 02-run-actions-upload-artifact-v4 03-stop-containers' \
    "$(cd "$M/runs/$n/jobs/a/steps" && echo *)"
file_has "$M/runs/$n/jobs/a/steps/00-initialize-containers/log" 'Starting cache service container'
lacks 'the daemon' "$(cat "$M/log")" ' error '
