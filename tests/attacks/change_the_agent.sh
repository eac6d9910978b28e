# Write to the program that the agent runs from, as by CVE-2019-5736.
# vm: late
# own: it may read its own agent
for exe in /proc/1/exe /proc/self/root/proc/1/exe; do
    { echo broken >"$exe"; } 2>/dev/null && reached "$exe"
    cp "$exe" /tmp/agent 2>/dev/null && reached "copied $exe"
done
true
