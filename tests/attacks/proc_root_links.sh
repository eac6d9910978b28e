# Read the host through the magic links of process 1.
for link in /proc/1/root /proc/1/cwd /proc/self/root/.. /proc/1/task/1/root; do
    cat "$link$CANARY" "$link/..$CANARY" 2>/dev/null && reached "$link"
done
