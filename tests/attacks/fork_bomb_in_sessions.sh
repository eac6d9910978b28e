# Use up the processes of the host, in sessions of their own that ignore signals.
# label: small
# must: started too many processes
# conclusion: failure
trap '' HUP INT TERM
mkfifo wait && exec 3<>wait
(while :; do setsid sh -c 'trap "" HUP INT TERM; while :; do sleep 5; done' & done) 2>/dev/null &
while :; do read -rt 1 <&3; done # a shell that cannot fork would end before it is told why
