# Read the host through any link that any process in sight has.
for link in /proc/[0-9]*/root /proc/[0-9]*/cwd /proc/[0-9]*/exe /proc/[0-9]*/fd/* /proc/[0-9]*/map_files/*; do
    for at in "$link$CANARY" "$link/../../../../../../../..$CANARY"; do
        { read -r said <"$at"; } 2>/dev/null && reached "$at: $said"
    done
done
true
