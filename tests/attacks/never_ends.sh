# Outlive the time limit by ignoring every signal.
# vm: late
# timeout: 0.002
# must: timed out after
# conclusion: failure
trap '' HUP INT TERM QUIT
(trap '' HUP INT TERM; setsid sleep 600 & setsid sleep 600 &)
while :; do sleep 600; done
