# A machine that is held can be entered after its job: `runfs sh` gives a shell with the step's environment and directory,
# a terminal with its size and job control; failed jobs are held when the setting says so; release lets it go.
. "$(dirname "$0")/lib.sh"
rf_mount
need_sandbox
cat >"$T/ci.yml" <<'END'
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    env: {FROM_JOB: job}
    steps:
      - run: mkdir -p sub && echo left > sub/file
      - run: exit 3
        working-directory: sub
        env: {FROM_STEP: "of ${{ github.run_id }}"}
      - if: always()
        run: echo last
END
n=$(rf_drop "$T/ci.yml")
exits 1 "$RUNFS" sh "$M/runs/$n/jobs/a/steps/02-run-exit-3"
contains 'not held' "$(cat "$T/err")" 'no machine of this job is held'
exits 1 "$RUNFS" sh "$T"
exits 2 "$RUNFS" sh

echo on >"$M/config/hold_on_failure"
n=$(rf_drop "$T/ci.yml")
S=$M/runs/$n/jobs/a/steps/02-run-exit-3
say 'a shell that reads its lines from a pipe'
printf 'echo "[$FROM_JOB $FROM_STEP] $(cat file) $PWD"\nexit 4\n' >"$T/in"
got=0
"$RUNFS" sh "$S" <"$T/in" >"$T/out" || got=$?
equal 'its exit code' 4 "$got"
contains 'environment, directory, files' "$(cat "$T/out")" "[job of $n] left /home/runner/work/ci/ci/sub"

say 'a person at a terminal'
cat >"$T/person.py" <<'END'
import os, pty, re, select, struct, fcntl, termios, sys, time, signal
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 33, 111, 0, 0))
seen = b''
def until(what):
    global seen
    end = time.time() + 30
    while what not in seen:
        if time.time() > end: sys.exit('never saw %r in %r' % (what, seen))
        if select.select([fd], [], [], 0.1)[0]:
            try: seen += os.read(fd, 65536)
            except OSError: sys.exit('it ended at %r' % seen)
    seen = seen[seen.index(what) + len(what):]
def type(text): os.write(fd, text.encode())
until(b'/ci/ci'); type('stty size; echo o""k\n'); until(b'33 111'); until(b'ok')
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 44, 122, 0, 0))
os.kill(pid, signal.SIGWINCH)
type('until [ "$(stty size)" = "44 122" ]; do sleep 0.05; done; echo re""sized\n'); until(b'resized')
type('bash -c "echo sleep""ing; exec sleep 100"\n'); until(b'sleeping'); type('\x03'); until(b'/ci/ci'); type('echo in""terrupted $?\n'); until(b'interrupted 130')
type('bash -c "echo slum""ber; exec sleep 200"\n'); until(b'slumber'); type('\x1a'); until(b'Stopped'); until(b'/ci/ci'); type('kill -9 %1; wait; echo d""one\n'); until(b'done'); until(b'/ci/ci'); type('exit 7\nexit 7\n') # a second time for the stopped job
end = time.time() + 30
while time.time() < end:
    try:
        if select.select([fd], [], [], 0.1)[0]: seen += os.read(fd, 65536)
    except OSError: break
else: sys.exit('it did not end: %r' % seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
exits 7 "$PYTHON" "$T/person.py" "$RUNFS" sh "$M/runs/$n"

echo release >"$M/runs/$n/jobs/a/ctl"
exits 1 "$RUNFS" sh "$S"
(echo release >"$M/runs/$n/jobs/a/ctl") 2>/dev/null && fail 'released twice'
file_has "$M/runs/$n/jobs/a/ctl" 'no machine of this job is held'

say 'a job that goes well is held when somebody asked for it'
workflow "$T/slow.yml" 'until [ -e go ]; do sleep 0.05; done'
n=$(rf_start "$T/slow.yml")
going() { grep -qsx in_progress "$M/runs/$n/jobs/a/steps"/01-*/status; } # the names, each time anew
rf_wait 10 going
echo hold >"$(echo "$M/runs/$n/jobs/a/steps"/01-*/ctl)"
exits 1 "$RUNFS" sh "$M/runs/$n/jobs/a"
contains 'not yet' "$(cat "$T/err")" 'the job is not completed'
echo cancel >"$M/runs/$n/ctl"
ended "$n"
# a program that reads to the end of what is typed leaves that end to the shell, too
printf 'cat >g\nin g\n' | timeout 60 "$RUNFS" sh "$M/runs/$n/jobs/a" >"$T/out" || fail "the shell did not end well: $?"
echo 'exit 0' | "$RUNFS" sh "$M/runs/$n/jobs/a" >/dev/null || fail 'held, but not to be entered'
