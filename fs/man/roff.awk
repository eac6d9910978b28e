# What help.awk and tree.awk share. roff(text): escaped, `this` in bold. fill(text): in lines of less than 80 bytes, none of
# which begins as a request does.
function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/'/, "\\(aq", text)
    while (match(text, /`[^`]*`/))
        text = substr(text, 1, RSTART - 1) "\\fB" substr(text, RSTART + 1, RLENGTH - 2) "\\fR" substr(text, RSTART + RLENGTH)
    return text
}
function fill(text,    words, n, i, line) {
    n = split(roff(text), words, " ")
    for (i = 1; i <= n; i++) {
        if (line != "" && length(line) + length(words[i]) > 77) {
            print line
            line = ""
        }
        if (line == "" && words[i] ~ /^\./)
            words[i] = "\\&" words[i]
        line = line == "" ? words[i] : line " " words[i]
    }
    if (line != "")
        print line
}
