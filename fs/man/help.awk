# The text of a subcommand's -h as roff: how it is called, paragraphs, and options with what they do.
function print_option(text,    at, more) {
    sub(/^ +/, "", text)
    at = match(text, /   *[^ ]/)
    if (at) {
        more = substr(text, at)
        text = substr(text, 1, at - 1)
    } else { # it fills its column
        at = column - indent
        more = substr(text, at)
        text = substr(text, 1, at - 1)
    }
    sub(/^ +/, "", more)
    sub(/ +$/, "", text)
    printf ".TP\n.B %s\n", roff(text)
    fill(more)
}
{
    lines[NR] = $0
    if (!column && match($0, /^ +-[^ ].*[^ ]   *[^ ]/)) # where what options do begins
        column = RLENGTH
}
END {
    usage = 1
    print ".nf"
    for (i = 1; i <= NR; i++) {
        line = lines[i]
        if (usage && line == "") {
            printf ".fi\n.PP\n"
            usage = 0
        } else if (usage) {
            sub(/^usage: /, "", line)
            sub(/^       /, "", line)
            printf ".B %s\n", roff(line)
        } else if (line == "") {
            if (i < NR && lines[i + 1] !~ /^ +-/)
                print ".PP"
        } else if (line ~ /^ +-/) {
            match(line, /^ +/)
            indent = RLENGTH
            print_option(line)
        } else {
            sub(/^ +/, "", line)
            sub(/^exit status: /, "Exit status: ", line)
            fill(line)
        }
    }
}
