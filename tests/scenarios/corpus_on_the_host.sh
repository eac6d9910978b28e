# The corpus with no isolation at all, each label mapped to the host's own processes.
# limit: 900
. "$(dirname "$0")/lib.sh"
. "$here/tests/corpus.bash"
need git
corpus_state=$STATE
corpus_run env --label '*=host'
rf_mount
corpus_files_fit "$M"
