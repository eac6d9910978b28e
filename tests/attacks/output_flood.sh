# Use up the host's disk by output.
# vm: late
# label: small
# must: wrote too much output
# conclusion: failure
yes 'a line of output that goes on and on'
