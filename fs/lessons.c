/* knowledge/lessons: the failures that came often enough, and links to what they teach. */
#include "fs.h"
#include "runfs/io.h"
#include "runfs/knowledge.h"
#include "runfs/str.h"

static int64_t number_setting(struct fs *fs, const char *key, int64_t fallback)
{
    _buf_ struct buf text = BUF_INIT;
    uint64_t n;

    return store_setting(fs->store, SETTING_CONFIG, key, &text) == 0 && parse_u64(buf_str(&text), &n) == 0 &&
                   n < INT32_MAX
               ? (int64_t)n
               : fallback;
}

/* One that was not met for as long as runs are kept is retired. */
static int64_t oldest(struct fs *fs)
{
    return now_ns() - number_setting(fs, "retention_days", 90) * 86400 * 1000000000LL;
}

static bool is_lesson(struct fs *fs, int64_t failure)
{
    const struct failure_row *f = failure > 0 ? store_get_failure(fs->store, failure) : NULL;
    bool earned = f && f->count >= number_setting(fs, "lesson_threshold", 3) && f->last_seen >= oldest(fs);

    failure_row_unref(f);
    return earned;
}

static int64_t find_lesson(struct fs *fs, int64_t up, const char *name)
{
    _free_ char *slug = str_ends(name, ".md") ? strndup(name, strlen(name) - strlen(".md")) : NULL;
    int64_t id = slug ? store_find_failure(fs->store, slug) : 0;

    (void)up;
    return is_lesson(fs, id) ? id : 0;
}

static ssize_t next_lesson(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    (void)up;
    return store_list_lessons(fs->store, number_setting(fs, "lesson_threshold", 3), oldest(fs), after, ids,
                              max);
}

static int name_lesson(struct fs *fs, int64_t id, struct buf *ret)
{
    int r = class_failures.name(fs, id, ret);

    buf_adds(ret, ".md");
    return r;
}

const struct name_class class_lessons = {find_lesson, next_lesson, name_lesson};

int show_lesson(struct fs *fs, int64_t id, struct buf *ret)
{
    return lesson_text(fs->store, id, ret);
}

int link_failure_lesson(struct fs *fs, int64_t id, struct buf *ret)
{
    if (!is_lesson(fs, id))
        return -ENOENT;
    buf_adds(ret, "../../lessons/");
    return name_lesson(fs, id, ret);
}

/* ------------------------------------------------------------------------------------ those of a command */

static int64_t find_command_lesson(struct fs *fs, int64_t up, const char *name)
{
    int64_t id = find_lesson(fs, up, name);

    return id && store_is_failure_link(fs->store, COMMAND_FAILURES, up, id) ? id : 0;
}

static ssize_t next_command_lesson(struct fs *fs, int64_t up, int64_t after, int64_t *ids, size_t max)
{
    int64_t batch[64];
    ssize_t n;
    size_t got = 0;

    while (got < max && (n = store_list_failure_links(fs->store, COMMAND_FAILURES, up, after, batch,
                                                      ARRAY_LEN(batch))) > 0)
        for (ssize_t i = 0; i < n && got < max; i++) {
            after = batch[i];
            if (is_lesson(fs, after))
                ids[got++] = after;
        }
    return (ssize_t)got;
}

const struct name_class class_command_lessons = {find_command_lesson, next_command_lesson, name_lesson};

int link_command_lesson(struct fs *fs, int64_t id, struct buf *ret)
{
    buf_adds(ret, "../../../lessons/");
    return name_lesson(fs, id, ret);
}
