# Use up the daemon's memory by a line that never ends.
# vm: late
# label: small
# must: wrote too much output
# conclusion: failure
tr '\0' x </dev/zero
