# Docker actions run in a machine of their image that has the job's workspace, home and event: `uses: docker://` and
# `using: docker`, with entry points, arguments and environment as Docker puts them together; from a plain job and from one in
# a container; what they write is the job's, and a cancel reaches them.
. "$(dirname "$0")/lib.sh"
. "$here/tests/containers.bash"
need_containers
busybox_root
printf '#!/bin/sh\necho "entry of the image: $*"\n' >"$T/busybox/bin/entry"
chmod 755 "$T/busybox/bin/entry"
image_of tool "$T/busybox" 'Entrypoint=["/bin/entry"]' 'Cmd=["usual"]' 'Env=["PATH=/usr/bin:/bin","FLAVOUR=tool"]'
mkdir -p "$STATE" "$T"/repo/{act,.github/workflows}
"$RUNFS" image pull "oci:$T/images/tool:it" tool --state "$STATE" >/dev/null 2>&1
cat >"$T/repo/act/action.yml" <<'Y'
name: an action
inputs: {who: {default: world}}
runs:
  using: docker
  image: docker://tool
  entrypoint: /bin/sh
  post-entrypoint: /github/workspace/act/post.sh
  args: ["-c", "sh act/main.sh '${{ inputs.who }}'"]
  env: {OWN: "own ${{ inputs.who }}", FLAVOUR: action}
Y
cat >"$T/repo/act/main.sh" <<'S'
echo "argument $1 input $INPUT_WHO env $OWN $FLAVOUR home $HOME in $PWD workspace $GITHUB_WORKSPACE"
test -s "$GITHUB_EVENT_PATH" && test -w "$RUNNER_TEMP" && echo mine >"$RUNNER_TEMP/left"
echo kept >"$HOME/of-home"
mkdir made && echo "by an action" >made/file && rm gone
echo "said=hello $1" >>"$GITHUB_OUTPUT"
echo "FROM_ACTION=env" >>"$GITHUB_ENV"
echo "kept=state" >>"$GITHUB_STATE"
S
printf '#!/bin/sh\necho "post: state $STATE_kept home $(cat $HOME/of-home)"\n' >"$T/repo/act/post.sh"
chmod 755 "$T/repo/act/post.sh"
: >"$T/repo/gone"
job() { # NAME KEY
    cat <<Y
  $1:
    runs-on: ubuntu-latest
    $2
    steps:
      - uses: actions/checkout@v4
      - uses: docker://tool
      - uses: docker://tool
        with: {args: "one 'two three'"}
      - uses: docker://tool
        with: {entrypoint: /bin/echo, args: entered}
      - uses: ./act
        id: act
        with: {who: me}
      - run: |
          echo "\$(cat made/file), \${{ steps.act.outputs.said }}, \$FROM_ACTION, \$(cat "\$RUNNER_TEMP/left")"
          [ ! -e gone ] && echo "not there any more"
Y
}
{
    printf 'on: push\njobs:\n'
    job plain 'name: plain'
    job contained 'container: tool'
    cat <<'Y'
  linked:
    runs-on: ubuntu-latest
    steps:
      - run: cd / && rmdir "$GITHUB_WORKSPACE" && ln -s /proc "$GITHUB_WORKSPACE"
      - uses: docker://tool
        with: {entrypoint: /bin/sh, args: "-c 'wc -c /github/workspace/keys'"}
  long:
    runs-on: ubuntu-latest
    steps:
      - uses: docker://tool
        with: {entrypoint: /bin/sh, args: "-c 'echo it goes on; exec sleep 1000'"}
Y
} >"$T/repo/.github/workflows/w.yml"
repo() { git -C "$T/repo" -c user.name=x -c user.email=x@example.org -c init.defaultBranch=main "$@"; }
repo init -q
repo add -A
repo commit -qm one
run() { (cd "$T/repo" && exits "$1" "$RUNFS" run --state "$STATE" .github/workflows/w.yml --job "$2" "${@:3}"); }

for name in plain contained; do
    say "$name"
    run 0 "$name"
    out=$(cat "$T/out")
    contains 'what the image says' "$out" 'entry of the image: usual'
    contains 'other arguments' "$out" 'entry of the image: one two three'
    contains 'another entry' "$out" $'\nentered'
    contains 'an action' "$out" \
        'argument me input me env own me action home /github/home in /github/workspace workspace /github/workspace'
    contains 'what it leaves' "$out" 'by an action, hello me, env, mine'
    contains 'what it takes away' "$out" 'not there any more'
    contains 'its post' "$out" 'post: state state home kept'
done

say 'what cannot be'
run 1 linked
contains 'a link in its place' "$(cat "$T/out")" 'it is no directory, or a link'
run 1 plain --label ubuntu-latest=host
contains 'another backend' "$(cat "$T/out")" 'needs a job that runs in a sandbox'

say 'a cancel ends it'
(cd "$T/repo" && exec "$RUNFS" run --state "$STATE" .github/workflows/w.yml --job long >"$T/long" 2>&1) &
long=$!
rf_wait 60 grep -q 'it goes on$' "$T/long"
kill -INT "$long"
wait "$long" || status=$?
[ "${status:-0}" != 0 ] || fail 'it went well'
contains cancelled "$(cat "$T/long")" 'The operation was canceled'
