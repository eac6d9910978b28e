/*
 * What searching as a role costs: reading 10,000 pages of Markdown into the index, searching them, finding
 * 10,000 synonyms in a text.
 * usage: bench_search make TREE           pages, concepts in TREE-concepts; prints a word of some pages
 *        bench_search index STATE TREE    milliseconds from nothing to the first hits
 *        bench_search search STATE TREE   searches what is indexed
 *        bench_search automaton TREE      megabytes a second
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runfs/automaton.h"
#include "runfs/io.h"
#include "runfs/search.h"
#include "runfs/str.h"

enum { PAGES = 10000, WORDS_OF_PAGE = 200, VOCABULARY = 20000, SYNONYMS = 10000, SEARCHES = 200 };

static uint64_t seed = 88172645463325252u;

static double random_unit(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (double)(seed >> 11) / 9007199254740992.0;
}

/* The n-th word; the lower, the more often one meets it, about as in a language. */
static void add_word(struct buf *b, unsigned n)
{
    static const char consonants[] = "bcdfghklmnprstvz", vowels[] = "aeiou";

    for (n = n * 7919 + 13; n; n /= 80) {
        buf_addc(b, consonants[n % 16]);
        buf_addc(b, vowels[n / 16 % 5]);
    }
}

static unsigned random_word(void)
{
    double top = 1;

    for (unsigned n = VOCABULARY / 10; n > 0; n /= 10) /* each tenth as often again as the ten times larger */
        top *= random_unit() < 0.5 ? 10 : 1;
    return (unsigned)(random_unit() * VOCABULARY / top);
}

