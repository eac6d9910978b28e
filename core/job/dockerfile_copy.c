/*
 * COPY and ADD: the machine's own user root copies, with the runner's tools, so that links of the image lead
 * where they lead in it, and nowhere else. What is copied is gathered in one directory first, where it
 * becomes whose it is to be.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "dockerfile_build.h"
#include "runfs/io.h"
#include "runfs/str.h"

#define PLACE "/__b"
#define GATHERED PLACE "/gathered"

/* How a tool is started without a shell of the image's; t NAME ARGUMENT... */
static const char begins[] = "set -f; IFS=\n"
                             "t() {\n"
                             "    program=$1; shift\n"
                             "    if [ -e " OCI_RUNNER "/ld.so ]; then\n"
                             "        " OCI_RUNNER "/ld.so --argv0 \"$program\" --library-path " OCI_RUNNER
                             "/lib " OCI_RUNNER "/real/\"$program\" \"$@\"\n"
                             "    else\n"
                             "        " OCI_RUNNER "/real/\"$program\" \"$@\"\n"
                             "    fi\n"
                             "}\n"
                             "set +f\n";

/* FROM UNPACK PATTERN... */
static const char gather[] =
    "cd \"$1\" || exit 1\n"
    "unpack=$2; shift 2\n"
    "t rm -rf " GATHERED "; t mkdir -p " GATHERED "/files || exit 1\n"
    "for pattern; do\n"
    "    while [ \"${pattern#/}\" != \"$pattern\" ]; do pattern=${pattern#/}; done\n"
    "    while [ \"${pattern#./}\" != \"$pattern\" ]; do pattern=${pattern#./}; done\n"
    "    pattern=${pattern:-.} found=\n"
    "    case /$pattern/ in */../*) echo \"$pattern leads out of where it is copied from\" >&2; exit 1;; "
    "esac\n"
    "    for source in $pattern; do\n"
    "        [ -e \"$source\" ] || continue\n"
    "        found=1\n"
    "        if [ -d \"$source\" ]; then\n"
    "            : >" GATHERED "/whole\n"
    "            for entry in \"$source\"/* \"$source\"/.[!.]* \"$source\"/..?*; do\n"
    "                [ -e \"$entry\" ] || [ -L \"$entry\" ] || continue\n"
    "                case ${entry#./} in __b|__e|proc|sys|dev) continue;; esac\n"
    "                t cp -a --remove-destination \"$entry\" " GATHERED "/files/ || exit 1\n"
    "            done\n"
    "        elif [ \"$unpack\" ] && t tar -tf \"$source\" >/dev/null 2>&1; then\n"
    "            : >" GATHERED "/whole\n"
    "            t tar -C " GATHERED "/files -xpf \"$source\" || exit 1\n"
    "        else\n"
    "            t cp -pL --remove-destination \"$source\" " GATHERED "/files/ || exit 1\n"
    "        fi\n"
    "    done\n"
    "    [ \"$found\" ] || { echo \"$pattern: there is no such file\" >&2; exit 1; }\n"
    "done\n";

/* TO OWNER MODE */
static const char put[] =
    "to=$1 owner=$2 mode=$3 IFS=' '\n"
    "cd " GATHERED "/files || exit 1\n"
    "set --\n"
    "for entry in * .[!.]* ..?*; do\n"
    "    [ -e \"$entry\" ] || [ -L \"$entry\" ] || continue\n"
    "    set -- \"$@\" \"$entry\"\n"
    "done\n"
    "[ $# -gt 0 ] || { t mkdir -p \"$to\"; exit; }\n"
    "read -r _ _ ids </proc/self/uid_map; [ \"$ids\" = 1 ] && owner=\n" /* an ordinary user's: all is his */
    "[ -z \"$owner\" ] || t chown -hR \"$owner\" -- \"$@\" || exit 1\n"
    "[ -z \"$mode\" ] || t chmod -R \"$mode\" -- \"$@\" || exit 1\n"
    "if [ $# = 1 ] && [ ! -e " GATHERED "/whole ] && [ \"${to%/}\" = \"$to\" ] && [ ! -d \"$to\" ]; then\n"
    "    parent=${to%/*}\n"
    "    t mkdir -p \"${parent:-/}\" && t cp -a --remove-destination \"$1\" \"$to\" || exit 1\n"
    "else\n"
    "    t mkdir -p \"$to\" || exit 1\n"
    "    t tar -cf - -- \"$@\" | t tar -C \"$to\" --keep-directory-symlink --same-owner -xpf - || exit 1\n"
    "fi\n"
    "t rm -rf " GATHERED "\n";

