# Use up the host's disk by names.
# vm: last
# label: tiny
# must: filled its disk
# conclusion: failure
python3 - <<'P' && reached "more than it may"
import os
for i in range(8000):
    at = f"d{i}"
    for name in "abcdefgh":
        os.mkdir(at)
        at += "/" + name
P
exit 1
