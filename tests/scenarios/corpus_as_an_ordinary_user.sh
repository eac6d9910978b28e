# The corpus as somebody who is not root, in the sandbox that such a user can have.
# limit: 900
. "$(dirname "$0")/lib.sh"
. "$here/tests/corpus.bash"
need git
need_root # otherwise corpus.sh is this test
as_user true
corpus_owner=31337:31337
corpus_state=$T/user/corpus
RUNFS=$T/user/bin/runfs
corpus_run as_user
