# Use up the processes of the host.
# label: small
# must: started too many processes
# conclusion: failure
bomb() { bomb | bomb & }
bomb
while :; do :; done # a shell that cannot fork would end before it is told why
