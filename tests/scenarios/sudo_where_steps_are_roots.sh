# Workflows written for GitHub's own machines say `sudo`: in a machine that is the job's alone, where steps are root's,
# it runs what it is given, as root or as whom it names, whether the machine has sudo(8) or not; also for actions. A host's
# own processes have what the host has.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/r/.github/workflows" "$T/r/act"
cat >"$T/r/act/action.yml" <<'END'
runs: {using: composite, steps: [{run: 'echo "in an action: $(sudo id -u)"', shell: bash}]}
END
cat >"$T/r/.github/workflows/ci.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: |
          printf 'some\n' | sudo tee /etc/written >/dev/null && sudo cat /etc/written
          sudo A=1 B='x y' sh -c 'echo "variables: $A, $B"'
          echo "home: $(sudo sh -c 'echo $HOME'), kept: $(sudo -E sh -c 'echo $HOME')"
          sudo -n -- printf '[%s]' 'a b' -u c; echo
          sudo -nu nobody id -un; sudo --user=nobody id -gn; sudo -E -H -u '#0' id -un
          sudo -i pwd; sudo -D /etc pwd; sudo -v && echo validated
          sudo -u nobody-at-all true || echo "unknown: $?"
          sudo || echo "nothing: $?"
          sudo sh -c 'exit 7' || echo "its own: $?"
          sudo -b true && echo behind
          sudo -nl touch /etc/listed && test ! -e /etc/listed && echo 'only listed'
          sudo --list no-such-program || echo "not listed: $?"
      - run: id -un
        shell: sudo bash -e {0}
      - uses: ./act
  on_the_host:
    runs-on: own
    steps: [{run: 'command -v sudo || echo none of ours'}]
END
git_commit "$T/r"
rf_mount
need_sandbox # as root: a user of one's own only is nobody else in a sandbox
need_root
rf_umount
cd "$T/r"
out=$("$RUNFS" run --state "$STATE" --label own=host) || fail "$out"
for line in some 'variables: 1, x y' 'home: /root, kept: /home/runner' '[a b][-u][c]' nobody nogroup root /root /etc validated \
    'unknown: 1' 'nothing: 1' 'its own: 7' behind /usr/bin/touch 'only listed' 'not listed: 1' 'in an action: 0'; do
    grep -Fqx -- "$line" <<<"$out" || fail "no line '$line' in: $out"
done
equal "the host's own" "$(command -v sudo || echo none of ours)" "$("$RUNFS" run --state "$STATE" --label own=host --job on_the_host | grep -x -e '/.*' -e 'none of ours')"