/* Runs one of the scripts with those words. */
static int run_script(struct build *b, struct machine *m, const char *script, const char *const *words,
                      struct machine_file *put_first, int out_fd)
{
    static const char *const env[] = {"PATH=" OCI_TOOLS
                                      ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                      "LC_ALL=C.UTF-8", NULL};
    _buf_ struct buf text = BUF_INIT, loader = BUF_INIT;
    const char *argv[128];
    size_t n = 0;

    buf_addf(&text, "%s%s", begins, script);
    buf_addf(&loader, "%s/containers/layers/%s" OCI_RUNNER "/ld.so", b->place.dir, b->tools);
    if (!buf_ok(&text) || !buf_ok(&loader))
        return err_errno(b->err, -ENOMEM, "%s", b->of->file);
    if (access(loader.ptr, F_OK) == 0) {
        static const char *const dynamic[] = {OCI_RUNNER "/ld.so", "--argv0", "sh", "--library-path",
                                              OCI_RUNNER "/lib"};
        memcpy(argv, dynamic, sizeof(dynamic));
        n = ARRAY_LEN(dynamic);
    }
    argv[n++] = OCI_RUNNER "/real/sh";
    argv[n++] = "-c";
    argv[n++] = text.ptr;
    argv[n++] = "sh";
    for (; *words; words++) {
        if (n == ARRAY_LEN(argv) - 1)
            return err_set(b->err, -E2BIG, "%s: it copies too many files by name", b->of->file);
        argv[n++] = *words;
    }
    argv[n] = NULL;
    return build_run(
        b, m,
        &(struct build_command){.argv = argv, .env = env, .cwd = "/", .put = put_first, .out_fd = out_fd});
}

/* Unpacks a tar of this host in the machine. It goes there as a file, as the image may have no tar. */
static int unpack_there(struct build *b, int fd, const char *to)
{
    static const char script[] =
        "t mkdir -p \"$1\" && t tar -C \"$1\" -xpf " PLACE "/tar && t rm " PLACE "/tar\n";
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_errno(b->err, -errno, "%s", b->of->file);
    void *bytes = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (bytes == MAP_FAILED)
        return err_errno(b->err, -errno, "%s", b->of->file);
    struct machine_file file = {.path = PLACE "/tar", .mode = 0600, .data = bytes, .len = (size_t)st.st_size};
    int r = run_script(b, b->machine, script, (const char *const[]){to, NULL}, &file, 0);
    if (bytes)
        munmap(bytes, (size_t)st.st_size);
    return r > 0 ? err_set(b->err, -EIO, "%s: its files could not be unpacked", b->of->file) : r;
}

/* ------------------------------------------------------------------------------------ where it comes from */

static int gather_from(struct build *b, struct machine *m, const char *from, bool unpack,
                       char *const *sources, size_t n, const char *after, int out_fd)
{
    _buf_ struct buf script = BUF_INIT;
    const char **words = calloc(n + 3, sizeof(*words));
    int r = words ? 0 : -ENOMEM;

    buf_addf(&script, "%s%s", gather, after);
    if (!words || !buf_ok(&script)) {
        free(words);
        return err_errno(b->err, r ? r : -ENOMEM, "%s", b->of->file);
    }
    words[0] = from;
    words[1] = unpack ? "unpack" : "";
    memcpy(words + 2, sources, n * sizeof(*words));
    r = run_script(b, m, script.ptr, words, NULL, out_fd);
    free(words);
    return r;
}

/* The files beside the Dockerfile: brought once into each machine. */
static int from_context(struct build *b, bool unpack, char *const *sources, size_t n)
{
    int r = b->context ? 0 : unpack_there(b, b->of->context_fd, PLACE "/context");

    b->context = b->context || r == 0;
    return r == 0 ? gather_from(b, b->machine, PLACE "/context", unpack, sources, n, "", 0) : r;
}

