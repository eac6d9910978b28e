"""Drops workflows that a seed makes, and throws at a mount what people and accidents do: cancel, run again, resume, hold, delete,
kill, unmount, lock its database. In the end nothing may be left that cannot be; what is, is told, and the exit status is 1.

    states.py RUNFS STATE MNT SEED SECONDS
"""

import http.client
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

runfs, state, mnt, seed, seconds = sys.argv[1:4] + [int(sys.argv[4]), float(sys.argv[5])]
rng = random.Random(seed)
wrong = []
LABELS = ["here", "here", "here", "ubuntu-latest", "far"]
CONDITIONS = [None, None, None, "always()", "failure()", "cancelled()", "!cancelled()", "success()", "false"]


def read(*path):
    try:
        with open(os.path.join(mnt, *map(str, path))) as f:
            return f.read().rstrip("\n")
    except OSError:
        return None


def write(text, *path):
    """What is refused is refused: the answer is no matter here."""
    try:
        with open(os.path.join(mnt, *map(str, path)), "w") as f:
            f.write(text)
        return True
    except OSError:
        return False


def one_of(kind, among=None):
    try:
        names = os.listdir(os.path.join(mnt, kind))
    except OSError:
        return None
    names = [n for n in names if n.isdigit() or among]
    return rng.choice(sorted(names)) if names else None


# ------------------------------------------------------------------------------------------------ workflows


def a_step(n):
    run = rng.choice(
        ["true", "true", "echo out; echo err >&2", "sleep 0.0%d" % rng.randrange(10), "sleep 0.%d" % rng.randrange(4), "exit 3"]
        + ["echo said=%d >>$GITHUB_OUTPUT" % n, "echo ::warning::mind", "seq 300", "echo '# it' >>$GITHUB_STEP_SUMMARY"]
        + ["trap '' INT TERM; sleep 0.3", "(sleep 0.2; true) & true"]
    )
    step = {"id": "s%d" % n, "run": run}
    if rng.random() < 0.2:
        step["if"] = rng.choice(CONDITIONS[3:])
    if rng.random() < 0.1:
        step["continue-on-error"] = True
    if rng.random() < 0.1:
        step["timeout-minutes"] = 0.002
    if rng.random() < 0.1:
        step["background"] = True
    if rng.random() < 0.05:
        return {"uses": "./nowhere"}
    if rng.random() < 0.08:
        return {"uses": "actions/upload-artifact@v4", "with": {"name": "a%d" % rng.randrange(3), "path": "/etc/hostname"}}
    return step


def a_group():
    group = {"group": "g%d" % rng.randrange(2)}
    if rng.random() < 0.4:
        group["cancel-in-progress"] = True
    elif rng.random() < 0.3:
        group["queue"] = "max"
    return group


def a_job(before, callable_):
    job = {}
    if before and rng.random() < 0.6:
        job["needs"] = rng.sample(before, rng.randrange(1, min(len(before), 2) + 1))
    condition = rng.choice(CONDITIONS)
    if condition:
        job["if"] = condition
    if rng.random() < 0.35:
        n = rng.choice(["[1]", "[1, 2]", "[1, 2, 3]", "[1, 2, 3, 4]", "${{ fromJSON('[]') }}"])
        job["strategy"] = {"matrix": {"n": json.loads(n) if n[0] == "[" else n}, "fail-fast": rng.random() < 0.5}
        if rng.random() < 0.4:
            job["strategy"]["max-parallel"] = rng.randrange(1, 3)
    if rng.random() < 0.15:
        job["concurrency"] = a_group()
    if callable_ and rng.random() < 0.2:
        job["uses"] = "./.github/workflows/" + rng.choice(callable_)
        return job
    job["runs-on"] = rng.choice(LABELS)
    if rng.random() < 0.03:
        job["runs-on"] = "nobody-has-this"
    if rng.random() < 0.1:
        job["continue-on-error"] = True
    if rng.random() < 0.1:
        job["timeout-minutes"] = 0.003
    if rng.random() < 0.1:
        job["environment"] = "e"
    if rng.random() < 0.3:
        job["outputs"] = {"said": "${{ steps.s0.outputs.said }}"}
    job["steps"] = [a_step(i) for i in range(rng.randrange(1, 5))]
    return job


