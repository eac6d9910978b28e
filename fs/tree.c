/* The whole mounted interface: one row a name, indented as mounted. */
#include "fs.h"
#include "runfs/str.h"

#define DIR_(d, n, o, h)                                                                                     \
    {                                                                                                        \
        .depth = (d), .kind = ROW_DIR, .name = (n), .owner = (o), .help = (h)                                \
    }
#define DIRW(d, n, o, h)                                                                                     \
    {                                                                                                        \
        .depth = (d), .kind = ROW_DIR, .name = (n), .owner = (o), .help = (h), .writable = true              \
    }
#define EACHW(d, n, c, o, h)                                                                                 \
    {                                                                                                        \
        .depth = (d), .kind = ROW_DIR, .name = (n), .class = &(c), .owner = (o), .help = (h),                \
        .writable = true                                                                                     \
    }
#define EACH(d, n, c, o, h)                                                                                  \
    {                                                                                                        \
        .depth = (d), .kind = ROW_DIR, .name = (n), .class = &(c), .owner = (o), .help = (h)                 \
    }
#define LIKE(d, n, c, l, o, h)                                                                               \
    {                                                                                                        \
        .depth = (d), .kind = ROW_DIR, .name = (n), .class = &(c), .like = &(l), .owner = (o), .help = (h)   \
    }
#define TEXT(d, n, s, o, h)                                                                                  \
    {                                                                                                        \
        .depth = (d), .kind = ROW_TEXT, .name = (n), .show = (s), .owner = (o), .help = (h)                  \
    }
#define SLOW(d, n, s, t, l, o, h)                                                                            \
    {                                                                                                        \
        .depth = (d), .kind = ROW_TEXT, .name = (n), .show = (s), .there = (t), .later = (l), .owner = (o),  \
        .help = (h)                                                                                          \
    }
#define FILE_(d, n, c, k, s, o, h)                                                                           \
    {                                                                                                        \
        .depth = (d), .kind = (k), .name = (n), .class = &(c), .show = (s), .owner = (o), .help = (h)        \
    }
#define TREE(d, n, o, h)                                                                                     \
    {                                                                                                        \
        .depth = (d), .kind = ROW_TREE, .name = (n), .owner = (o), .help = (h)                               \
    }
#define LINK(d, n, s, o, h)                                                                                  \
    {                                                                                                        \
        .depth = (d), .kind = ROW_LINK, .name = (n), .show = (s), .owner = (o), .help = (h)                  \
    }
#define LINKS(d, n, c, s, o, h)                                                                              \
    {                                                                                                        \
        .depth = (d), .kind = ROW_LINK, .name = (n), .class = &(c), .show = (s), .owner = (o), .help = (h)   \
    }
#define LOG(d, n, v, o, h)                                                                                   \
    {                                                                                                        \
        .depth = (d), .kind = ROW_LOG, .name = (n), .streams = (v), .owner = (o), .help = (h)                \
    }
#define WAIT(d, n, s, o, h)                                                                                  \
    {                                                                                                        \
        .depth = (d), .kind = ROW_WAIT, .name = (n), .show = (s), .owner = (o), .help = (h)                  \
    }
#define KIND(d, n, k, s, o, h)                                                                               \
    {                                                                                                        \
        .depth = (d), .kind = (k), .name = (n), .show = (s), .owner = (o), .help = (h)                       \
    }
#define OUTPUT(d, n, v, o, h)                                                                                \
    {                                                                                                        \
        .depth = (d), .kind = ROW_OUTPUT, .name = (n), .streams = (v), .owner = (o), .help = (h)             \
    }
#define CTL(d, n, v, o, h)                                                                                   \
    {                                                                                                        \
        .depth = (d), .kind = ROW_CTL, .name = (n), .verbs = (v), .owner = (o), .help = (h)                  \
    }

