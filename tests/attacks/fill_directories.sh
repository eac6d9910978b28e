# Use up the host's disk by names.
# label: tiny
# must: filled its disk
# conclusion: failure
python3 - <<'P' && reached "more than it may"
import os
for i in range(8000):
    os.makedirs(f"d{i}/a/b/c/d/e/f/g")
P
exit 1