def a_workflow(on, callable_):
    jobs = {}
    for i in range(rng.randrange(1, 6)):
        jobs["j%d" % i] = a_job(list(jobs), callable_)
    workflow = {"on": on, "jobs": jobs}
    if rng.random() < 0.25:
        workflow["concurrency"] = a_group()
    return json.dumps(workflow)  # which is YAML, too


# ----------------------------------------------------------------------------------------------- what is done


def drop():
    write(a_workflow("push", ["inner.yml", "outer.yml"]), "workflows", "w%d.yml" % rng.randrange(4))


def drop_several():
    for _ in range(rng.randrange(2, 5)):
        drop()


def told(verbs, *path):
    def tell():
        run = one_of("runs")
        at = [("runs", run)]
        if run and "jobs" in path:
            job = one_of("runs/%s/jobs" % run, True)
            at = job and [("runs", run, "jobs", job)]
            if job and "steps" in path:
                step = one_of("runs/%s/jobs/%s/steps" % (run, job), True)
                at = step and [("runs", run, "jobs", job, "steps", step)]
        if run and at:
            write(rng.choice(verbs), *at[0], "ctl")

    return tell


def cancel_newest():
    newest = read("runs", "latest", "status") and os.readlink(os.path.join(mnt, "runs/latest"))
    for _ in range(rng.randrange(1, 3)):
        if newest:
            write("cancel", "runs", newest, "ctl")


def delete():
    run = one_of("runs")
    try:
        if run:
            os.rmdir(os.path.join(mnt, "runs", run))
    except OSError:
        pass


def unregister():
    name = one_of("workflows", True)
    if name and name.startswith("w"):
        try:
            os.unlink(os.path.join(mnt, "workflows", name))
        except OSError:
            pass


def look():
    for path in ["status", "metrics", "runs/latest/log", "runs/latest/timeline.svg", "runs/latest/graph.svg", "runs/latest/annotations"]:
        read(path)


def slots():
    write(str(rng.randrange(1, 5)), "config", "slots")


def pause():
    time.sleep(rng.random() * 0.15)


def lock_database():
    """Another program has it for a while; jobs go on."""

    def hold(for_):
        db = sqlite3.connect(os.path.join(state, "runfs.db"), isolation_level=None, timeout=2)
        try:
            db.execute("BEGIN IMMEDIATE")
            time.sleep(for_)
        except sqlite3.Error:
            pass
        db.close()

    threading.Thread(target=hold, args=(rng.choice([0.1, 0.5, 1.5]),)).start()


def fill_disk():
    """Only where the state is a file system of its own. With room again, jobs begin again."""

    def fill(for_):
        path = os.path.join(state, "fill-%d" % threading.get_ident())
        try:
            with open(path, "wb") as f:
                while True:
                    f.write(bytes(4096))
                    f.flush()
        except OSError:
            pass
        time.sleep(for_)
        os.unlink(path)

    if os.path.ismount(state):
        threading.Thread(target=fill, args=(rng.choice([0.1, 0.5, 1.5]),)).start()


def mount():
    for _ in range(20):  # one that was killed may need a moment
        if subprocess.run([runfs, "mount", "--state", state, mnt], stderr=subprocess.PIPE).returncode == 0:
            return
        time.sleep(0.2)
    sys.exit("it cannot be mounted again")


def kill():
    pid = next((int(line[5:]) for line in (read("status") or "").splitlines() if line.startswith("pid: ")), None)
    if pid:
        os.kill(pid, signal.SIGKILL)
        while os.path.exists("/proc/%d" % pid):
            time.sleep(0.01)
        mount()


def remount():
    subprocess.run([runfs, "umount", mnt], check=True)
    mount()