/* clang-format off */
static const struct row written[] = {
DIR_ (0, "/",                                                                   OWN_NONE, "a CI runner driven by cp and cat"),
TEXT (1,   "README",         show_readme,                                       OWN_NONE, "this table, printed"),
TEXT (1,   "status",         show_status,                                       OWN_RUN,  "what the daemon is doing, what works here, what linked repositories are called, and when schedules fire next"),
TEXT (1,   "metrics",        show_metrics,                                      OWN_RUN,  "counts, durations and queues for Prometheus"),
LOG  (1,   "log",            0,                                                 OWN_NONE, "the daemon's own log"),
DIRW (1,   "workflows",                                                         OWN_WORKFLOW, "drop a workflow here to check, register and run it; rm unregisters"),
FILE_(2,     "NAME.yml",     class_workflows, ROW_DROP, show_workflow_source,   OWN_WORKFLOW, "its source; write it whole (cp, mv, an editor) to run it"),
FILE_(2,     "SCRATCH",      class_drafts, ROW_DROP, NULL,                      OWN_NONE, "other names, kept in memory only: files of editors and rsync (there are such beside settings, too); PAGE.md, which makes and runs PAGE.yml; texts for config/llm"),
EACH (2,     "REPO",         class_repos,                                       OWN_REPO, "the workflows of a linked repository"),
FILE_(3,       "NAME.yml",   class_repo_workflows, ROW_TEXT, show_workflow_source, OWN_WORKFLOW, "as in its checkout; read-only"),
DIR_ (1,   "errors",                                                            OWN_ERROR, "why a drop or a setting was refused"),
FILE_(2,     "NAME",         class_errors, ROW_TEXT, show_error,                OWN_ERROR, "FILE (Line: L, Col: C): message; gone once it is accepted"),
DIR_ (1,   "dispatch",                                                          OWN_WORKFLOW, "start a workflow_dispatch run"),
FILE_(2,     "NAME.yml",     class_workflows, ROW_DISPATCH, show_dispatch,      OWN_WORKFLOW, "write key=value lines or JSON inputs; read: the id of the last run"),
EACH (2,     "REPO",         class_repos,                                       OWN_REPO, "the same for a linked repository"),
FILE_(3,       "NAME.yml",   class_repo_workflows, ROW_DISPATCH, show_dispatch, OWN_WORKFLOW, "write inputs; read: the id of the last run"),
DIR_ (1,   "events",                                                            OWN_NONE, "deliver an event to every registered workflow that it concerns"),
FILE_(2,     "EVENT",        class_events, ROW_EVENT, show_event,               OWN_EVENT, "write its JSON payload, or nothing for one of the last commit; read: what it started, what not and why"),
DIR_ (2,     "deliveries",                                                      OWN_HOOK, "what POST /webhook took, by number"),
EACH (3,       "N",          class_hooks,                                       OWN_HOOK, "one delivery"),
TEXT (4,         "delivery", show_hook_delivery,                                OWN_HOOK, "what its sender calls it"),
TEXT (4,         "event",    show_hook_event,                                   OWN_HOOK, "what happened"),
TEXT (4,         "state",    show_hook_state,                                   OWN_HOOK, "pending | running | resumed | done | interrupted"),
TEXT (4,         "headers",  show_hook_headers,                                 OWN_HOOK, "as they came"),
TEXT (4,         "payload.json", show_hook_payload,                             OWN_HOOK, "as it came"),
TEXT (4,         "verdict",  show_hook_verdict,                                 OWN_HOOK, "what it started, what not and why; empty until then"),
TEXT (4,         "words",    show_hook_words,                                   OWN_HOOK, "what its sender was told of them, what waits, and why; only if config/github/report asks for it"),
DIR_ (4,         "runs",                                                        OWN_HOOK, "what it started"),
LINKS(5,           "N",      class_hook_runs, link_hook_run,                        OWN_RUN,  "-> runs/N"),
DIRW (1,   "repos",                                                             OWN_REPO, "ln -s /path/to/checkout (or its https:// address) repos/NAME links a repository, rm unlinks it; errors/repos-NAME says why one was refused"),
LINKS(2,     "NAME",         class_repos, link_repo,                            OWN_REPO, "-> the checkout"),
DIRW (1,   "runs",                                                              OWN_RUN,  "every run, by number"),
LINK (2,     "latest",       link_latest_run,                                   OWN_RUN,  "-> the newest run"),
DIR_ (2,     "active",                                                          OWN_RUN,  "runs that are not completed"),
LINKS(3,       "N",          class_active_runs, link_run,                       OWN_RUN,  "-> runs/N"),
DIR_ (2,     "failed",                                                          OWN_RUN,  "runs that failed, were cancelled or interrupted"),
LINKS(3,       "N",          class_failed_runs, link_run,                       OWN_RUN,  "-> runs/N"),
DIR_ (2,     "by-workflow",                                                     OWN_RUN,  "runs by the workflow they are of"),
EACH (3,       "W",          class_run_workflows,                               OWN_WORKFLOW, "one workflow's runs"),
LINKS(4,         "N",        class_runs_of, link_run_of,                        OWN_RUN,  "-> runs/N"),
EACHW(2,     "N",            class_runs,                                        OWN_RUN,  "one run; rmdir deletes it"),
TEXT (3,       "status",     show_run_status,                                   OWN_RUN,  "queued | pending (on its concurrency group) | in_progress | completed"),
TEXT (3,       "conclusion", show_run_conclusion,                               OWN_RUN,  "success | failure | cancelled | skipped | interrupted; empty until completed"),
TEXT (3,       "exit_code",  show_run_exit_code,                                OWN_RUN,  "0, or the first failing step's; empty until completed"),
TEXT (3,       "name",       show_run_name,                                     OWN_RUN,  "of the workflow"),
TEXT (3,       "event",      show_run_event,                                    OWN_RUN,  "what started it"),
TEXT (3,       "ref",        show_run_ref,                                      OWN_RUN,  "GITHUB_REF"),
TEXT (3,       "sha",        show_run_sha,                                      OWN_RUN,  "GITHUB_SHA"),
TEXT (3,       "actor",      show_run_actor,                                    OWN_RUN,  "who started it"),
TEXT (3,       "title",      show_run_title,                                    OWN_RUN,  "its run-name"),
TEXT (3,       "attempt",    show_run_attempt,                                  OWN_RUN,  "1, and one more for each rerun"),
TEXT (3,       "concurrency", show_run_concurrency,                             OWN_RUN,  "its concurrency group; only with one"),
TEXT (3,       "why",        show_run_why,                                      OWN_RUN,  "what it waits for, or what cancelled it; only if there is anything"),
TEXT (3,       "created_at", show_run_created,                                  OWN_RUN,  "when it was asked for"),
TEXT (3,       "started_at", show_run_started,                                  OWN_RUN,  "when its first job started"),
TEXT (3,       "completed_at", show_run_completed,                              OWN_RUN,  "when its last job ended"),
TEXT (3,       "duration_ms", show_run_duration,                                OWN_RUN,  "from start to end, or to now"),
TEXT (3,       "eta",        show_run_eta,                                      OWN_RUN,  "when it should end, by the runs before; while it runs"),
TEXT (3,       "anomaly",    show_run_anomaly,                                  OWN_RUN,  "how it departs from the runs before; only if it does"),
TEXT (3,       "inputs.json", show_run_inputs,                                  OWN_RUN,  "workflow_dispatch inputs, with defaults"),
TEXT (3,       "event.json", show_run_event_json,                               OWN_RUN,  "the payload, github.event"),
TEXT (3,       "workflow.yml", show_run_source,                                 OWN_RUN,  "the workflow as it was then"),
TEXT (3,       "workflow.expanded.yml", show_run_expanded,                      OWN_RUN,  "the same with anchors, defaults and matrix combinations written out"),
TEXT (3,       "plan.json",  show_run_plan,                                     OWN_RUN,  "jobs, order and matrix as planned"),
TEXT (3,       "result.json", show_run_result,                                  OWN_RUN,  "everything that came of it; there once completed"),
TEXT (3,       "timeline.svg", show_run_timeline,                               OWN_RUN,  "jobs and steps over time; what its duration is due to is framed"),
TEXT (3,       "graph.svg",  show_run_graph,                                    OWN_RUN,  "which job needs which, and what came of each"),
TEXT (3,       "summary.md", show_run_summary,                                  OWN_RUN,  "step summaries, if any step wrote one"),
TEXT (3,       "annotations", show_run_annotations,                             OWN_RUN,  "FILE:LINE:COL: level: text"),
LOG  (3,       "log",        LOG_OF_RUN,                                        OWN_RUN,  "all jobs' output, as it came"),
WAIT (3,       "wait",       show_run_conclusion,                               OWN_RUN,  "blocks until completed, then the conclusion; listed only once completed"),
CTL  (3,       "ctl",        run_verbs,                                         OWN_RUN,  "write cancel | rerun [--debug] | rerun-failed [--debug] | delete-logs; read: the last reply"),
TEXT (3,       "artifacts.json", show_run_artifacts,                            OWN_RUN,  "size, digest and end of each artifact, if there are any"),
DIRW (3,       "artifacts",                                                     OWN_RUN,  "what its jobs uploaded"),
EACH (4,         "NAME",     class_artifacts,                                   OWN_ARTIFACT, "one artifact; rmdir deletes it"),
TREE (5,           "...",                                                       OWN_ARTIFACT, "its files and directories, as they were uploaded; read-only"),
LINK (3,       "workflow",   link_run_workflow,                                 OWN_RUN,  "-> its workflow, while that is registered"),
DIR_ (3,       "jobs",                                                          OWN_RUN,  "its jobs, a matrix job once for each combination"),
EACH (4,         "JOB",      class_jobs,                                        OWN_JOB,  "one job"),
TEXT (5,           "status", show_job_status,                                   OWN_JOB,  "queued | pending (on its concurrency group) | in_progress | completed"),
TEXT (5,           "conclusion", show_job_conclusion,                           OWN_JOB,  "success | failure | cancelled | skipped | interrupted; empty until completed"),
TEXT (5,           "exit_code", show_job_exit_code,                             OWN_JOB,  "0, or the first failing step's; empty until completed"),
TEXT (5,           "name",   show_job_name,                                     OWN_JOB,  "as GitHub shows it: build (linux, 18)"),
TEXT (5,           "why",    show_job_why,                                      OWN_JOB,  "its `if`, part by part, what it came to, what it waits for or was cancelled by"),
TEXT (5,           "uses",   show_job_uses,                                     OWN_JOB,  "the workflow that it calls; its jobs are JOB.NAME beside it"),
LINK (5,           "caller", link_caller,                                       OWN_JOB,  "-> the job that calls its workflow; only in a called one"),
TEXT (5,           "environment", show_job_environment,                         OWN_JOB,  "the environment it deploys to; only with one"),
TEXT (5,           "environment_url", show_job_environment_url,                 OWN_JOB,  "where that is to be seen; once it ended, if it says so"),
TEXT (5,           "permissions", show_job_permissions,                         OWN_JOB,  "of its token: SCOPE: LEVEL lines; only where the workflow says so"),
TEXT (5,           "concurrency", show_job_concurrency,                         OWN_JOB,  "its concurrency group; only with one"),
TEXT (5,           "runs_on", show_job_runs_on,                                 OWN_JOB,  "labels, as JSON, once known"),
TEXT (5,           "backend", show_job_backend,                                 OWN_JOB,  "what it runs in, once it runs"),
TEXT (5,           "duration_ms", show_job_duration,                            OWN_JOB,  "from start to end, or to now"),
TEXT (5,           "eta",    show_job_eta,                                      OWN_JOB,  "when it should end, by the runs before; while it runs"),
TEXT (5,           "matrix.json", show_job_matrix,                              OWN_JOB,  "its combination; only with a matrix"),
LOG  (5,           "log",    LOG_OF_STEP,                                       OWN_JOB,  "all its steps' output"),
LINK (5,           "vm",     link_job_vm,                                       OWN_JOB,  "-> its machine, while that is there"),
WAIT (5,           "wait",   show_job_conclusion,                               OWN_JOB,  "blocks until completed, then the conclusion; listed only once completed"),
CTL  (5,           "ctl",    job_verbs,                                         OWN_JOB,  "write cancel | rerun [--debug] | hold | release; read: the last reply"),
DIR_ (5,           "outputs",                                                   OWN_JOB,  "its outputs"),
FILE_(6,             "NAME", class_job_outputs, ROW_TEXT, show_output,          OWN_OUTPUT, "one output's value"),
DIR_ (5,           "needs",                                                     OWN_JOB,  "the jobs it needs"),
LINKS(6,             "JOB",  class_needs, link_need,                            OWN_JOB,  "-> that job"),
DIR_ (5,           "steps",                                                     OWN_JOB,  "its steps, in order"),
EACH (6,             "NN-SLUG", class_steps,                                    OWN_STEP, "one step"),
TEXT (7,               "name", show_step_name,                                  OWN_STEP, "as written, expressions evaluated"),
TEXT (7,               "status", show_step_status,                              OWN_STEP, "queued | in_progress | completed"),
TEXT (7,               "outcome", show_step_outcome,                            OWN_STEP, "before continue-on-error; empty until completed"),
TEXT (7,               "conclusion", show_step_conclusion,                      OWN_STEP, "after continue-on-error; empty until completed"),
TEXT (7,               "exit_code", show_step_exit_code,                        OWN_STEP, "of its process; empty if there was none"),
LOG  (7,               "log", LOG_OF_STEP,                                      OWN_STEP, "stdout, stderr and the runner's own lines, as they came"),
LOG  (7,               "stdout", LOG_STDOUT,                                    OWN_STEP, "its standard output"),
LOG  (7,               "stderr", LOG_STDERR,                                    OWN_STEP, "its standard error"),
TEXT (7,               "script", show_step_script,                              OWN_STEP, "what ran, expressions evaluated"),
TEXT (7,               "env", show_step_env,                                    OWN_STEP, "the workflow's own variables, NAME=value lines"),
TEXT (7,               "cwd", show_step_cwd,                                    OWN_STEP, "its working directory in the machine"),
TEXT (7,               "duration_ms", show_step_duration,                       OWN_STEP, "from start to end, or to now"),
TEXT (7,               "why", show_step_why,                                    OWN_STEP, "its `if`, part by part, and what it came to"),
TEXT (7,               "summary.md", show_step_summary,                         OWN_STEP, "what it wrote to GITHUB_STEP_SUMMARY, if anything"),
LINK (7,               "snapshot", link_step_snapshot,                          OWN_STEP, "-> what its machine was behind it, in vms/, while that is there (config/snapshots, hold)"),
LINK (7,               "failure", link_step_failure,                            OWN_STEP, "-> how it failed, in knowledge/failures; only if it did"),
LINK (7,               "command", link_step_command,                            OWN_STEP, "-> what it ran, in knowledge/commands: the command that failed, or the first that did work"),
CTL  (7,               "ctl",  step_verbs,                                      OWN_STEP, "write resume | hold | release; read: the last reply"),
DIR_ (7,               "outputs",                                               OWN_STEP, "its outputs"),
FILE_(8,                 "NAME", class_step_outputs, ROW_TEXT, show_output,     OWN_OUTPUT, "one output's value"),
DIR_ (3,       "attempts",                                                      OWN_RUN,  "attempts that a later one followed; the newest is the run itself"),
EACH (4,         "K",        class_attempts,                                    OWN_ATTEMPT, "one of them"),
TEXT (5,           "status", show_attempt_status,                               OWN_ATTEMPT, "completed"),
TEXT (5,           "conclusion", show_attempt_conclusion,                       OWN_ATTEMPT, "what it came to"),
TEXT (5,           "exit_code", show_attempt_exit_code,                         OWN_ATTEMPT, "0, or the first failing step's"),
TEXT (5,           "why",    show_attempt_why,                                  OWN_ATTEMPT, "what cancelled it; only if anything did"),
TEXT (5,           "started_at", show_attempt_started,                          OWN_ATTEMPT, "when its first job started"),
TEXT (5,           "completed_at", show_attempt_completed,                      OWN_ATTEMPT, "when its last job ended"),
TEXT (5,           "duration_ms", show_attempt_duration,                        OWN_ATTEMPT, "from start to end"),
TEXT (5,           "workflow.yml", show_attempt_source,                         OWN_ATTEMPT, "the workflow as it was then"),
TEXT (5,           "result.json", show_attempt_result,                          OWN_ATTEMPT, "everything that came of it"),
TEXT (5,           "summary.md", show_attempt_summary,                          OWN_ATTEMPT, "step summaries, if any step wrote one"),
TEXT (5,           "annotations", show_attempt_annotations,                     OWN_ATTEMPT, "FILE:LINE:COL: level: text"),
LOG  (5,           "log",    LOG_OF_RUN,                                        OWN_ATTEMPT, "all its jobs' output, as it came"),
DIR_ (5,           "jobs",                                                      OWN_ATTEMPT, "its jobs"),
LIKE (6,             "JOB",  class_attempt_jobs, class_jobs,                    OWN_JOB,  "one job: all that runs/N/jobs/JOB has but ctl and wait"),
DIRW (1,   "vms",                                                               OWN_MACHINE, "machines: mkdir boots one to keep, rmdir destroys it; jobs' machines while they live"),
DIR_ (2,     "images",                                                          OWN_CONFIG, "what machines boot from"),
EACH (3,       "NAME",       class_images,                                      OWN_NONE, "an image of `runfs image build` or `pull` (there with + for /); a directory, by the label that names it; host: the host's own root"),
TEXT (4,         "path",     show_image_path,                                   OWN_NONE, "where it lies"),
TEXT (4,         "size",     show_image_size,                                   OWN_NONE, "bytes on disk; this and the rest is empty where it was not built here"),
TEXT (4,         "created",  show_image_created,                                OWN_NONE, "when it was built, or its layers were made"),
TEXT (4,         "kernel",   show_image_kernel,                                 OWN_NONE, "the version of its kernel"),
TEXT (4,         "root",     show_image_root,                                   OWN_NONE, "Debian's release or the archive that its root is of; where it was fetched from"),
TEXT (4,         "packages", show_image_packages,                               OWN_NONE, "what it has beyond the usual ones, a line each"),
TEXT (4,         "digest",   show_image_digest,                                 OWN_NONE, "of its content"),
TEXT (4,         "templates", show_image_templates,                             OWN_NONE, "machines that were booted once for others to begin as copies, also those kept on disk, a line each"),
FILE_(2,     "NAME.label",   class_vm_labels, ROW_SETTING, show_config,         OWN_CONFIG, "what vms/NAME is made as: a label's name, or what one may mean; write it before mkdir"),
EACH (2,     "NAME",         class_vms,                                         OWN_MACHINE, "one machine"),
TEXT (3,       "status",     show_vm_status,                                    OWN_MACHINE, "initializing | active | executing | paused | completed | failed | rolled_back | terminating | stopped"),
TEXT (3,       "why",        show_vm_why,                                       OWN_MACHINE, "a word on the status, if there is one"),
TEXT (3,       "backend",    show_vm_backend,                                   OWN_MACHINE, "sandbox | bubblewrap | qemu | firecracker | fcctl | ssh | host"),
TEXT (3,       "image",      show_vm_image,                                     OWN_MACHINE, "the directory that it booted from, or host"),
TEXT (3,       "label",      show_vm_label,                                     OWN_MACHINE, "what it was asked for by"),
TEXT (3,       "cpus",       show_vm_cpus,                                      OWN_MACHINE, "processors that it may use"),
TEXT (3,       "memory_mib", show_vm_memory,                                    OWN_MACHINE, "memory that it may use"),
TEXT (3,       "address",    show_vm_address,                                   OWN_MACHINE, "where its network is to be found; empty without one of its own"),
TEXT (3,       "boot_ms",    show_vm_boot,                                      OWN_MACHINE, "from the request until it was there"),
TEXT (3,       "uptime_ms",  show_vm_uptime,                                    OWN_MACHINE, "since it was made"),
TEXT (3,       "console",    show_vm_console,                                   OWN_MACHINE, "what it went through, a line each with its time"),
TEXT (3,       "limits",     show_vm_limits,                                    OWN_MACHINE, "what it may use, and what enforces that"),
KIND (3,       "exec",       ROW_EXEC, show_vm_exec,                            OWN_MACHINE, "write a command; the close returns when it has ended; a refusal's reason is in ctl"),
DIR_ (3,       "history",                                                       OWN_MACHINE, "the commands that were written to exec"),
EACH (4,         "N",        class_commands,                                    OWN_COMMAND, "one command"),
TEXT (5,           "command", show_command,                                     OWN_COMMAND, "as written"),
OUTPUT(5,          "stdout", 1,                                                 OWN_COMMAND, "its standard output, as it comes"),
OUTPUT(5,          "stderr", 2,                                                 OWN_COMMAND, "its standard error"),
TEXT (5,           "exit_code", show_command_exit_code,                         OWN_COMMAND, "empty until it has ended"),
TEXT (5,           "duration_ms", show_command_duration,                        OWN_COMMAND, "from start to end, or to now"),
LINK (3,       "last",       link_vm_last,                                      OWN_MACHINE, "-> history/N, the last command"),
LINK (3,       "job",        link_vm_job,                                       OWN_MACHINE, "-> the job whose machine it is"),
KIND (3,       "rootfs",     ROW_ROOTFS, NULL,                                  OWN_MACHINE, "its files, read-only; not listed, so that recursive tools do not walk a whole system"),
KIND (4,         "...",      ROW_ROOTFS, NULL,                                  OWN_MACHINE, "all that is in it but /proc, /sys and /dev; links lead nowhere else"),
DIRW (3,       "snapshots",                                                     OWN_MACHINE, "mkdir takes one between two commands, rmdir drops it"),
EACH (4,         "NAME",     class_snapshots,                                   OWN_SNAPSHOT, "one snapshot"),
TEXT (5,           "created_at", show_snapshot_created,                         OWN_SNAPSHOT, "when it was taken"),
TEXT (5,           "cost_ms", show_snapshot_cost,                               OWN_SNAPSHOT, "how long that took"),
CTL  (3,       "ctl",        vm_verbs,                                          OWN_MACHINE, "write pause | resume | stop | rollback NAME; read: the last reply, why mkdir, rmdir or exec was refused"),
DIR_ (1,   "knowledge",                                                         OWN_KNOWN_COMMAND, "what runs taught"),
TEXT (2,     "stats",        show_knowledge_stats,                              OWN_KNOWN_COMMAND, "how much of it there is"),
DIR_ (2,     "commands",                                                        OWN_KNOWN_COMMAND, "the commands of all scripts, by program and subcommand"),
EACH (3,       "C",          class_known_commands,                                    OWN_KNOWN_COMMAND, "one command, however it was written"),
TEXT (4,         "command",  show_command_name,                                 OWN_KNOWN_COMMAND, "program and subcommand"),
TEXT (4,         "count",    show_command_runs,                                 OWN_KNOWN_COMMAND, "how often it ran"),
TEXT (4,         "successes", show_command_successes,                           OWN_KNOWN_COMMAND, "how often it is known to have succeeded"),
TEXT (4,         "failures", show_command_failures,                             OWN_KNOWN_COMMAND, "how often a step failed in it"),
TEXT (4,         "success_rate", show_command_rate,                             OWN_KNOWN_COMMAND, "successes of both, 0.000 to 1.000"),
TEXT (4,         "mean_ms",  show_command_mean,                                 OWN_KNOWN_COMMAND, "mean duration, of the steps in which nothing else took time"),
TEXT (4,         "p50_ms",   show_command_p50,                                  OWN_KNOWN_COMMAND, "median of them, within 2.5%"),
TEXT (4,         "p95_ms",   show_command_p95,                                  OWN_KNOWN_COMMAND, "what 95 of 100 stay below, within 2.5%"),
TEXT (4,         "last_run_at", show_command_last,                              OWN_KNOWN_COMMAND, "when it ran last"),
TEXT (4,         "variants", show_command_variants,                             OWN_KNOWN_COMMAND, "COUNT SUCCESSES FAILURES and how it was written, the most frequent first"),
TEXT (4,         "flaky",    show_command_flaky,                                OWN_KNOWN_COMMAND, "FAILED SUCCEEDED F: runs between which nothing that is known was different; only if there are any"),
TEXT (4,         "edges",    show_command_edges,                                OWN_KNOWN_COMMAND, "COUNT PROBABILITY SUCCESSES FAILURES C: what follows it, and what became of that"),
DIR_ (4,         "next",                                                        OWN_KNOWN_COMMAND, "what followed it in a job"),
LINKS(5,           "C",      class_next_commands, link_near_command,            OWN_KNOWN_COMMAND, "-> that command"),
DIR_ (4,         "previous",                                                    OWN_KNOWN_COMMAND, "what it followed"),
LINKS(5,           "C",      class_previous_commands, link_near_command,        OWN_KNOWN_COMMAND, "-> that command"),
DIR_ (4,         "runs",                                                        OWN_KNOWN_COMMAND, "the newest runs that it was part of, 64 at most"),
LINKS(5,           "N",      class_command_runs, link_command_run,              OWN_RUN,     "-> runs/N"),
DIR_ (4,         "workflows",                                                   OWN_KNOWN_COMMAND, "those that it is part of, with whatever else they run"),
LINKS(5,           "W",      class_command_workflows, link_command_workflow,    OWN_WORKFLOW, "-> runs/by-workflow/W"),
DIR_ (4,         "failed_with",                                                 OWN_KNOWN_COMMAND, "how it failed"),
LINKS(5,           "F",      class_command_failures, link_near_failure,         OWN_FAILURE, "-> that failure"),
TEXT (4,         "graph.dot", show_command_dot,                                 OWN_KNOWN_COMMAND, "it and its neighbours, for graphviz"),
TEXT (4,         "graph.json", show_command_json,                               OWN_KNOWN_COMMAND, "the same as data"),
TEXT (4,         "graph.svg", show_command_svg,                                 OWN_KNOWN_COMMAND, "the same, drawn: what it followed, what followed it, and how that went"),
DIR_ (4,         "lessons",                                                     OWN_KNOWN_COMMAND, "what its failures taught"),
LINKS(5,           "L.md",   class_command_lessons, link_command_lesson,        OWN_FAILURE, "-> that lesson"),
TEXT (2,     "graph.dot",    show_knowledge_dot,                                OWN_KNOWN_COMMAND, "what follows what, for graphviz"),
TEXT (2,     "graph.json",   show_knowledge_json,                               OWN_KNOWN_COMMAND, "the same as data"),
SLOW (2,     "graph.svg",    show_knowledge_svg, is_graph_there, NULL,          OWN_KNOWN_COMMAND, "the same, drawn; only where graphviz is installed"),
CTL  (2,     "predict",      predict_verbs,                                     OWN_NONE, "write a workflow's file or name, or a line of commands; read: how probably it succeeds, and in what time"),
DIR_ (2,     "anomalies",                                                       OWN_RUN,  "runs whose outcome or duration departs from their history"),
LINKS(3,       "N",          class_anomalies, link_anomaly,                     OWN_RUN,  "-> runs/N, whose `anomaly` says how"),
DIR_ (3,       "flaky",                                                         OWN_KNOWN_COMMAND, "commands that failed, and then succeeded with the same script, environment, inputs and commit"),
LINKS(4,         "C",        class_flaky_commands, link_flaky_command,          OWN_KNOWN_COMMAND, "-> that command, whose `flaky` says in which runs"),
DIR_ (2,     "suggestions",                                                     OWN_KNOWN_COMMAND, "what could go better, each with its evidence: cache, use another, avoid, parallelise, skip"),
FILE_(3,       "S.md",       class_suggestions, ROW_TEXT, show_suggestion,      OWN_NONE, "one of them"),
DIR_ (2,     "concepts",                                                        OWN_NONE, "the concepts of the selected role, by what its haystacks say of them"),
EACH (3,       "T",          class_concepts,                                    OWN_NONE, "one of them"),
TEXT (4,         "name",     show_concept_name,                                 OWN_NONE, "as its page is headed"),
LINK (4,         "definition.md", link_concept_page,                            OWN_NONE, "-> its page"),
TEXT (4,         "synonyms", show_concept_synonyms,                             OWN_NONE, "what it is found by, one a line"),
SLOW (4,         "count",    show_concept_count, NULL, is_concept_later,        OWN_NONE, "how many files name it"),
SLOW (4,         "edges",    show_concept_edges, NULL, is_concept_later,        OWN_NONE, "COUNT T: what else those files name, and how many do; the 64 most frequent"),
DIR_ (4,         "related",                                                     OWN_NONE, "the same as links"),
LINKS(5,           "T",      class_related_concepts, link_related_concept,      OWN_NONE, "-> that concept"),
DIR_ (4,         "documents",                                                   OWN_NONE, "the files that name it"),
LINKS(5,           "NN-TITLE", class_concept_documents, link_concept_document,  OWN_NONE, "-> one of them, the best first, 50 at most"),
DIR_ (2,     "search",                                                          OWN_NONE, "search the files of the selected role's haystacks, failures, lessons, commands, runs"),
EACH (3,       "QUERY",      class_queries,                                     OWN_NONE, "any name is a query: what has all its words; files that changed are read first"),
LINKS(4,         "NN-TITLE", class_hits, link_hit,                              OWN_NONE, "-> what was found, the best first, 50 at most, 10 of them runs"),
TEXT (4,         "results.json", show_results,                                  OWN_NONE, "the same with id, url, title, body, rank, tags"),
DIR_ (2,     "lessons",                                                         OWN_FAILURE, "failures that came config/lesson_threshold times: what, where, what mended them"),
FILE_(3,       "L.md",       class_lessons, ROW_TEXT, show_lesson,              OWN_FAILURE, "one of them, with its evidence"),
DIR_ (2,     "failures",                                                        OWN_FAILURE, "how steps failed, by what of the error stays the same"),
EACH (3,       "F",          class_failures,                                    OWN_FAILURE, "one failure, wherever it was met"),
TEXT (4,         "signature", show_failure_signature,                           OWN_FAILURE, "the error without times, numbers, hashes and directories"),
TEXT (4,         "line",     show_failure_line,                                 OWN_FAILURE, "as it was printed last"),
TEXT (4,         "count",    show_failure_count,                                OWN_FAILURE, "how many steps failed with it"),
TEXT (4,         "first_seen", show_failure_first,                              OWN_FAILURE, "when it was met first"),
TEXT (4,         "last_seen", show_failure_last,                                OWN_FAILURE, "when it was met last"),
LINK (4,         "fixed_by", link_failure_fixed,                                OWN_FAILURE, "-> the newest run in which a step that had failed so succeeded"),
TEXT (4,         "fix",      show_failure_fix,                                  OWN_FAILURE, "what was different then: script, env, inputs, commit"),
LINK (4,         "lesson",   link_failure_lesson,                               OWN_FAILURE, "-> the lesson, once it came often enough"),
DIR_ (4,         "commands",                                                    OWN_FAILURE, "the commands that failed so"),
LINKS(5,           "C",      class_failure_commands, link_failure_command,      OWN_KNOWN_COMMAND, "-> that command"),
DIR_ (4,         "runs",                                                        OWN_FAILURE, "the newest runs that it hit, 256 at most"),
LINKS(5,           "N",      class_failure_runs, link_failure_run,              OWN_RUN,     "-> runs/N"),
DIRW (1,   "roles",                                                             OWN_CONFIG, "who searches, and where; errors/roles-NAME says why one was refused"),
FILE_(2,     "NAME.json",    class_roles, ROW_SETTING, show_config,             OWN_CONFIG, "a role or a configuration of several, as terraphim has them; selected: the name of the one to search as"),
EACH (2,     "R",            class_listed_roles,                                OWN_NONE, "one of the roles in them"),
TEXT (3,       "name",       show_role_name,                                    OWN_NONE, "as it is selected by"),
TEXT (3,       "relevance_function", show_role_relevance,                       OWN_NONE, "title-scorer | bm25 | terraphim-graph"),
TEXT (3,       "system_prompt", show_role_prompt,                               OWN_NONE, "what it tells a language model; only if it does"),
TEXT (3,       "extra.json", show_role_extra,                                   OWN_NONE, "what it has under `extra`; only if it has anything"),
DIR_ (3,       "haystacks",                                                     OWN_NONE, "where it searches"),
EACH (4,         "N",        class_haystacks,                                   OWN_NONE, "one of the places, in the order of the file"),
TEXT (5,           "location", show_haystack_location,                          OWN_NONE, "a directory or a file; a relative one is in each linked repository"),
TEXT (5,           "file_patterns", show_haystack_patterns,                     OWN_NONE, "of the names of its files, one a line; only if it has any"),
TEXT (3,       "index",      show_role_index,                                   OWN_NONE, "of its files: indexed | being indexed: how many so far"),
SLOW (3,       "ontology.dot", show_role_dot, NULL, is_ontology_later,          OWN_NONE, "its concepts, and how many files name two of them, for graphviz; only if it has any"),
SLOW (3,       "ontology.json", show_role_json, NULL, is_ontology_later,        OWN_NONE, "the same as data; only if it has any"),
SLOW (3,       "ontology.svg", show_role_svg, is_ontology_there, is_ontology_later, OWN_NONE, "the same, drawn; only where graphviz is installed"),
DIR_ (3,       "concepts",                                                      OWN_NONE, "as knowledge/concepts, whichever role is selected"),
LIKE (4,         "T",        class_concepts, class_concepts,                    OWN_NONE, "one of them"),
DIR_ (3,       "search",                                                        OWN_NONE, "as knowledge/search, whichever role is selected"),
EACH (4,         "QUERY",    class_queries,                                     OWN_NONE, "any name is a query"),
LINKS(5,           "NN-TITLE", class_hits, link_hit,                            OWN_NONE, "-> what was found"),
TEXT (5,           "results.json", show_results,                                OWN_NONE, "the same with id, url, title, body, rank, tags"),
TEXT (1,   "cache.json",     show_caches,                                       OWN_CACHE, "keys, sizes and last use of all caches"),
DIRW (1,   "cache",                                                             OWN_CACHE, "what jobs saved for later runs"),
FILE_(2,     "KEY",          class_caches, ROW_BLOB, NULL,                      OWN_CACHE, "its content, as saved (an archive); rm evicts"),
DIRW (1,   "config",                                                            OWN_CONFIG, "live settings, one a file; errors/NAME says why one was refused"),
FILE_(2,     "KEY",          class_config, ROW_SETTING, show_config,            OWN_CONFIG, "its value, below the tree; rm goes back to what it was at first"),
DIRW (2,     "labels",                                                          OWN_CONFIG, "what runs-on: LABEL means"),
FILE_(3,       "LABEL",      class_labels, ROW_SETTING, show_config,            OWN_CONFIG, "sandbox | bubblewrap | qemu | firecracker | fcctl | ssh | worker | host, sandbox:/another/root, sandbox:IMAGE; then limits: memory=2G pids=500 network=none"),
DIRW (2,     "pool",                                                            OWN_CONFIG, "how many machines are kept warm"),
FILE_(3,       "LABEL",      class_pool, ROW_SETTING, show_config,              OWN_CONFIG, "for jobs with that label: 0 to 64"),
DIRW (2,     "disabled",                                                        OWN_CONFIG, "workflows that nothing starts but a drop: touch one, rm enables it again"),
FILE_(3,       "WORKFLOW",   class_disabled, ROW_SETTING, show_config,          OWN_CONFIG, "NAME.yml, or REPO:NAME.yml of a linked repository"),
DIRW (2,     "proposed",                                                        OWN_CONFIG, "workflows that a model proposed: no event or schedule starts them until somebody has, or rm"),
FILE_(3,       "WORKFLOW",   class_proposed, ROW_SETTING, show_config,          OWN_CONFIG, "NAME.yml"),
DIRW (2,     "webhook",                                                         OWN_CONFIG, "what POST /webhook takes"),
FILE_(3,       "SECRET",     class_webhook, ROW_SECRET, NULL,                   OWN_CONFIG, "secret: what it is signed with, one a line while it changes; never read"),
DIRW (2,     "github",                                                          OWN_CONFIG, "what the senders of webhooks are told of the runs, by GitHub's REST API (or Gitea's) and secrets/GITHUB_TOKEN"),
FILE_(3,       "SETTING",    class_github, ROW_SETTING, show_config,            OWN_CONFIG, "report: off, or of status, check, comment; api_url: where; link: what stands before a run's number in links"),
DIRW (2,     "alerts",                                                          OWN_CONFIG, "who else is told that a run has ended; errors/alerts-NAME says why one could not be"),
FILE_(3,       "ALERT",      class_alerts, ROW_SETTING, show_config,            OWN_CONFIG, "on failure recovery anomaly duration>10m; workflow PATTERN; to URL, command LINE or file PATH: a line each"),
DIRW (2,     "tls",                                                             OWN_CONFIG, "what listeners with tls: show"),
FILE_(3,       "PEM",        class_tls, ROW_SECRET, NULL,                       OWN_CONFIG, "certificate, key: never read"),
DIRW (2,     "fcctl",                                                           OWN_CONFIG, "the server that speaks fcctl-web's API, where labels with fcctl have their machines"),
FILE_(3,       "SETTING",    class_fcctl, ROW_SECRET, NULL,                     OWN_CONFIG, "url, token: never read"),
DIRW (2,     "llm",                                                             OWN_CONFIG, "the language model that makes workflows of texts: NAME.txt, or NAME.md without scripts"),
FILE_(3,       "SETTING",    class_llm, ROW_SECRET, NULL,                       OWN_CONFIG, "url, model, token, timeout, auto_run, repair: never read"),
DIRW (2,     "hosts",                                                           OWN_CONFIG, "where labels with ssh:NAME have their machines"),
FILE_(3,       "HOST",       class_hosts, ROW_SETTING, show_config,             OWN_CONFIG, "USER@HOST[:PORT], then `hostkey TYPE BASE64`, `identity NAME`, `agent [/PATH]`, `jump NAME`, `directory /PATH` a line; `runfs host add` writes it"),
DIRW (2,     "identities",                                                      OWN_CONFIG, "whom hosts let in"),
FILE_(3,       "IDENTITY",   class_identities, ROW_SECRET, NULL,                OWN_CONFIG, "a private key, or beside it, as IDENTITY-cert.pub, its certificate; never read"),
DIRW (1,   "tokens",                                                            OWN_TOKEN, "who may use the HTTP server; `runfs token` makes them, rm revokes"),
FILE_(2,     "NAME",         class_tokens, ROW_SETTING, show_token,             OWN_TOKEN, "read | run | admin, and the hash of one"),
DIRW (1,   "secrets",                                                           OWN_SECRET, "write-only"),
FILE_(2,     "NAME",         class_secrets, ROW_SECRET, NULL,                   OWN_SECRET, "written, never read"),
DIRW (1,   "vars",                                                              OWN_VAR,  "the vars context"),
FILE_(2,     "NAME",         class_vars, ROW_SETTING, show_var,                 OWN_VAR,  "a variable"),
};
/* clang-format on */

