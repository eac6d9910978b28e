# The table of the mounted tree, and of the settings behind it, as roff: each name by its whole path.
/^$/ {
    settings = 1
    next
}
settings && /^[^ ]/ {
    print ".PP"
    fill($0)
    next
}
{
    match($0, /^ */)
    depth = RLENGTH / 2
    line = substr($0, RLENGTH + 1)
    name = line
    sub(/  .*/, "", name)
    if (name == line) # it fills its column
        sub(/ .*/, "", name)
    help = substr(line, length(name) + 1)
    sub(/^ +/, "", help)
    path[depth] = name
    whole = name
    for (i = depth - 1; i > 0 && !settings; i--)
        whole = path[i] whole
    printf ".TP\n.B %s\n", roff(whole)
    fill(help)
}