DEEDS = (
    [drop] * 14
    + [drop_several] * 4
    + [told(["cancel"])] * 4
    + [cancel_newest] * 4
    + [told(["rerun", "rerun-failed", "rerun-failed", "delete-logs"])] * 8
    + [told(["cancel", "rerun", "hold", "release"], "jobs")] * 6
    + [told(["resume", "hold", "release"], "jobs", "steps")] * 4
    + [delete, delete, unregister, slots, lock_database, fill_disk]
    + [look] * 2
    + [pause] * 20
    + [kill, remount]
)

# -------------------------------------------------------------------------------------------- what has to hold


def check(what, sql, *args):
    for row in db.execute(sql, args).fetchall()[:5]:
        wrong.append("%s: %s" % (what, dict(zip([c[0] for c in db.execute(sql, args).description], row))))


def check_rows():
    check("a run without an end", "SELECT id, status, conclusion FROM runs WHERE status <> 'completed' OR conclusion = ''")
    check(
        "a job without an end",
        "SELECT id, run_id, attempt, key, status, conclusion FROM jobs WHERE status <> 'completed' OR conclusion = ''",
    )
    check(
        "a step without an end",
        "SELECT id, run_id, job_id, number, name, status, conclusion FROM steps WHERE status <> 'completed' OR conclusion = ''"
        " OR outcome = ''",
    )
    check(
        "a job of no run", "SELECT id, run_id FROM jobs WHERE run_id NOT IN (SELECT id FROM runs)"
    )
    check("a step of no job", "SELECT id, run_id, job_id FROM steps WHERE job_id NOT IN (SELECT id FROM jobs)")
    check("an output of no job", "SELECT id, job_id FROM outputs WHERE job_id NOT IN (SELECT id FROM jobs)")
    check(
        "an annotation of nothing",
        "SELECT id, run_id, job_id FROM annotations WHERE run_id NOT IN (SELECT id FROM runs)"
        " OR (job_id <> 0 AND job_id NOT IN (SELECT id FROM jobs))",
    )
    check("an attempt of no run", "SELECT id, run_id FROM attempts WHERE run_id NOT IN (SELECT id FROM runs)")
    check(
        "an attempt that is missing",
        "SELECT id, attempt, (SELECT count(*) FROM attempts a WHERE a.run_id = runs.id) AS kept FROM runs WHERE kept <> attempt - 1",
    )
    check("a run without jobs", "SELECT id, attempt FROM runs WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.run_id = runs.id AND j.attempt = runs.attempt)")
    check("an end before its beginning", "SELECT id, started_at, completed_at FROM runs WHERE completed_at < started_at OR started_at < created_at")
    check("an end before its beginning (job)", "SELECT id, run_id, key, started_at, completed_at FROM jobs WHERE completed_at < started_at OR completed_at = 0")
    check("an end before its beginning (step)", "SELECT id, run_id, name, started_at, completed_at FROM steps WHERE completed_at < started_at OR completed_at = 0")
    check(
        "a step outside of its job",
        "SELECT s.id, s.run_id, j.key, s.name FROM steps s JOIN jobs j ON j.id = s.job_id WHERE s.started_at <> 0 AND s.completed_at > j.completed_at",
    )
    check(
        "steps that are not numbered one after another",
        "SELECT job_id, max(number) AS last, sum(number > 0) AS n FROM steps GROUP BY job_id HAVING last <> n",
    )
    check(
        "a job that ended well though a step did not",
        "SELECT j.id, j.run_id, j.key, s.name, s.conclusion FROM jobs j JOIN steps s ON s.job_id = j.id WHERE j.conclusion = 'success'"
        " AND s.conclusion NOT IN ('success', 'skipped', 'cancelled')",
    )
    check(
        "a run that ended well though a job did not",
        "SELECT r.id, j.key, j.conclusion FROM runs r JOIN jobs j ON j.run_id = r.id AND j.attempt = r.attempt"
        " WHERE r.conclusion = 'success' AND j.conclusion IN ('interrupted', 'cancelled')",
    )
    check("a machine that lives", "SELECT id, title, state FROM machines WHERE lives")
    check("a run that has no end for others", "SELECT run_id, which FROM run_texts WHERE run_id NOT IN (SELECT id FROM runs)")
    for row in db.execute("PRAGMA integrity_check"):
        if row[0] != "ok":
            wrong.append("the database: " + row[0])


