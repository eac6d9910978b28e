/* The database's shape: one text a version, applied in order. A text that has been released never changes. */
#include "store_internal.h"

static const char *const versions[] = {
    /* 1 */
    "CREATE TABLE repos (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, path TEXT NOT NULL,"
    "  changed_at INTEGER NOT NULL);"
    "CREATE TABLE workflows (id INTEGER PRIMARY KEY AUTOINCREMENT, repo_id INTEGER NOT NULL, name TEXT NOT "
    "NULL,"
    "  title TEXT NOT NULL, source TEXT NOT NULL, removed INTEGER NOT NULL, changed_at INTEGER NOT NULL,"
    "  last_run INTEGER NOT NULL, UNIQUE (repo_id, name));"
    "CREATE TABLE errors (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, text TEXT NOT "
    "NULL,"
    "  changed_at INTEGER NOT NULL);"
    "CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, workflow_id INTEGER NOT NULL, attempt INTEGER "
    "NOT NULL,"
    "  status TEXT NOT NULL, conclusion TEXT NOT NULL, exit_code INTEGER NOT NULL, workflow_name TEXT NOT "
    "NULL,"
    "  name TEXT NOT NULL, title TEXT NOT NULL, event TEXT NOT NULL, ref TEXT NOT NULL, sha TEXT NOT NULL,"
    "  actor TEXT NOT NULL, repository TEXT NOT NULL, repo_id INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    "  started_at INTEGER NOT NULL, completed_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,"
    "  log_size INTEGER NOT NULL);"
    "CREATE INDEX runs_active ON runs (id) WHERE status <> 'completed';"
    "CREATE INDEX runs_failed ON runs (id) WHERE conclusion NOT IN ('', 'success', 'skipped');"
    "CREATE INDEX runs_of ON runs (workflow_id, id);"
    "CREATE INDEX runs_old ON runs (completed_at) WHERE status = 'completed';"
    "CREATE TABLE run_texts (run_id INTEGER NOT NULL, which INTEGER NOT NULL, text TEXT NOT NULL,"
    "  PRIMARY KEY (run_id, which)) WITHOUT ROWID;"
    "CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL, attempt INTEGER NOT "
    "NULL,"
    "  key TEXT NOT NULL, job_id TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, conclusion TEXT "
    "NOT NULL,"
    "  exit_code INTEGER NOT NULL, matrix TEXT NOT NULL, needs TEXT NOT NULL, runs_on TEXT NOT NULL,"
    "  backend TEXT NOT NULL, why TEXT NOT NULL, log_job_id INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    "  started_at INTEGER NOT NULL, completed_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,"
    "  log_size INTEGER NOT NULL, UNIQUE (run_id, attempt, key));"
    "CREATE TABLE steps (id INTEGER PRIMARY KEY AUTOINCREMENT, job_id INTEGER NOT NULL, run_id INTEGER NOT "
    "NULL,"
    "  number INTEGER NOT NULL, slug TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, outcome TEXT "
    "NOT NULL,"
    "  conclusion TEXT NOT NULL, exit_code INTEGER NOT NULL, script TEXT NOT NULL, env TEXT NOT NULL,"
    "  cwd TEXT NOT NULL, why TEXT NOT NULL, summary TEXT NOT NULL, started_at INTEGER NOT NULL,"
    "  completed_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, log_size INTEGER NOT NULL,"
    "  stdout_size INTEGER NOT NULL, stderr_size INTEGER NOT NULL, UNIQUE (job_id, number));"
    "CREATE TABLE outputs (id INTEGER PRIMARY KEY AUTOINCREMENT, job_id INTEGER NOT NULL, step_id INTEGER "
    "NOT NULL,"
    "  name TEXT NOT NULL, value TEXT NOT NULL, changed_at INTEGER NOT NULL, UNIQUE (job_id, step_id, name));"
    "CREATE TABLE annotations (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL,"
    "  job_id INTEGER NOT NULL, step_id INTEGER NOT NULL, attempt INTEGER NOT NULL, level TEXT NOT NULL,"
    "  title TEXT NOT NULL, file TEXT NOT NULL, message TEXT NOT NULL, line INTEGER NOT NULL, col INTEGER "
    "NOT NULL);"
    "CREATE INDEX annotations_of ON annotations (run_id, attempt, id);"
    "CREATE TABLE config (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, value TEXT NOT "
    "NULL,"
    "  changed_at INTEGER NOT NULL);"
    "CREATE TABLE secrets (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, value TEXT NOT "
    "NULL,"
    "  changed_at INTEGER NOT NULL);"
    "CREATE TABLE vars (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, value TEXT NOT NULL,"
    "  changed_at INTEGER NOT NULL);",
    /* 2: what jobs leave behind for others */
    "CREATE TABLE artifacts (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, files INTEGER NOT NULL,"
    "  raw INTEGER NOT NULL, digest TEXT NOT NULL, zip_size INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    "  expires_at INTEGER NOT NULL, UNIQUE (run_id, name, attempt));"
    "CREATE INDEX artifacts_old ON artifacts (expires_at);"
    "CREATE TABLE caches (id INTEGER PRIMARY KEY AUTOINCREMENT, repository TEXT NOT NULL, ref TEXT NOT NULL,"
    "  key TEXT NOT NULL COLLATE NOCASE, version TEXT NOT NULL, size INTEGER NOT NULL,"
    "  created_at INTEGER NOT NULL, used_at INTEGER NOT NULL, UNIQUE (repository, ref, version, key));"
    "CREATE INDEX caches_unused ON caches (used_at);"
    "CREATE INDEX caches_of_key ON caches (key);",
    /* 3: called workflows, concurrency, environments, permissions */
    "ALTER TABLE runs ADD COLUMN concurrency TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE runs ADD COLUMN why TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE jobs ADD COLUMN caller TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE jobs ADD COLUMN uses TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE jobs ADD COLUMN environment TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE jobs ADD COLUMN environment_url TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE jobs ADD COLUMN permissions TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE jobs ADD COLUMN concurrency TEXT NOT NULL DEFAULT '';",
    /* 4: what deliveries of events came to */
    "CREATE TABLE deliveries (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, text TEXT NOT "
    "NULL,"
    "  changed_at INTEGER NOT NULL);",
    /* 5: machines, what they went through, their snapshots, and what was run in them by hand */
    "CREATE TABLE machines (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL, job_id "
    "  INTEGER NOT NULL, title TEXT NOT NULL, label TEXT NOT NULL, backend TEXT NOT NULL, image TEXT "
    "  NOT NULL, workspace TEXT NOT NULL, state TEXT NOT NULL, why TEXT NOT NULL, lives INTEGER NOT "
    "  NULL, kept INTEGER NOT NULL, layer INTEGER NOT NULL, boot_ns INTEGER NOT NULL, created_at "
    "  INTEGER NOT NULL, changed_at INTEGER NOT NULL);"
    "CREATE INDEX machines_alive ON machines (title) WHERE lives OR kept;"
    "CREATE INDEX machines_of ON machines (job_id, id);"
    "CREATE TABLE snapshots (id INTEGER PRIMARY KEY AUTOINCREMENT, machine_id INTEGER NOT NULL, "
    "  run_id INTEGER NOT NULL, job_id INTEGER NOT NULL, step_id INTEGER NOT NULL, name TEXT NOT "
    "  NULL, backend TEXT NOT NULL, image TEXT NOT NULL, layer INTEGER NOT NULL, cost_ns INTEGER NOT "
    "  NULL, created_at INTEGER NOT NULL);"
    "CREATE INDEX snapshots_of ON snapshots (machine_id, name);"
    "CREATE INDEX snapshots_of_step ON snapshots (step_id);"
    "CREATE INDEX snapshots_on ON snapshots (layer);"
    "CREATE TABLE layers (id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL, durable "
    "  INTEGER NOT NULL, boot TEXT NOT NULL, created_at INTEGER NOT NULL);"
    "CREATE INDEX layers_on ON layers (parent);"
    "CREATE TABLE commands (id INTEGER PRIMARY KEY AUTOINCREMENT, machine_id INTEGER NOT NULL, number "
    "  INTEGER NOT NULL, command TEXT NOT NULL, exit_code INTEGER NOT NULL, duration_ns INTEGER NOT "
    "  NULL, started_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, UNIQUE (machine_id, number));"
    "CREATE TABLE transitions (id INTEGER PRIMARY KEY, machine_id INTEGER NOT NULL, state TEXT NOT "
    "  NULL, why TEXT NOT NULL, at INTEGER NOT NULL);"
    "CREATE INDEX transitions_of ON transitions (machine_id, id);",
    /* 6: where jobs can go on from */
    "CREATE TABLE step_states (step_id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, state TEXT NOT NULL);"
    "CREATE INDEX step_states_of ON step_states (run_id);",
    /* 7: the ways in by HTTP: who may, and what webhooks delivered */
    "CREATE TABLE tokens (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, value TEXT NOT "
    "NULL,"
    "  changed_at INTEGER NOT NULL);"
    "CREATE TABLE hooks (id INTEGER PRIMARY KEY AUTOINCREMENT, delivery TEXT NOT NULL UNIQUE,"
    "  digest TEXT NOT NULL UNIQUE, event TEXT NOT NULL, state TEXT NOT NULL, headers TEXT NOT NULL, verdict "
    "TEXT NOT NULL, runs TEXT NOT NULL,"
    "  changed_at INTEGER NOT NULL);"
    "CREATE INDEX hooks_pending ON hooks (id) WHERE state IN ('pending', 'running');"
    "CREATE INDEX hooks_old ON hooks (changed_at);"
    "CREATE TABLE hook_payloads (id INTEGER PRIMARY KEY, payload TEXT NOT NULL);",
    /* 8: the commands that steps ran, what came of them, and what followed what */
    "CREATE TABLE known_commands (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    "  slug TEXT NOT NULL UNIQUE, runs INTEGER NOT NULL, successes INTEGER NOT NULL, failures INTEGER NOT "
    "NULL,"
    "  timed INTEGER NOT NULL, total_ms INTEGER NOT NULL, variants INTEGER NOT NULL,"
    "  in_runs INTEGER NOT NULL, last_run_id INTEGER NOT NULL,"
    "  last_run_at INTEGER NOT NULL, changed_at INTEGER NOT NULL);"
    "CREATE TABLE command_uses (run_id INTEGER NOT NULL, step_id INTEGER NOT NULL, position INTEGER NOT NULL,"
    "  command_id INTEGER NOT NULL, job_id INTEGER NOT NULL, outcome INTEGER NOT NULL,"
    "  exit_code INTEGER NOT NULL, duration_ms INTEGER NOT NULL, main INTEGER NOT NULL, at INTEGER NOT NULL,"
    "  PRIMARY KEY (run_id, step_id, position)) WITHOUT ROWID;"
    "CREATE TABLE command_runs (command_id INTEGER NOT NULL, slot INTEGER NOT NULL, run_id INTEGER NOT NULL,"
    "  PRIMARY KEY (command_id, slot)) WITHOUT ROWID;"
    "CREATE TABLE command_durations (command_id INTEGER NOT NULL, bucket INTEGER NOT NULL, count INTEGER NOT "
    "NULL,"
    "  PRIMARY KEY (command_id, bucket)) WITHOUT ROWID;"
    "CREATE TABLE command_edges (from_id INTEGER NOT NULL, to_id INTEGER NOT NULL, successes INTEGER NOT "
    "NULL,"
    "  failures INTEGER NOT NULL, unknown INTEGER NOT NULL, PRIMARY KEY (from_id, to_id)) WITHOUT ROWID;"
    "CREATE INDEX command_edges_to ON command_edges (to_id, from_id);"
    "CREATE TABLE command_variants (command_id INTEGER NOT NULL, text TEXT NOT NULL, runs INTEGER NOT NULL,"
    "  successes INTEGER NOT NULL, failures INTEGER NOT NULL, PRIMARY KEY (command_id, text)) WITHOUT ROWID;"
    "CREATE TABLE command_workflows (command_id INTEGER NOT NULL, workflow_id INTEGER NOT NULL,"
    "  PRIMARY KEY (command_id, workflow_id)) WITHOUT ROWID;"
    "CREATE TABLE failures (id INTEGER PRIMARY KEY AUTOINCREMENT, signature TEXT NOT NULL UNIQUE,"
    "  slug TEXT NOT NULL UNIQUE, line TEXT NOT NULL, count INTEGER NOT NULL, first_seen INTEGER NOT NULL,"
    "  last_seen INTEGER NOT NULL, fixed_run_id INTEGER NOT NULL, fix TEXT NOT NULL, changed_at INTEGER NOT "
    "NULL);"
    "CREATE TABLE failure_uses (run_id INTEGER NOT NULL, step_id INTEGER NOT NULL, failure_id INTEGER NOT "
    "NULL,"
    "  at INTEGER NOT NULL, PRIMARY KEY (run_id, step_id)) WITHOUT ROWID;"
    "CREATE INDEX failure_uses_of ON failure_uses (failure_id, run_id);"
    "CREATE TABLE command_failures (command_id INTEGER NOT NULL, failure_id INTEGER NOT NULL,"
    "  count INTEGER NOT NULL, PRIMARY KEY (command_id, failure_id)) WITHOUT ROWID;"
    "CREATE INDEX command_failures_of ON command_failures (failure_id, command_id);"
    "CREATE TABLE open_failures (workflow_id INTEGER NOT NULL, job_key TEXT NOT NULL, number INTEGER NOT "
    "NULL,"
    "  failure_id INTEGER NOT NULL, run_id INTEGER NOT NULL, step_id INTEGER NOT NULL,"
    "  PRIMARY KEY (workflow_id, job_key, number)) WITHOUT ROWID;",
    /* 9: attempts that a later one followed */
    "CREATE TABLE attempts (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL, attempt INTEGER "
    "NOT "
    "NULL,"
    "  conclusion TEXT NOT NULL, exit_code INTEGER NOT NULL, why TEXT NOT NULL, started_at INTEGER NOT NULL,"
    "  completed_at INTEGER NOT NULL, log_size INTEGER NOT NULL, source TEXT, UNIQUE (run_id, attempt));",
    /* 10: runs that departed from their history */
    "CREATE TABLE anomalies (run_id INTEGER PRIMARY KEY, why TEXT NOT NULL);",
    /* 11: what a backend that takes snapshots itself finds them by */
    "ALTER TABLE snapshots ADD COLUMN handle TEXT NOT NULL DEFAULT '';",
    /* 12: what came of a former attempt */
    "ALTER TABLE attempts ADD COLUMN result TEXT;",
    /* 13: what roles search */
    "CREATE TABLE documents (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, changed_at INTEGER NOT NULL,"
    "  size INTEGER NOT NULL);"
    "CREATE VIRTUAL TABLE document_texts USING fts5 (title, body);",
    /* 14: what others are to be told of runs. A run that changed opens its words again, in the same commit.
     */
    "CREATE TABLE words (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL, attempt INTEGER NOT "
    "NULL,"
    "  hook_id INTEGER NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, sha TEXT NOT NULL,"
    "  number INTEGER NOT NULL, mark TEXT NOT NULL, text TEXT NOT NULL, said TEXT NOT NULL,"
    "  remote TEXT NOT NULL, doubt INTEGER NOT NULL, settled INTEGER NOT NULL, tries INTEGER NOT NULL,"
    "  next_at INTEGER NOT NULL, problem TEXT NOT NULL, changed_at INTEGER NOT NULL,"
    "  UNIQUE (run_id, attempt, kind, target));"
    "CREATE INDEX words_open ON words (next_at, id) WHERE settled = 0;"
    "CREATE INDEX words_of_hook ON words (hook_id, id) WHERE hook_id <> 0;"
    "CREATE TRIGGER words_open AFTER UPDATE ON runs WHEN NEW.status <> OLD.status OR NEW.attempt <> "
    "OLD.attempt"
    " BEGIN UPDATE words SET settled = 0 WHERE run_id = NEW.id AND attempt = 0; END;"
    "CREATE TRIGGER words_gone AFTER DELETE ON runs BEGIN DELETE FROM words WHERE run_id = OLD.id; END;",
    /* 15: what roles search has a database of its own (documents.c) */
    "DROP TABLE document_texts; DROP TABLE documents;",
    /* 16: what a language model is to be asked */
    "CREATE TABLE questions (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id INTEGER NOT NULL, page TEXT NOT "
    "NULL,"
    "  text TEXT NOT NULL, asked_at INTEGER NOT NULL, ended INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX questions_of_run ON questions (run_id) WHERE run_id <> 0;"
    "CREATE INDEX questions_open ON questions (id) WHERE ended = 0;"
    "CREATE TRIGGER questions_gone AFTER DELETE ON runs BEGIN DELETE FROM questions WHERE run_id = OLD.id;"
    " END;",
    /* 17: commands that failed and succeeded without any difference */
    "CREATE TABLE flakes (command_id INTEGER NOT NULL, run_id INTEGER NOT NULL, failed_run_id INTEGER NOT "
    "NULL,"
    "  failure_id INTEGER NOT NULL, PRIMARY KEY (command_id, run_id, failed_run_id)) WITHOUT ROWID;"
    "CREATE INDEX flakes_of ON flakes (run_id);"
    "CREATE INDEX flakes_failed ON flakes (failed_run_id);"
    "CREATE TRIGGER flakes_gone AFTER DELETE ON runs BEGIN"
    " DELETE FROM flakes WHERE run_id = OLD.id OR failed_run_id = OLD.id; END;",
    /* 18: what a delivery has started, so that one that was cut off can go on */
    "DROP INDEX hooks_pending;"
    "CREATE INDEX hooks_pending ON hooks (id) WHERE state IN ('pending', 'running', 'resumed');"
    "CREATE TABLE hook_runs (hook_id INTEGER NOT NULL, workflow_id INTEGER NOT NULL, run_id INTEGER NOT NULL,"
    "  PRIMARY KEY (hook_id, workflow_id)) WITHOUT ROWID;"
    "CREATE TRIGGER hook_runs_gone AFTER DELETE ON hooks BEGIN"
    " DELETE FROM hook_runs WHERE hook_id = OLD.id; END;",
    /* 19: two deliveries may have the same payload; numbers of those that were deleted are not given again */
    "DROP TRIGGER hook_runs_gone;"
    "ALTER TABLE hooks RENAME TO hooks_18;"
    "CREATE TABLE hooks (id INTEGER PRIMARY KEY AUTOINCREMENT, delivery TEXT NOT NULL UNIQUE,"
    "  digest TEXT NOT NULL, event TEXT NOT NULL, state TEXT NOT NULL, headers TEXT NOT NULL,"
    "  verdict TEXT NOT NULL, runs TEXT NOT NULL, changed_at INTEGER NOT NULL);"
    "INSERT INTO hooks (id, delivery, digest, event, state, headers, verdict, runs, changed_at)"
    "  SELECT id, delivery, digest, event, state, headers, verdict, runs, changed_at FROM hooks_18;"
    "DELETE FROM sqlite_sequence WHERE name = 'hooks';"
    "INSERT INTO sqlite_sequence (name, seq) SELECT 'hooks', seq FROM sqlite_sequence WHERE name = "
    "'hooks_18';"
    "DROP TABLE hooks_18;"
    "CREATE INDEX hooks_same ON hooks (digest, id);"
    "CREATE INDEX hooks_pending ON hooks (id) WHERE state IN ('pending', 'running', 'resumed');"
    "CREATE INDEX hooks_old ON hooks (changed_at);"
    "CREATE TRIGGER hook_runs_gone AFTER DELETE ON hooks BEGIN"
    " DELETE FROM hook_runs WHERE hook_id = OLD.id; END;",
    /* 20: what artifacts take of the disk, which is counted */
    "ALTER TABLE artifacts ADD COLUMN disk INTEGER NOT NULL DEFAULT 0;"
    "UPDATE artifacts SET disk = size + 4608 * files;",
    /* 21: what a linked repository is called, from when it was linked on */
    "ALTER TABLE repos ADD COLUMN full_name TEXT NOT NULL DEFAULT '' COLLATE NOCASE;"
    "CREATE UNIQUE INDEX repos_called ON repos (full_name) WHERE full_name <> '';",
    /* 22: who ran a run again, and which attempts' logs were deleted */
    "ALTER TABLE runs ADD COLUMN triggering_actor TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE runs ADD COLUMN logs_gone INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE attempts ADD COLUMN triggering_actor TEXT NOT NULL DEFAULT '';",
    /* 23: whose workflows they are: GitHub's, Gitea's, Forgejo's */
    "ALTER TABLE workflows ADD COLUMN forge INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE runs ADD COLUMN forge INTEGER NOT NULL DEFAULT 0;",
    /* 24: what a pull request wants to merge; of earlier runs it is not known here */
    "ALTER TABLE runs ADD COLUMN head_branch TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE runs ADD COLUMN head_sha TEXT NOT NULL DEFAULT '';",
    /* 25: artifacts whose time was over before their run's */
    "CREATE TABLE expired_artifacts (id INTEGER PRIMARY KEY, run_id INTEGER NOT NULL, attempt INTEGER NOT "
    "NULL,"
    " name TEXT NOT NULL, digest TEXT NOT NULL, zip_size INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL);"
    "CREATE INDEX expired_artifacts_of ON expired_artifacts (run_id, name);",
};

