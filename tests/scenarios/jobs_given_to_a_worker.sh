# A label gives whole jobs to another host, in a network of its own, by ssh and `runfs worker`. There is to be seen of them what is
# seen of jobs that run here; checkouts, actions, artifacts and caches come from here, and nothing of a job is left there.
. "$(dirname "$0")/lib.sh"
. "$here/tests/elsewhere.bash"
need sshd
need ssh-keygen
need ssh
other_network far 1
rf_mount
need_sandbox
ssh_serve far "$far_at" 22 nsenter -t "$far_net" -n
ssh-keygen -q -t ed25519 -N '' -f "$T/key"
cat "$T/key.pub" >>"$T/authorized_keys"
echo "$far_at $(cut -d ' ' -f 1,2 "$T/far/hostkey.pub")" >"$T/known"
cat >"$T/far.ssh" <<END
Host far
    HostName $far_at
    User $(id -un)
    IdentityFile $T/key
    IdentitiesOnly yes
    UserKnownHostsFile $T/known
    GlobalKnownHostsFile /dev/null
END
echo "worker:ssh -F $T/far.ssh far \"$RUNFS worker --machine 'sandbox network=host' --state $T/far/state\"" >"$M/config/labels/far"
echo "worker:$RUNFS worker --state $T/near" >"$M/config/labels/near"
echo sandbox >"$M/config/labels/box"
printf 'hush-hush\nof two lines\n' >"$M/secrets/WORD"
echo blue >"$M/vars/COLOUR"

mkdir -p "$T/actions/o/say" "$T/repo/.github/workflows" "$T/repo/local"
git -C "$T" init -q repo
git -C "$T" init -q actions/o/say
printf 'inputs: {what: {}}\noutputs: {said: {value: "${{ steps.s.outputs.x }}"}}\nruns:\n  using: composite\n  steps:\n    - id: s\n      shell: bash\n      run: echo "say ${{ inputs.what }}"; echo "x=it" >>"$GITHUB_OUTPUT"\n' |
    tee "$T/actions/o/say/action.yml" >"$T/repo/local/action.yml"
echo "$T/actions" >"$M/config/actions_mirror"
echo content >"$T/repo/file"
cat >"$T/repo/.github/workflows/all.yml" <<'END'
on: [push, workflow_dispatch]
jobs:
  job:
    strategy: { fail-fast: false, matrix: { on: [box, far, near] } }
    runs-on: ${{ matrix.on }}
    defaults: { run: { shell: bash } }
    env: { WORD: "${{ secrets.WORD }}", COLOUR: "${{ vars.COLOUR }}" }
    outputs: { sum: "${{ steps.big.outputs.sum }}" }
    steps:
      - uses: actions/checkout@v4
      - run: cat file; echo "$COLOUR"; printf '\377\n'; pwd
      - run: |
          echo "it is" $WORD; w=new; echo "::add-mask::$w-word"; echo "the $w-word"; echo "$WORD" | tail -n 1
          echo "o=$w-word" >>"$GITHUB_OUTPUT"; echo "# sum" >>"$GITHUB_STEP_SUMMARY"
          echo "::warning file=file,line=1::look"
          echo "MULTI<<E" >>"$GITHUB_ENV"; echo "one" >>"$GITHUB_ENV"; echo "two" >>"$GITHUB_ENV"; echo E >>"$GITHUB_ENV"
      - uses: o/say@main
        with: { what: "$MULTI" }
      - uses: ./local
        with: { what: here }
      - id: big
        run: head -c 300000 /dev/zero | tr '\0' z >f; echo "sum=$(sha256sum <f)" >>"$GITHUB_OUTPUT"; cat f
      - uses: actions/upload-artifact@v4
        with: { name: "of ${{ matrix.on }}", path: f }
      - uses: actions/cache@v4
        with: { path: kept, key: "k-${{ matrix.on }}" }
      - run: ls kept || mkdir kept; date >kept/f
      - run: echo err >&2; exit 7
        continue-on-error: true
      - run: sleep 100
        timeout-minutes: 0.01
        continue-on-error: true
      - run: no-such-command
        continue-on-error: ${{ github.event_name == 'workflow_dispatch' }}
      - if: failure()
        run: echo "after ${{ steps.big.outcome }}"
      - if: always()
        uses: actions/download-artifact@v4
        with: { name: "of ${{ matrix.on }}", path: got }
      - if: always()
        run: sha256sum <got/f
  next:
    needs: job
    if: always()
    runs-on: far
    steps:
      - run: echo "${{ needs.job.result }} ${{ needs.job.outputs.sum }}"