def check_order():
    """No job began before what it needs had ended, within its attempt; a kept one is as it was."""
    jobs = {}
    for row in db.execute("SELECT run_id, attempt, caller, job_id, needs, key, started_at, completed_at, log_job_id FROM jobs"):
        jobs.setdefault(row[:3], []).append(row[3:])
    for place, there in jobs.items():
        for job_id, needs, key, started, _, kept in there:
            for other_id, _, other, _, ended, other_kept in there:
                if started and not kept and not other_kept and other_id in json.loads(needs) and ended > started:
                    wrong.append("%s: %s began before %s had ended" % (place, key, other))


def check_groups():
    """One at a time has a concurrency group."""
    spans = {}
    for group, run, began, ended in db.execute("SELECT concurrency, id, started_at, completed_at FROM runs WHERE concurrency <> ''"):
        spans.setdefault(group.lower(), []).append((began, ended, run, ""))
    for group, run, key, began, ended in db.execute(
        "SELECT j.concurrency, j.run_id, key, j.started_at, j.completed_at FROM jobs j WHERE j.concurrency <> '' AND j.started_at <> 0"
        " AND NOT j.log_job_id AND j.attempt = (SELECT attempt FROM runs r WHERE r.id = j.run_id)"
    ):
        spans.setdefault(group.lower(), []).append((began, ended, run, key))
    for group, there in spans.items():
        there.sort()
        for (_, ended, run, key), (began, end, run2, key2) in zip(there, there[1:]):
            if began < ended and end > began:
                wrong.append("group %s: %d %s had not ended when %d %s began" % (group, run, key, run2, key2))


def check_file(path):
    try:
        said = os.stat(path).st_size
        with open(path, "rb") as f:
            is_ = len(f.read())
        if said != is_:
            wrong.append("%s: of %d bytes, not %d" % (path, is_, said))
    except OSError as e:
        wrong.append("%s: %s" % (path, e))


def check_files(runs):
    """What the tree shows is whole, and as long as it says."""
    for run in runs:
        for top, _, names in os.walk(os.path.join(mnt, "runs", str(run))):
            for path in [os.path.join(top, name) for name in names if name != "ctl"]:
                if not os.path.islink(path):
                    check_file(path)
    for run, status, conclusion in db.execute("SELECT id, status, conclusion FROM runs"):
        seen = (read("runs", run, "status"), read("runs", run, "wait"))
        if seen != (status, conclusion):
            wrong.append("run %d is shown as %s" % (run, seen))


class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.path.join(os.path.dirname(mnt), "api.sock"))


def ask(path):
    api = Unix("localhost")
    api.request("GET", path, headers={"Accept": "application/vnd.github+json"})
    answer = api.getresponse()
    body = answer.read()
    api.close()
    return json.loads(body) if answer.status == 200 else {"status": answer.status, "body": body[:200]}


def steps_of(job):
    """As the database has them: (shown number, conclusion, name), in order."""
    rows = db.execute("SELECT max(number, 0), id, conclusion, name FROM steps WHERE job_id = ?", [job]).fetchall()
    return [(number, conclusion, name) for number, _, conclusion, name in sorted(rows)]