/* Here-documents, each a file of its name. */
static int from_documents(struct build *b, const struct dockerfile_instruction *in, size_t n)
{
    _free_ char **names = calloc(n + 1, sizeof(*names));
    int r = names ? 0 : err_errno(b->err, -ENOMEM, "%s", b->of->file);

    for (size_t i = 0; r == 0 && i < n; i++) {
        const json_t *document = json_array_get(in->documents, i), *text = json_array_get(document, 1);
        _buf_ struct buf path = BUF_INIT;
        names[i] = (char *)(uintptr_t)json_string_value(json_array_get(document, 0));
        buf_addf(&path, PLACE "/documents/%s", names[i]);
        struct machine_file file = {.path = buf_str(&path),
                                    .mode = 0644,
                                    .data = json_string_value(text),
                                    .len = json_string_length(text)};
        r = run_script(b, b->machine, ":\n", (const char *const[]){NULL}, &file, 0);
    }
    return r == 0 ? gather_from(b, b->machine, PLACE "/documents", false, names, n, "", 0) : r;
}

/* Another stage's, or an image's that is none. */
static int find_image(struct build *b, const char *from, struct container **ret)
{
    char *end;
    unsigned long number = strtoul(from, &end, 10);

    for (size_t i = 0; i < b->stage; i++)
        if ((b->stages[i].name && strcasecmp(b->stages[i].name, from) == 0) ||
            (!*end && *from && number == i))
            return container_of_image(&b->place, b->stages[i].image, ret, b->err);
    return container_of_image(&b->place, from, ret, b->err);
}

static int from_image(struct build *b, const char *from, char *const *sources, size_t n)
{
    static const char pack[] = "t tar -C " PLACE " -cf - gathered\n";
    _container_ struct container *c = NULL;
    struct machine *m = NULL;
    _close_ int fd = build_scratch(b);
    int r = fd < 0 ? fd : find_image(b, from, &c);

    if (r == 0)
        r = build_open_image(b, c->image, &m);
    if (r == 0)
        r = gather_from(b, m, "/", false, sources, n, pack, fd);
    build_release_machine(b, m);
    return r == 0 ? unpack_there(b, fd, PLACE) : r;
}

/* ------------------------------------------------------------------------------------------- instructions */

static int check(struct build *b, const struct dockerfile_instruction *in, char *const *words, size_t n)
{
    static const char *const options[] = {"from", "chown", "chmod", "link"};
    const char *key;
    json_t *value;

    if (n < 2)
        return build_refuse(b, in, "%s is what, and where to", in->name);
    json_object_foreach(in->options, key, value)
    {
        bool good = false;
        for (size_t i = 0; i < ARRAY_LEN(options); i++)
            good = good || str_eq(options[i], key);
        if (!good)
            return build_refuse(b, in, "--%.50s cannot be had", key);
    }
    for (size_t i = 0; i + 1 < n; i++) {
        if (str_starts(words[i], "http://") || str_starts(words[i], "https://") ||
            str_starts(words[i], "git@"))
            return build_refuse(
                b, in,
                "nothing is fetched by ADD: RUN curl or the like, which is within the build's "
                "network and limits");
        if (str_starts(words[i], "<<") && json_array_size(in->documents) != n - 1)
            return build_refuse(b, in, "here-documents and files cannot be copied by one instruction");
    }
    return 0;
}

static const char *option(const struct dockerfile_instruction *in, const char *name)
{
    const char *value = json_string_value(json_object_get(in->options, name));

    return value ? value : "";
}

int build_copy(struct build *b, const struct dockerfile_instruction *in, char *const *words)
{
    const char *from = option(in, "from");
    size_t n = 0;

    while (words[n])
        n++;
    int r = check(b, in, words, n);
    if (r == 0)
        r = build_machine(b, "");
    if (r < 0)
        return r;
    _free_ char *to = build_path(b, words[n - 1]);
    if (!to)
        return err_errno(b->err, -ENOMEM, "%s", b->of->file);
    if (*from)
        r = from_image(b, from, words, n - 1);
    else if (json_array_size(in->documents))
        r = from_documents(b, in, n - 1);
    else
        r = from_context(b, str_eq(in->name, "ADD"), words, n - 1);
    if (r == 0)
        r = run_script(b, b->machine, put,
                       (const char *const[]){to, option(in, "chown"), option(in, "chmod"), NULL}, NULL, 0);
    return r > 0 ? build_refuse(b, in, "%s %.200s: exit code %d", in->name, in->text, r) : r;
}
