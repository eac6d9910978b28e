# Use up the processes of the host.
# label: small
# must: started too many processes
# conclusion: failure
mkfifo wait && exec 3<>wait
bomb() { bomb | bomb & }
bomb
while :; do read -rt 1 <&3; done # a shell that cannot fork would end before it is told why
