# Each shell gets GitHub's exact command line: seen from inside, in /proc/self/cmdline of the shell itself.
. "$(dirname "$0")/lib.sh"
rf_mount
cat >"$T/s.yml" <<'Y'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: tr '\0' ' ' </proc/$$/cmdline
      - shell: bash
        run: tr '\0' ' ' </proc/$$/cmdline
      - shell: sh
        run: tr '\0' ' ' </proc/$$/cmdline
      - shell: python
        run: print(open("/proc/self/cmdline").read().replace("\0", " "))
      - shell: bash -u -x {0} arg
        run: tr '\0' ' ' </proc/$$/cmdline
      - shell: bash
        continue-on-error: true
        run: "false | true\necho not reached"
      - run: "false | true\necho reached"
      - shell: sh
        continue-on-error: true
        run: "false\necho not reached"
      - shell: no-such-shell {0}
        continue-on-error: true
        run: echo
      - shell: bash
        run: 'trap "echo at exit" EXIT; [ -z "${BASH_ENV-}" ] && case $- in *e*) echo errexit ;; esac'
  b:
    runs-on: ubuntu-latest
    defaults: {run: {shell: sh, working-directory: /tmp}}
    steps:
      - run: tr '\0' ' ' </proc/$$/cmdline; pwd
      - shell: bash
        working-directory: ${{ runner.temp }}
        run: pwd
      - working-directory: does/not/exist
        run: pwd
  c:
    runs-on: ubuntu-latest
    steps:
      - shell: perl
        run: print 1;
Y
n=$(rf_drop "$T/s.yml")
shape() { step_out "$n" a "$1" | head -n 1 | sed 's, /[^ ]*, FILE,g; s/ *$//; s,^/[^ ]*/,,'; }
equal 'no shell' 'bash -e FILE' "$(shape 01)"
equal 'bash' 'bash --noprofile --norc -e -o pipefail FILE' "$(shape 02)"
equal 'sh' 'sh -e FILE' "$(shape 03)"
equal 'python' 'FILE' "$(shape 04 | sed 's/^python[0-9.]* //')"
equal 'custom' 'bash -u -x FILE arg' "$(shape 05)"
equal 'bash has pipefail' failure "$(cat "$M/runs/$n"/jobs/a/steps/06-*/outcome)"
equal 'without a name it has not' reached "$(step_out "$n" a 07)"
equal 'sh -e' failure "$(cat "$M/runs/$n"/jobs/a/steps/08-*/outcome)"
lacks 'sh -e' "$(step_out "$n" a 08)" reached
equal 'no such shell' failure "$(cat "$M/runs/$n"/jobs/a/steps/09-*/outcome)"
contains 'no such shell' "$(cat "$M/runs/$n"/jobs/a/steps/09-*/log)" no-such-shell
equal 'the script is the process' $'errexit\nat exit' "$(step_out "$n" a 10)"
contains 'defaults.run.shell' "$(step_out "$n" b 01)" 'sh -e'
contains 'defaults.run.working-directory' "$(step_out "$n" b 01)" ' /tmp'
equal 'a step wins over them' /home/runner/work/_temp "$(step_out "$n" b 02)"
equal 'a directory that is not there' failure "$(cat "$M/runs/$n"/jobs/b/steps/03-*/conclusion)"
contains 'and says which' "$(cat "$M/runs/$n"/jobs/b/steps/03-*/log)" does/not/exist
equal 'a shell without {0}' failure "$(cat "$M/runs/$n/jobs/c/conclusion")"
