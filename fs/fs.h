/*
 * What everything in the mount works on. No libfuse here: only the mount itself knows it (session.h, and what
 * includes that).
 */
#ifndef RUNFS_FS_FS_H
#define RUNFS_FS_FS_H

#include <pthread.h>
#include <sys/stat.h>

#include "runfs/role_list.h"
#include "runfs/run.h"
#include "tree.h"

enum { REPLIES = 256, TREES = 16, QUERIES = 64, CONCEPT_ROLES = 127 };

struct artifact_tree;

struct fs {
    struct store *store;          /* borrowed */
    struct engine *engine;        /* borrowed */
    struct machines *machines;    /* borrowed */
    struct vms *vms;              /* borrowed */
    struct rootfs *rootfs;        /* owned */
    struct server *server;        /* borrowed; NULL: none */
    struct reporter *reporter;    /* borrowed; NULL: none */
    struct searcher *searcher;    /* borrowed */
    char *mount_point, *log_path; /* owned by the caller */
    int64_t started_at;
    uid_t uid;
    gid_t gid;
    pthread_mutex_t lock; /* guards replies, drafts, queries, roles and whose concepts were looked at */
    struct {
        int row;
        int64_t id;
        char text[512];
    } replies[REPLIES];   /* the last reply of each ctl, as far as there is room */
    struct draft *drafts; /* owned: files in workflows/ that are no workflow (yet) */
    int64_t next_draft;
    struct query *queries[QUERIES]; /* owned: what was asked last in search/ */
    int64_t next_query;
    struct role_list roles;
    int64_t concept_roles[CONCEPT_ROLES]; /* their ids: whose concepts were looked at last, below roles/ */
    size_t next_concept_role;
    struct {
        int64_t id;
        struct artifact_tree *tree; /* owned reference; NULL: none */
    } trees[TREES];                 /* of artifacts that were looked at last; under the lock */
};

struct node {
    int row;
    int64_t id;
};

/* ------------------------------------------------------------------------------------- walking (node.c) */

/* 0, -ENOENT, or -ENAMETOOLONG. */
int node_lookup(struct fs *fs, struct node dir, const char *name, struct node *ret);
/* Fills *st (without inode). seconds: for how long it may be kept unasked. -ENOENT: it is not there (any
 * more). */
int node_stat(struct fs *fs, struct node n, struct stat *st, double *seconds);
/* Whether it is a directory that may go away, but says the same as long as it is there. */
bool node_is_timeless(struct node n);
/* Whether it will never change. */
bool node_final(struct fs *fs, struct node n);
/* Appends the text of a file or the target of a link. */
int node_text(struct fs *fs, struct node n, struct buf *ret);
/*
 * Lists a directory from a cookie (0: the beginning). each() returns false when it has no more room; the
 * cookie it was given continues behind that entry. known: what had to be found out of it anyway; NULL:
 * nothing
 */
struct node_stat {
    struct stat st;
    double seconds;
};
typedef bool list_fn(void *data, const char *name, struct node n, uint64_t cookie,
                     const struct node_stat *known);
int node_list(struct fs *fs, struct node dir, uint64_t cookie, list_fn *each, void *data);

/* The selection that a log row shows. */
int node_log(struct fs *fs, struct node n, struct log_select *ret);
/* run_id of what a node belongs to, 0 without. */
int64_t node_run(struct fs *fs, struct node n);
bool owner_completed(struct fs *fs, enum owner owner, int64_t id);

/* ---------------------------------------------------------------------------------- contents (contents.c) */

/* Artifacts' trees and caches' files. A row that is no directory of a tree: -1. */
int contents_row(int row);
int contents_lookup(struct fs *fs, struct node dir, const char *name, struct node *ret);
typedef bool entry_fn(void *data, const char *name, struct node n, uint32_t entry);
int contents_list(struct fs *fs, struct node dir, uint32_t after, entry_fn *each, void *data);
int contents_stat(struct fs *fs, struct node n, struct stat *st); /* mode, size and times */
int contents_link(struct fs *fs, struct node n, struct buf *ret);
int contents_open(struct fs *fs, struct node n); /* a descriptor, or -errno */
void contents_forget(struct fs *fs, int64_t artifact_id);
void contents_release(struct fs *fs);

/* Ids from here on are of settings that are being made: they are there, and empty. */
#define NODE_UNBORN (1LL << 50)

/* Inode numbers: the row and the id in one. */
uint64_t node_ino(struct node n);
struct node node_of(uint64_t ino);

/* ------------------------------------------------------------------------------- writing (write.c, drafts.c)
 */

