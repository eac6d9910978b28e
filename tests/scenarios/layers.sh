# The direction of includes: fs -> include <- core; inside core base <- store, lang, image <- machine, knowledge, git <- job <- worker
# <- run <- net. What runs a job knows no store.
. "$(dirname "$0")/lib.sh"
cd "$here"
bad=$(grep -nE '#include [<"](fuse|.*fs/)' core -r --include=*.c --include=*.h | grep -v '<sys/\|runfs/' || true)
equal 'core knows neither fs nor libfuse' '' "$bad"
bad=$(grep -lE '#include <fuse' fs/*.[ch] | grep -vE 'fs/(fuse\.c|(park|session)\.[ch])' || true)
equal 'only the mount itself knows libfuse' '' "$bad"
only() { # LAYER ALLOWED-HEADERS (those of include/runfs that layers above own are not)
    local bad
    bad=$(grep -noE "#include \"runfs/($2)\.h\"" -r "core/$1" || true)
    equal "core/$1" '' "$bad"
}
only base 'store|workflow|plan|token|expr|machine|run'
only store 'workflow|plan|token|expr|machine|run'
only lang 'store|machine|run'
only image 'store|workflow|plan|token|expr|machine|run'
only machine 'store|workflow|plan|token|expr|run'
only knowledge 'run|machine|http|results|server'
only git 'machine|run|job|container|outside_|attend|worker|knowledge|http|results|server'
only job 'store|run|attend|worker|knowledge|mirror|remotes|worktree|http|results|server|artifact'
only worker 'store|run|knowledge|mirror|remotes|worktree|http|results|server|artifact'
only run 'http|results|server'
equal 'what runs a job sees no store by way of others' '' "$(grep -lE 'include/runfs/store\.h' "$BUILD"/core/job/*.d "$BUILD"/core/worker/*.d || true)"
bad=$(grep -nE '#include "core/' -r core fs include | grep -vE '^core/([a-z]+)/[^:]*:[0-9]+:#include "core/(\1|agent)/' || true)
equal 'private headers stay private' '' "$bad"
git ls-files 'core/*.c' 'fs/*.c' >"$T/sources"
equal 'no file is longer than 800 lines' '' "$(xargs wc -l <"$T/sources" | awk '$2 != "total" && $1 > 800')"
equal 'each says first what it is for' '' "$(xargs awk 'FNR == 1 && !/^\/\*/ { print FILENAME }' <"$T/sources")"
equal 'nothing generated is in git' '' "$(git ls-files | grep -E '\.(o|a|d|so)$|^build' || true)"
equal 'the top level' '' "$(git ls-files | cut -d/ -f1 | sort -u | grep -vxE 'fs|core|include|tests|examples|docs|Makefile|README.md|LICENSE|\..*' || true)"
