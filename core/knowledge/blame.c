/* Whose an error is: which of a script's commands prints such lines. */
#include "knowledge_internal.h"
#include "runfs/str.h"

/* How lines begin (or what is in them) that only these programs print. */
static const struct {
    const char *text, *programs;
    bool within;
} sayings[] = {
    {"npm ", "npm npx", false},
    {"E: ", "apt-get apt", false},
    {"fatal: ", "git", false},
    {"error: pathspec ", "git", false},
    {"error: src refspec ", "git", false},
    {"error: failed to push ", "git", false},
    {"error[E", "cargo rustc", false},
    {"thread '", "cargo", false},
    {"test ", "cargo", false},
    {"Diff in ", "cargo rustfmt", false},
    {"CMake Error", "cmake", false},
    {"--- FAIL: ", "go", false},
    {"panic: ", "go", false},
    {"FAILED ", "pytest tox nox ninja", false},
    {"FAIL: ", "unittest python", false},
    {"ERROR: Could not ", "pip", false},
    {"ERROR: No matching distribution ", "pip", false},
    {"[ERROR] ", "mvn", false},
    {"> ", "gradle gradlew", false},
    {"Error response from daemon: ", "docker", false},
    {"Cannot connect to the Docker daemon ", "docker docker-compose", false},
    {"\u27a4 YN", "yarn", false},
    {" ERR_PNPM_", "pnpm", false},
    {": error TS", "tsc npm npx yarn pnpm", true},
    {": undefined reference to ", "gcc g++ cc c++ clang clang++ ld make cmake ninja meson", true},
    {": error: ", "gcc g++ cc c++ clang clang++ javac make cmake ninja meson", true},
    {".go:", "go", true},
};

static bool is_word_of(const char *words, const char *word, size_t len)
{
    for (const char *at = words; *at; at += strspn(at, " ")) {
        size_t n = strcspn(at, " ");
        if (n == len && memcmp(at, word, len) == 0)
            return true;
        at += n;
    }
    return false;
}

/* Behind "FILE: line N: " of bash, "FILE: N: " of dash; else the line itself. */
static const char *behind_place(const char *line)
{
    const char *at = strstr(line, ": line ");

    at = at ? at + strlen(": line ") : strchr(line, ':') ? strchr(line, ':') + 2 : NULL;
    size_t digits = at && at < line + strlen(line) ? strspn(at, "0123456789") : 0;
    return digits && str_starts(at + digits, ": ") ? at + digits + 2 : line;
}

/* "make[1]: ", "/usr/bin/ld: ", "npm: " */
static bool begins_with_name(const char *line, const char *program, size_t len)
{
    size_t end = strcspn(line, ":[ ");
    const char *name = line;

    for (size_t i = 0; i < end; i++)
        if (line[i] == '/')
            name = line + i + 1;
    return (line[end] == ':' || line[end] == '[') && (size_t)(line + end - name) == len &&
           memcmp(name, program, len) == 0;
}

bool blame_is_of(const char *line, const char *command)
{
    size_t len = strcspn(command, " ");

    if (begins_with_name(behind_place(line), command, len) || begins_with_name(line, command, len))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(sayings); i++)
        if (sayings[i].within ? strstr(line, sayings[i].text) != NULL : str_starts(line, sayings[i].text))
            return is_word_of(sayings[i].programs, command, len);
    return false;
}