/* The first piece of what is written to a file, where it can be refused at once: what a shell's echo sees. */
int node_write_start(struct fs *fs, struct node n, const char *name, const char *text, size_t len);
/* Why dir/name was refused: errors/DIR-NAME is made, or removed (reason NULL). (write.c) */
void put_reason(struct fs *fs, const char *dir, const char *name, const char *reason);
/* What was written to a file as a whole. Returns 0 or -errno; the reason can be read where the row's help
 * says. */
int node_write(struct fs *fs, struct node n, const char *name, const char *text, size_t len);
/* A part of what is being written to a row that may refuse it at once. */
int node_check(struct fs *fs, struct node n, const char *part, size_t len);
/* A page of Markdown in workflows/ becomes a workflow. */
int node_drop_page(struct fs *fs, const char *name, const char *text, size_t len);
/* truncate(2) of a file that nobody has open: its text so far, cut or followed by NULs, is written to it. Of
 * what takes messages nothing is cut. */
int node_resize(struct fs *fs, struct node n, off_t size);
/* mkdir: a machine, a snapshot. */
int node_mkdir(struct fs *fs, struct node dir, const char *name);
int node_remove(struct fs *fs, struct node dir, const char *name, bool is_dir);
void fs_reply(struct fs *fs, struct node n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int fs_last_reply(struct fs *fs, struct node n, struct buf *ret);
/* What a row of settings calls that one: its kind, and the key appended. -EPERM: it has none. */
int setting_of(int row, const char *name, enum setting_kind *ret_kind, struct buf *ret_key);

/*
 * Drafts: files in workflows/ that are not workflows, and in directories of settings those that are none: an
 * editor's temporary file, rsync's, a workflow that is being written for the first time. Kept in memory, gone
 * when unlinked, renamed to a name that means something, or unmounted. Each is of the row workflows/SCRATCH,
 * wherever it lies.
 */
enum { DRAFT_SIZE_MAX = 1024 * 1024, DRAFTS_MAX = 64, PAYLOAD_SIZE_MAX = 25 * 1024 * 1024 /* as GitHub's */ };
int64_t draft_find(struct fs *fs, int dir, const char *name);                  /* dir: a row; 0: none */
int64_t draft_make(struct fs *fs, int dir, const char *name, struct err *err); /* or -errno */
int draft_put(struct fs *fs, int64_t id, const char *text, size_t len);
int draft_get(struct fs *fs, int64_t id, struct buf *ret); /* -ENOENT */
int draft_name(struct fs *fs, int64_t id, struct buf *ret);
int draft_rename(struct fs *fs, int64_t id, const char *name);
void draft_drop(struct fs *fs, int64_t id);
void queries_release(struct fs *fs);                          /* (queries.c) */
int fs_role_name(struct fs *fs, int64_t id, struct buf *ret); /* of a directory in roles/; -ENOENT */
size_t draft_next(struct fs *fs, int dir, int64_t after, int64_t *ids, size_t max);
void drafts_release(struct fs *fs);
int draft_stat(struct fs *fs, int64_t id, struct stat *st);
bool is_workflow_name(const char *name);
bool is_page_name(const char *name);

/* -------------------------------------------------------------------------------- names (names.c) */

/* Whether a file of that name may be made in that directory, and the row it would have. -errno */
int node_creatable(struct fs *fs, struct node dir, const char *name);
/* Whether settings are files of that directory, and so drafts may be, too. */
bool holds_settings(int row);
/*
 * rename(2): of workflows, drafts and settings within their directory, and of linked checkouts. A setting is
 * the old one's value under the new name; what is refused leaves both as they were. -EXDEV where a copy would
 * do.
 */
int node_rename(struct fs *fs, struct node dir, const char *name, struct node new_dir, const char *new_name,
                unsigned flags);

/* -------------------------------------------------------------------------------- what the rows show
 * (show_*.c) */

show_fn show_readme, show_status, show_metrics;
show_fn show_hook_event, show_hook_delivery, show_hook_state, show_hook_headers, show_hook_payload,
    show_hook_verdict, show_hook_words, link_hook_run;
show_fn show_event, show_workflow_source, link_latest_run, link_run, link_run_of, show_error, link_repo,
    show_dispatch;
show_fn show_run_status, show_run_conclusion, show_run_exit_code, show_run_name, show_run_event, show_run_ref,
    show_run_sha, show_run_actor, show_run_title, show_run_created, show_run_started, show_run_completed,
    show_run_duration, show_run_attempt, show_run_inputs, show_run_event_json, show_run_source,
    show_run_expanded, show_run_timeline, show_run_graph, show_run_plan, show_run_result,
    show_run_concurrency, show_run_why, show_run_summary, show_run_annotations, link_run_workflow;
show_fn show_attempt_conclusion, show_attempt_exit_code, show_attempt_why, show_attempt_started,
    show_attempt_completed, show_attempt_duration, show_attempt_source, show_attempt_annotations,
    show_attempt_status, show_attempt_result, show_attempt_summary;
show_fn show_job_status, show_job_conclusion, show_job_exit_code, show_job_name, show_job_why,
    show_job_matrix, show_job_runs_on, show_job_backend, show_job_duration, link_need, show_job_uses,
    show_job_environment, show_job_environment_url, show_job_permissions, show_job_concurrency, link_caller;
show_fn show_step_status, show_step_outcome, show_step_conclusion, show_step_exit_code, show_step_name,
    show_step_script, show_step_env, show_step_cwd, show_step_why, show_step_summary, show_step_duration,
    show_output;
show_fn show_failure_signature, show_failure_line, show_failure_count, show_failure_first, show_failure_last,
    show_failure_fix, link_failure_fixed, link_near_failure, link_failure_command, link_failure_run,
    link_step_failure;
show_fn show_knowledge_dot, show_knowledge_json, show_knowledge_svg, show_command_dot;
show_fn show_concept_name, show_concept_synonyms, show_concept_count, show_concept_edges, link_concept_page,
    link_related_concept, link_concept_document;
show_fn show_command_json, show_command_svg, show_role_dot, show_role_json, show_role_svg, show_role_index;
/* Of texts that take time: whether they are there, whether they are still being found out. */
bool is_graph_there(struct fs *fs, int64_t id), is_ontology_there(struct fs *fs, int64_t id);
bool is_ontology_later(struct fs *fs, int64_t id), is_concept_later(struct fs *fs, int64_t id);
show_fn show_command_flaky, link_flaky_command;
show_fn show_suggestion, show_run_eta, show_job_eta, show_run_anomaly, link_anomaly;
show_fn show_lesson, link_failure_lesson, link_command_lesson;
show_fn show_knowledge_stats, show_command_name, show_command_runs, show_command_successes,
    show_command_failures, show_command_rate, show_command_mean, show_command_p50, show_command_p95,
    show_command_last, show_command_variants, show_command_edges, link_near_command, link_command_run,
    link_command_workflow, link_step_command;
show_fn show_results, link_hit, show_role_name, show_role_relevance, show_role_prompt, show_role_extra,
    show_haystack_location, show_haystack_patterns;
show_fn show_config, show_token, show_var, show_label, show_run_artifacts, show_caches;
show_fn show_vm_status, show_vm_why, show_vm_backend, show_vm_image, show_vm_label, show_vm_cpus,
    show_vm_memory, show_vm_address, show_vm_boot, show_vm_uptime, show_vm_console, show_vm_limits,
    show_vm_exec, link_vm_job, link_vm_last, link_step_snapshot, link_job_vm, show_image_path,
    show_image_size, show_image_created, show_image_kernel, show_image_root, show_image_packages,
    show_image_digest, show_image_templates, show_command, show_command_exit_code, show_command_duration,
    show_snapshot_created, show_snapshot_cost;

void time_line(struct buf *b, int64_t t); /* nothing where t is 0: it has not been (show_run.c) */

/* The annotations and the summary of an attempt of a run. (show_run.c) */
int annotations_text(struct fs *fs, int64_t run_id, int attempt, struct buf *ret);
int summary_text(struct fs *fs, int64_t run_id, int attempt, struct buf *ret); /* -ENOENT: there is none */

/* The name of what is called by its id. (classes.c) */
int name_number(struct fs *fs, int64_t id, struct buf *ret);

extern const struct name_class class_hooks, class_hook_runs, class_events, class_workflows, class_drafts,
    class_repos, class_repo_workflows, class_errors, class_runs, class_active_runs, class_failed_runs,
    class_run_workflows, class_runs_of, class_attempts, class_attempt_jobs, class_jobs, class_needs,
    class_steps, class_job_outputs, class_step_outputs, class_config, class_labels, class_disabled,
    class_proposed, class_webhook, class_github, class_alerts, class_fcctl, class_llm, class_hosts,
    class_identities, class_tls, class_tokens, class_secrets, class_vars, class_artifacts, class_caches,
    class_pool, class_vm_labels, class_vms, class_images, class_commands, class_snapshots,
    class_known_commands, class_next_commands, class_previous_commands, class_command_runs,
    class_command_failures, class_command_workflows, class_failures, class_failure_commands,
    class_failure_runs, class_lessons, class_command_lessons, class_anomalies, class_suggestions, class_roles,
    class_listed_roles, class_haystacks, class_flaky_commands, class_concepts, class_related_concepts,
    class_concept_documents, class_queries, class_hits;

extern const struct verb predict_verbs[], run_verbs[], job_verbs[], step_verbs[], vm_verbs[];

/* ---------------------------------------------------------------------------------------------- rootfs.c */

/*
 * The files of machines. What the kernel knows of them is kept by number, counted as it counts; names are
 * followed below the machine's root only, and links are shown so that they lead nowhere else.
 */
int rootfs_new(struct rootfs **ret);
void rootfs_free(struct rootfs *r);
/* Counts one look-up more. */
int rootfs_lookup(struct fs *fs, struct node dir, const char *name, struct node *ret);
void rootfs_forget(struct fs *fs, struct node n, uint64_t lookups);
int rootfs_stat(struct fs *fs, struct node n, struct stat *st);
int rootfs_link(struct fs *fs, struct node n, struct buf *ret);
int rootfs_open(struct fs *fs, struct node n); /* a regular file's descriptor */
/* Entries from `after` on (0: the first); each() is given the number to go on behind it. */
typedef bool rootfs_fn(void *data, const char *name, const struct stat *st, uint64_t cookie);
int rootfs_list(struct fs *fs, struct node dir, uint64_t after, rootfs_fn *each, void *data);

/* ------------------------------------------------------------------------------------------------ fuse.c */

struct mount_opts {
    struct fs *fs;
    const char *mount_point;
    const char *options; /* of -o, "" for none */
};
struct mounted;
/* Mounts; from its return on the kernel sends requests, which wait until mounted_serve. */
int mounted_new(const struct mount_opts *opts, struct mounted **ret, struct err *err);
/* Serves until it is unmounted or a signal asks to end. */
int mounted_serve(struct mounted *m);
bool mounted_ending(const struct mounted *m); /* asked to end; for any thread, until mounted_free */
void mounted_free(struct mounted *m);

/* ------------------------------------------------------------------------------------------- subcommands */

struct subcommand {
    const char *name; /* NULL ends the table */
    int (*run)(int argc, char **argv);
    const char *help; /* one line of `runfs -h`; NULL: not listed there, and last */
};
extern const struct subcommand subcommands[];

int cmd_complete(int argc, char **argv);
int cmd_mount(int argc, char **argv);
int cmd_umount(int argc, char **argv);
int cmd_token(int argc, char **argv);
int cmd_fcctl_serve(int argc, char **argv);
int cmd_host(int argc, char **argv);
int cmd_image(int argc, char **argv);
int cmd_gh_setup(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_sh(int argc, char **argv);
int cmd_lint(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_worker(int argc, char **argv);

/* workflow_find_fn for a file that is not registered anywhere (data: its path, "." for standard input): finds
 * what lies in the repository that it is in, and nothing that leads out of it. (cmd_lint.c) */
int local_workflow_find(void *data, const char *uses, struct buf *ret, struct err *err);

/* Where a runner is mounted: opt, else the only one; NULL: none or several, which was said. Owned by the
 * caller. (directories.c) */
char *mount_directory(const char *command, const char *opt);
/* Whether a runner is mounted at path. (directories.c) */
bool is_mount(const char *path);
/* Whether the daemon of the mount at path has died. (directories.c) */
bool is_dead_mount(const char *path);

/* --------------------------------------------------------------------------------------------- usage.c */

/* Of which call usage_wrong speaks: main()'s arguments from the subcommand on, borrowed. */
void usage_began(int argc, char **argv);
/* Wrong usage: says what is wrong (NULL: getopt did, and this adds which option it may have been), how the
 * subcommand is called, and where more is said; 2, its exit status. help: the text of its -h, from "usage:
 * runfs NAME" on. */
int usage_wrong(const char *help, const char *what);
/* For a subcommand without options: -1 where it is to go on, with its operands in argv[optind] and what
 * follows; else its exit status, after -h or what was wrong. */
int only_operands(int argc, char **argv, const char *help);
/* In how many letters a word differs from another of that length: SIZE_MAX where it is the same, or another
 * one. */
size_t word_distance(const char *word, const char *other, size_t len);
/* Standard streams that are closed are opened, such that using them fails. */
void streams_open(void);
/* What is printed is given out: where it cannot be, and not because who read it has gone, that is said and 1
 * returned instead of 0. */
int streams_close(int code);

/* The state directory: opt, else $XDG_STATE_HOME/runfs, else ~/.local/state/runfs. Owned by the caller.
 * (directories.c) */
char *state_directory(const char *opt);
/* A new directory in $TMPDIR, else /tmp, for this user only (0700): runfs-WHAT-XXXXXX. Its path is owned by
 * the caller, who removes the directory, too; NULL: it cannot be made. (directories.c) */
char *temporary_directory(const char *what, struct err *err);

#endif
