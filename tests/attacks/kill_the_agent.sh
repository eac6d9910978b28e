# End or stop the agent, so that the step never ends or is not told of.
# vm: late
# must: ^alive$
# conclusion: success
for signal in KILL STOP TERM INT HUP SEGV QUIT TSTP; do kill -$signal 1 2>/dev/null || :; done
echo alive
