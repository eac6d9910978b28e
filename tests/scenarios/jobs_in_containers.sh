# `container:` as GitHub runs it: in an image, by its user and with what it says of the environment, by `sh`, at GitHub's
# paths; with the built-in actions and those in JavaScript, whatever the image lacks; with credentials, which no log shows.
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
need node
busybox_root
$PYTHON -c 'import crypt; print("me:" + crypt.crypt("open sesame", "$2b$05$abcdefghijklmnopqrstuu"))' >"$T/htpasswd" 2>/dev/null
registry_start htpasswd "$T/htpasswd"
image_of base "$T/busybox" 'Env=["PATH=/usr/bin:/bin","FLAVOUR=plain","HOME=/root"]'
image_of app "$T/busybox" 'User="app"'
push base team/base:1 --dest-creds 'me:open sesame'
mkdir -p "$T/repo/act" "$T/repo/.github/workflows" "$STATE"
for name in base app; do "$RUNFS" image pull "oci:$T/images/$name:it" "$name" --state "$STATE" >/dev/null 2>&1; done
repo() { git -C "$T/repo" -c user.name=x -c user.email=x@example.org -c init.defaultBranch=main "$@"; }
cat >"$T/repo/act/action.yml" <<'Y'
name: an action
inputs: {who: {default: world}}
outputs: {said: {description: what it said}}
runs: {using: node20, main: main.js, post: post.js}
Y
cat >"$T/repo/act/main.js" <<'J'
const fs = require("fs"), run = require("child_process");
if (process.argv[2]) { console.log("started again"); process.exit(0); }
console.log("hello " + process.env.INPUT_WHO + " in " + process.cwd());
fs.appendFileSync(process.env.GITHUB_OUTPUT, "said=hello\n");
console.log(run.execFileSync(process.execPath, [__filename, "again"]).toString());
J
echo 'console.log("post of it");' >"$T/repo/act/post.js"
repo init -q
cat >"$T/repo/.github/workflows/w.yml" <<Y
on: push
env: {FROM_WORKFLOW: workflow}
jobs:
  plain:
    runs-on: ubuntu-latest
    container: base
    steps:
      - run: |
          echo "by \$0 as \$(id -u) in \$PWD, home \$HOME, flavour \$FLAVOUR, path \$PATH"
          echo "workspace \$GITHUB_WORKSPACE temp \$RUNNER_TEMP tools \$RUNNER_TOOL_CACHE event \$GITHUB_EVENT_PATH"
          test -s \$GITHUB_EVENT_PATH && test -d \$HOME && test -d \$RUNNER_TEMP && test -w \$GITHUB_WORKSPACE
          [ -z "\$USER" ] && grep -q '\${{ runner.temp }}' <<X
          \$RUNNER_TEMP
          X
          echo "container \${{ job.container.id != '' }} \${{ job.container.network != '' }}"
          echo K=v >> \$GITHUB_ENV; echo /opt/own >> \$GITHUB_PATH; echo o=output >> \$GITHUB_OUTPUT
        id: first
      - run: echo "\$K \${{ steps.first.outputs.o }} \$PATH"
      - run: echo "has a shell of its own"
        shell: ash -e {0}
  mapping:
    runs-on: ubuntu-latest
    strategy: {matrix: {user: ["", "-u app:extra"]}}
    container:
      image: \${{ format('{0}', 'app') }}
      env: {OWN: "\${{ env.FROM_WORKFLOW }}", NUMBER: 7}
      options: --hostname boxy -e "TWO=a b" --cpus 1 --privileged \${{ matrix.user }}
      volumes: ["data:/data", /scratch]
    steps:
      - uses: actions/checkout@v4
      - run: |
          echo "\$OWN \$NUMBER \$TWO \$(hostname) \$(id -un):\$(id -gn) in \$(ls | tr '\n' ' ')"
          touch mine && test -d /data && test -d /scratch
          echo '\${{ hashFiles('act/*.js') != '' }}'
      - uses: ./act
        id: act
        with: {who: '\${{ matrix.user }}'}
      - run: echo "it said \${{ steps.act.outputs.said }}"
      - uses: actions/upload-artifact@v4
        with: {name: "of \${{ strategy.job-index }}", path: act}
      - uses: actions/cache@v4
        with: {path: act, key: "of \${{ strategy.job-index }}"}
  none:
    runs-on: ubuntu-latest
    strategy: {matrix: {image: ["", base]}}
    container: \${{ matrix.image }}
    steps:
      - run: echo "image '\${{ matrix.image }}' in \$PWD"
  private:
    runs-on: ubuntu-latest
    container:
      image: docker://$registry/team/base:1
      credentials: {username: me, password: "\${{ secrets.PASSWORD }}"}
    steps:
      - run: echo "fetched, flavour \$FLAVOUR"
Y
repo add -A
repo commit -qm one
run() { (cd "$T/repo" && exits "$1" "$RUNFS" run --state "$STATE" .github/workflows/w.yml --registry "$registry" --secret PASSWORD='open sesame' "${@:2}"); }

say 'GitHub'\''s paths, the image'\''s environment'
run 0 --job plain
out=$(cat "$T/out")
contains environment "$out" 'as 0 in /__w/repo/repo, home /github/home, flavour plain, path /usr/bin:/bin'
contains paths "$out" 'workspace /__w/repo/repo temp /__w/_temp tools /__t event /github/workflow/event.json'
contains 'the shell' "$out" 'shell: sh -e {0}'
contains contexts "$out" 'container true true'
contains 'what a step leaves' "$out" 'v output /opt/own:/usr/bin:/bin'
contains 'another shell' "$out" 'has a shell of its own'

say 'its own user, environment and options; the actions of the runner, and those in JavaScript'
run 0 --job mapping
out=$(cat "$T/out")
if is_root; then
    contains 'the user of the image' "$out" 'workflow 7 a b boxy app:app in act'
    contains 'the user of the options' "$out" 'workflow 7 a b boxy app:extra in act'
else
    contains 'one user' "$out" 'workflow 7 a b boxy root:root in act'
    contains 'and why' "$out" 'its steps are root'\''s all the same'
fi
contains 'what is not done is named' "$out" 'container.options: --privileged cannot be done'
contains 'an action' "$out" 'hello -u app:extra in /__w/repo/repo'
contains 'node again' "$out" 'started again'
contains 'its post' "$out" 'post of it'
contains 'its output' "$out" 'it said hello'
contains hashFiles "$out" true
contains 'an artifact' "$out" 'Artifact of 0 has been successfully uploaded'
contains 'a cache' "$out" 'Cache saved with key: of 1'

say 'no name of an image is none'
run 0 --job none
contains none "$(cat "$T/out")" "image '' in /home/runner/work/repo/repo"
contains one "$(cat "$T/out")" "image 'base' in /__w/repo/repo"

say 'a registry that asks who it is'
run 0 --job private
contains fetched "$(cat "$T/out")" 'fetched, flavour plain'
lacks 'the password' "$(cat "$T/out")" sesame
lacks 'the password' "$(find "$STATE" -type f -name '*auth*' -exec cat {} +)" sesame
run 1 --job private --secret PASSWORD=wrong
contains refused "$(cat "$T/out" "$T/err")" "cannot fetch the image $registry/team/base:1"
lacks 'what is not told' "$(cat "$T/out" "$T/err")" wrong

say 'what cannot be'
sed 's#\["data:/data", /scratch\]#["/etc:/host"]#' "$T/repo/.github/workflows/w.yml" >"$T/w2.yml"
(cd "$T/repo" && exits 1 "$RUNFS" run --state "$STATE" "$T/w2.yml" --job mapping)
contains 'directories of the host' "$(cat "$T/out" "$T/err")" 'would show the job a directory of the host'
(cd "$T/repo" && exits 1 "$RUNFS" run --state "$STATE" .github/workflows/w.yml --job plain --label ubuntu-latest=host)
contains 'another backend' "$(cat "$T/out" "$T/err")" 'the container of a job is a sandbox, and its label means host'