struct row tree[TREE_MAX];
size_t tree_rows;

static bool acts(const struct row *row)
{
    return row->kind == ROW_CTL || row->kind == ROW_WAIT;
}

/* The rows below the one that `row` is like. */
static void copy_like(const struct row *row)
{
    const struct row *from = written, *end = written + ARRAY_LEN(written);

    while (from->class != row->like || from->like)
        from++;
    int depth = from->depth;
    for (from++; from < end && from->depth > depth; from++) {
        if (acts(from))
            continue;
        struct row *copy = &tree[tree_rows++];
        *copy = *from;
        copy->copied = true;
        copy->deeper = row->depth - depth;
        copy->top = depth - 1;
        copy->depth += copy->deeper;
    }
}

__attribute__((constructor)) static void tree_make(void)
{
    for (size_t i = 0; i < ARRAY_LEN(written); i++) {
        tree[tree_rows++] = written[i];
        if (written[i].like)
            copy_like(&written[i]);
    }
}

int tree_child(int row, int after)
{
    for (int i = (after < 0 ? row : after) + 1; i < (int)tree_rows && tree[i].depth > tree[row].depth; i++)
        if (tree[i].depth == tree[row].depth + 1)
            return i;
    return -1;
}

int tree_find(const char *path)
{
    int row = ROW_ROOT;

    while (*path) {
        size_t len = strcspn(path, "/");
        int child = tree_child(row, -1);
        while (child >= 0 && (strlen(tree[child].name) != len || strncmp(tree[child].name, path, len) != 0))
            child = tree_child(row, child);
        if (child < 0)
            return -1;
        row = child;
        path += len + (path[len] == '/');
    }
    return row;
}