static void make_page(const char *tree, int n)
{
    _buf_ struct buf path = BUF_INIT, text = BUF_INIT;

    buf_addf(&path, "%s/%02d", tree, n / 100);
    if (mkdir(buf_str(&path), 0700) < 0 && errno != EEXIST)
        exit(1);
    buf_addf(&path, "/%d.md", n);
    buf_addf(&text, "# Page %d ", n);
    add_word(&text, random_word());
    for (int i = 0; i < WORDS_OF_PAGE; i++) {
        buf_adds(&text, i == 0 ? "\n\n" : i % 12 == 0 ? ".\n" : " ");
        add_word(&text, random_word());
    }
    buf_addc(&text, '\n');
    int fd = open(buf_str(&path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write_all(fd, text.ptr, text.len) < 0)
        exit(1);
    close(fd);
}

/* 1,000 concepts of ten synonyms each. */
static void make_concepts(const char *tree)
{
    _buf_ struct buf dir = BUF_INIT;

    buf_addf(&dir, "%s-concepts", tree);
    if (make_dirs(buf_str(&dir), 0700) < 0)
        exit(1);
    for (unsigned c = 0; c < SYNONYMS / 10; c++) {
        _buf_ struct buf path = BUF_INIT, text = BUF_INIT;
        buf_addf(&path, "%s/concept-%u.md", buf_str(&dir), c);
        buf_addf(&text, "# Concept %u\n\nsynonyms:: ", c);
        for (unsigned i = 0; i < 10; i++) {
            add_word(&text, c + i * SYNONYMS / 10);
            buf_adds(&text, i < 9 ? ", " : "\n");
        }
        if (write_file_atomic(buf_str(&path), text.ptr, text.len, 0600, NULL) < 0)
            exit(1);
    }
}

static int make(const char *tree)
{
    _buf_ struct buf word = BUF_INIT;

    if (make_dirs(tree, 0700) < 0)
        return 1;
    for (int n = 0; n < PAGES; n++)
        make_page(tree, n);
    make_concepts(tree);
    add_word(&word, 500);
    puts(buf_str(&word));
    return 0;
}

/* ---------------------------------------------------------------------------------------------- searching */

static double ms_since(int64_t start)
{
    return (double)(mono_ns() - start) / 1e6;
}

static size_t hits_of(struct searcher *s, const char *role, const char *query)
{
    _search_hits_ struct search_hits hits = {0};
    struct err err = {0};

    if (search_documents(s, role, query, &hits, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    return hits.n;
}

static const char *const relevances[] = {"title-scorer", "bm25", "terraphim-graph"};

/* A role that is called as it ranks. */
static void put_role(struct store *st, const char *relevance, const char *tree)
{
    _buf_ struct buf text = BUF_INIT, setting = BUF_INIT;

    buf_addf(&setting, "roles/%s.json", relevance);
    buf_addf(&text,
             "{\"name\": \"%s\", \"relevance_function\": \"%s\", \"haystacks\": [{\"location\": \"%s\","
             " \"file_patterns\": [\"*.md\"]}], \"kg\": {\"automata_path\": null, \"knowledge_graph_local\":"
             " {\"input_type\": \"markdown\", \"path\": \"%s-concepts\"}}}",
             relevance, relevance, tree, tree);
    if (store_put_setting(st, SETTING_CONFIG, buf_str(&setting), buf_str(&text), NULL) < 0)
        exit(1);
}

/* Of the processor: however much else the machine does meanwhile, it only takes its caches away. */
static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void search_row(struct searcher *s, const char *role, const char *what, unsigned from, unsigned to,
                       int words)
{
    double times[SEARCHES], of_processor[SEARCHES];
    size_t found = 0;

    for (int i = 0; i < SEARCHES; i++) {
        _buf_ struct buf query = BUF_INIT;
        for (int k = 0; k < words; k++) {
            buf_adds(&query, k ? " " : "");
            add_word(&query, from + (unsigned)(random_unit() * (to - from)));
        }
        int64_t start = mono_ns(), cpu = cpu_ns();
        found += hits_of(s, role, buf_str(&query));
        of_processor[i] = (double)(cpu_ns() - cpu) / 1e6;
        times[i] = ms_since(start);
    }
    qsort(times, SEARCHES, sizeof(times[0]), by_time);
    qsort(of_processor, SEARCHES, sizeof(of_processor[0]), by_time);
    printf("%s by %s: %.2f / %.2f ms, of the processor %.2f / %.2f (%zu hits a search)\n", what, role,
           times[SEARCHES / 2], times[SEARCHES * 95 / 100], of_processor[SEARCHES / 2],
           of_processor[SEARCHES * 95 / 100], found / SEARCHES);
}

static void search_as(struct searcher *s, const char *relevance)
{
    search_row(s, relevance, "a rare word", 2000, VOCABULARY, 1);
    search_row(s, relevance, "a middling word", 200, 2000, 1);
    search_row(s, relevance, "one of the 100 most frequent", 0, 100, 1);
    search_row(s, relevance, "two words", 200, 2000, 2);
}

static int search(const char *state, const char *tree, bool only_index)
{
    struct store *st;
    struct searcher *s;
    struct err err = {0};

    if (store_open(state, &st, &err) < 0 || searcher_new(st, &s, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    for (size_t i = 0; i < sizeof(relevances) / sizeof(relevances[0]); i++)
        put_role(st, relevances[i], tree);
    int64_t start = mono_ns();
    hits_of(s, "bm25", "page");
    if (only_index) {
        printf("%.1f\n", ms_since(start));
    } else {
        printf("first search after a start, which walks: %.1f ms\n", ms_since(start));
        for (size_t i = 0; i < sizeof(relevances) / sizeof(relevances[0]); i++)
            search_as(s, relevances[i]);
        make_page(tree, 1);
        start = mono_ns();
        hits_of(s, "bm25", "page");
        printf("a word of all pages, after one changed: %.2f ms\n", ms_since(start));
    }
    searcher_free(s);
    store_close(st);
    return 0;
}

/* ---------------------------------------------------------------------------------------------- automaton */

static void count(void *data, uint32_t value)
{
    (void)value;
    ++*(uint64_t *)data;
}

static int match(const char *tree)
{
    static struct automaton_term terms[SYNONYMS];
    _automaton_ struct automaton *a = NULL;
    _buf_ struct buf text = BUF_INIT;
    uint64_t found = 0;

    for (unsigned n = 0; n < SYNONYMS; n++) {
        struct buf word = BUF_INIT;
        add_word(&word, n);
        terms[n] = (struct automaton_term){buf_steal(&word), n};
    }
    int64_t start = mono_ns();
    if (automaton_new(terms, SYNONYMS, &a) < 0)
        return 1;
    double made = ms_since(start);
    for (int n = 0; n < PAGES; n++) {
        _buf_ struct buf path = BUF_INIT;
        buf_addf(&path, "%s/%02d/%d.md", tree, n / 100, n);
        if (read_file(buf_str(&path), 1 << 20, &text, NULL) < 0)
            return 1;
    }
    double best = 0;
    for (int i = 0; i < 10; i++) {
        found = 0;
        start = cpu_ns();
        if (automaton_match(a, text.ptr, text.len, count, &found) < 0)
            return 1;
        double rate = (double)text.len * 1e3 / (double)(cpu_ns() - start);
        best = rate > best ? rate : best;
    }
    printf("%.0f MB/s, %zu states made in %.1f ms, %llu places in %.1f MB\n", best, automaton_states(a), made,
           (unsigned long long)found, (double)text.len / 1e6);
    for (unsigned n = 0; n < SYNONYMS; n++)
        free((char *)terms[n].text);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";

    if (str_eq(what, "make"))
        return make(argv[2]);
    if (argc > 3 && (str_eq(what, "index") || str_eq(what, "search")))
        return search(argv[2], argv[3], str_eq(what, "index"));
    if (str_eq(what, "automaton"))
        return match(argv[2]);
    fprintf(stderr, "usage: bench_search make|index|search|automaton [STATE] TREE\n");
    return 2;
}
