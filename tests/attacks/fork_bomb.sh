# Use up the processes of the host.
# label: small
# must: started too many processes
# conclusion: failure
bomb() { bomb | bomb & }
bomb
while :; do sleep 1; done 2>/dev/null
