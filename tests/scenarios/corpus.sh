# Every example workflow is accepted, planned, run, and does what its own last lines say: conclusion, log, annotations and
# limit: 900
# summary.
. "$(dirname "$0")/lib.sh"
. "$here/tests/corpus.bash"
need git
corpus_state=$STATE
corpus_lint
corpus_run env
rf_mount
corpus_files_fit "$M"