def check_ways(runs):
    """Files and API say the same of a run, of its attempts, of their jobs and steps, in the same order."""
    for run in runs:
        attempt, conclusion = db.execute("SELECT attempt, conclusion FROM runs WHERE id = ?", [run]).fetchone()
        of = "/repos/runfs/workflows/actions/runs/%d" % run
        told = ask(of)
        if (told.get("status"), told.get("run_attempt")) != ("completed", attempt):
            wrong.append("the API has run %d as %s" % (run, told))
        if told.get("conclusion") != conclusion.replace("interrupted", "failure"):
            wrong.append("the API has run %d, %s, as %s" % (run, conclusion, told.get("conclusion")))
        for k in range(1, attempt + 1):
            rows = db.execute(
                "SELECT coalesce(nullif(log_job_id, 0), id), key, name, conclusion FROM jobs WHERE run_id = ? AND attempt = ? ORDER BY id", [run, k]
            ).fetchall()
            answer = ask(of + "/attempts/%d/jobs?per_page=100" % k)
            if len(answer.get("jobs", [])) != len(rows):
                wrong.append("run %d, attempt %d: the API has %s" % (run, k, str(answer)[:300]))
                continue
            for (job, key, name, conclusion), told in zip(rows, answer["jobs"]):
                expected = steps_of(job)
                place = "run %d, attempt %d, job %s" % (run, k, key)
                if (told["name"], told["status"], told["conclusion"]) != (name, "completed", conclusion.replace("interrupted", "failure")):
                    wrong.append("%s: %s for the API" % (place, told))
                steps = [(s["name"], s["conclusion"], s["number"]) for s in told["steps"]]
                if steps != [(n, c.replace("interrupted", "failure"), i + 1) for i, (_, c, n) in enumerate(expected)]:
                    wrong.append("%s: steps are %s, for the API %s" % (place, expected, steps))
                top = ["runs", run] + (["attempts", k] if k < attempt else []) + ["jobs", key]
                if read(*top, "conclusion") != conclusion:
                    wrong.append("%s: in the tree %s" % (place, read(*top, "conclusion")))
                names = sorted(os.listdir(os.path.join(mnt, *map(str, top), "steps")))
                steps = [(int(n.split("-")[0]), read(*top, "steps", n, "conclusion"), read(*top, "steps", n, "name")) for n in names]
                if sorted(steps) != sorted(expected):
                    wrong.append("%s: steps are %s, in the tree %s" % (place, expected, steps))


def left():
    for line in (read("status") or "").splitlines():
        if line.split(":")[0] in ("active_runs", "busy", "queued_jobs", "pending", "database") and not line.endswith(": 0"):
            return line
    return None


def settle():
    deadline = time.monotonic() + 120
    while left():
        if time.monotonic() > deadline:
            wrong.append("it does not come to rest: " + str(left()))
            return
        time.sleep(0.1)
    for path in [os.path.join(mnt, "runs", r, "jobs", j, "ctl") for r in os.listdir(mnt + "/runs") if r.isdigit() for j in os.listdir("%s/runs/%s/jobs" % (mnt, r))]:
        write("release", path)  # what was held


write(a_workflow("workflow_call", []), "workflows", "inner.yml")
write(json.dumps({"on": "workflow_call", "jobs": {"in": {"uses": "./.github/workflows/inner.yml"}, "beside": a_job([], [])}}), "workflows", "outer.yml")
write(json.dumps({"on": {"workflow_run": {"workflows": ["w0.yml", ".github/workflows/w0.yml"]}}, "jobs": {"a": a_job([], [])}}), "workflows", "after.yml")
began, deeds = time.monotonic(), 0
trace = open(os.environ["STATES_TRACE"], "a") if "STATES_TRACE" in os.environ else None
while time.monotonic() - began < seconds:
    deed = rng.choice(DEEDS)
    if trace:
        print("%.3f %s" % (time.time(), deed.__qualname__), file=trace, flush=True)
    deed()
    deeds += 1
settle()
db = sqlite3.connect("file:%s/runfs.db?mode=ro" % state, uri=True)
for _ in range(300):  # what becomes of a machine is written a moment later
    if not db.execute("SELECT 1 FROM machines WHERE lives").fetchone():
        break
    time.sleep(0.1)
check_rows()
check_order()
check_groups()
some = [run for run, in db.execute("SELECT id FROM runs ORDER BY attempt DESC, id")]
some = some[:10] + rng.sample(some, min(len(some), 10 + int(seconds / 2)))
check_files(some)
check_ways(some)
print("seed %d: %d deeds, %d runs, %d attempts before, %d jobs, %d steps" % (
    seed, deeds, *[db.execute("SELECT count(*) FROM " + t).fetchone()[0] for t in ("runs", "attempts", "jobs", "steps")]))
for line in wrong[:40]:
    print("WRONG: " + line)
sys.exit(bool(wrong))
