# Open what the agent has open, its control socket above all.
# vm: last
# own: its own agent, which is trusted with no more than the machine
[ -z "$(ls -A /proc/1/fd 2>/dev/null)" ] || reached "the list: $(ls /proc/1/fd | xargs)"
for fd in 0 1 2 3 4 5 6 7 8 9; do
    { echo x >"/proc/1/fd/$fd"; } 2>/dev/null && reached "wrote to $fd"
    readlink "/proc/1/fd/$fd" && reached "saw $fd"
done