END
for dir in "$T/repo" "$T/actions/o/say"; do
    git -C "$dir" add -A
    git -C "$dir" -c user.name=a -c user.email=a@b commit -qm first
    git -C "$dir" branch -qM main
done
ln -s "$T/repo" "$M/repos/r"
echo >"$M/dispatch/r/all.yml"
n=$(cat "$M/dispatch/r/all.yml")
ended "$n"

what_came() { # LABEL: all that the mount shows of its job, but for times and what is named after the label
    local job=$M/runs/$n/jobs/job-$1
    cat "$job/conclusion" "$job/exit_code" "$job/outputs/sum" "$job/why"
    (cd "$job/steps" && find . -type f ! -name duration_ms ! -name '*_at' ! -name ctl ! -name artifact-id ! -name artifact-url | LC_ALL=C sort | "$PYTHON" -c 'import re, sys
for f in sys.stdin.read().splitlines():
    text = open(f, "rb").read().replace(sys.argv[1].encode(), b"LABEL")
    print(f, re.sub(rb"ID is [0-9]*", b"ID is N", re.sub(rb"(?<![^ \n])[^ \n]*/step-[0-9]*.sh", b"script", text)))' "$1")
    sed "s/$1/LABEL/g" "$M/runs/$n/artifacts/of $1/f" | sha256sum
}
what_came box >"$T/came-box"
for label in far near; do
    what_came $label >"$T/came-$label"
    diff "$T/came-box" "$T/came-$label" >"$T/differ" || fail "a job $label is not as one here: $(head -n 10 "$T/differ")"
    file_is "$M/runs/$n/jobs/job-$label/backend" worker
done
file_has "$T/came-box" success
equal 'annotations of each' 3 "$(grep -c '^file:1' "$M/runs/$n/annotations")"
contains 'needs' "$(step_out "$n" next 01)" "success $(cat "$M/runs/$n/jobs/job-far/outputs/sum")"
equal 'the host that it ran on' "$(nsenter -t "$far_net" -n hostname)" "$(hostname)"

# again: the caches are found, and what failed fails the job
echo '{}' >"$M/events/push"
n=$(readlink "$M/runs/latest")
ended "$n"
for label in box far near; do
    file_is "$M/runs/$n/jobs/job-$label/conclusion" failure
    contains 'the cache' "$(step_out "$n" "job-$label" 09)" f
    contains 'after a failure' "$(step_out "$n" "job-$label" 13)" 'after success'
done

# a secret that the job was given, or made, is in nothing that is shown
tar -C "$M" --exclude runs/latest -cf "$T/all.tar" runs 2>/dev/null || :
for word in hush-hush 'of two lines' new-word; do refused grep -aqF "$word" "$T/all.tar"; done
grep -aq 'the \*\*\*' "$T/all.tar"
nothing_there() { [ -z "$(find "$T/far/state" "$T/near" -mindepth 1 ! -name lock)" ]; }
rf_wait 20 nothing_there

# what only machines of this runner can do is refused in words
cat >"$T/long.yml" <<'END'
on: push
jobs:
  a:
    runs-on: far
    steps:
      - run: echo begun; sleep 1000
      - if: always()
        run: echo cleaned up
END
n=$(rf_start "$T/long.yml")
rf_wait 30 grep -qx begun "$M/runs/$n/log"
job=$M/runs/$n/jobs/a
refused sh -c "echo hold >'$job/ctl'"
file_has "$job/ctl" 'runs on another host, by a worker'
refused sh -c "echo resume >'$(echo "$job"/steps/02-*)/ctl'"

# cancelled, it ends as one here does
echo cancel >"$job/ctl"
ended "$n"
file_is "$job/conclusion" cancelled
contains 'what always runs' "$(step_out "$n" a 02)" 'cleaned up'
rf_wait 20 nothing_there