static int user_version(sqlite3 *db)
{
    sqlite3_stmt *stmt = NULL;
    int version = -1;

    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        version = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return version;
}

static int migrate_to(sqlite3 *db, int version)
{
    char stamp[64];

    snprintf(stamp, sizeof(stamp), "PRAGMA user_version = %d", version);
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(db, versions[version - 1], NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(db, stamp, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return SQLITE_OK;
    int rc = sqlite3_errcode(db);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

int store_migrate(sqlite3 *db, struct err *err)
{
    int newest = (int)ARRAY_LEN(versions), version = user_version(db);

    if (version < 0)
        return err_set(err, -EIO, "%s cannot be read: %s", sqlite3_db_filename(db, "main"),
                       sqlite3_errmsg(db));
    if (version > newest)
        return err_set(
            err, -ENOTSUP,
            "%s has version %d, and this runfs knows versions up to %d: use the runfs that wrote it, or name "
            "another directory with --state",
            sqlite3_db_filename(db, "main"), version, newest);
    while (version < newest) {
        int rc = migrate_to(db, ++version);
        if (rc != SQLITE_OK)
            return err_set(err, rc == SQLITE_FULL ? -ENOSPC : -EIO, "%s cannot be brought to version %d: %s",
                           sqlite3_db_filename(db, "main"), version, sqlite3_errstr(rc));
    }
    return 0;
}
