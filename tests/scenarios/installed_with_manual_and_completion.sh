# `make install` brings a manual, which says what runfs itself says, and completion for three shells, each of which offers
# subcommands, options, choices, files and what is mounted; `make uninstall` takes all of it away.
. "$(dirname "$0")/lib.sh"
to=$T/root
make_() { env -u MAKEFLAGS -u MAKELEVEL make -s -C "$here" BUILD="$BUILD" PREFIX=/usr DESTDIR="$to" "$@" >"$T/make" 2>&1 || fail "make $*: $(cat "$T/make")"; }
make_ install
export PATH=$to/usr/bin:$PATH
share=$to/usr/share

# the manual: clean, and complete
need mandoc
for page in "$share/man/man1/runfs.1" "$share/man/man5/runfs.5"; do
    equal "${page##*/}" '' "$(mandoc -T lint "$page" 2>&1)"
    mandoc -T utf8 "$page" | sed 's/.\x08//g' | tr -s ' \n' ' ' >"$page.text"
done
for sub in $(runfs -h | awk '/^  / { print $1 }'); do
    file_has "$share/man/man1/runfs.1.text" " runfs $sub "
    runfs help "$sub" >"$T/help"
    cmp -s <("$RUNFS" "$sub" --help) "$T/help" || fail "runfs help $sub and runfs $sub --help differ"
    for option in $(awk '/^ +-/' "$T/help" | tr -c '[:alnum:]-' '\n' | awk '/^--[a-z]/ && !seen[$0]++'); do
        file_has "$share/man/man1/runfs.1.text" " $option"
    done
done
runfs help tree >"$T/tree"
rf_mount
cmp "$T/tree" "$M/README"
file_has "$share/man/man5/runfs.5.text" ' runs/N/jobs/JOB/steps/NN-SLUG/exit_code of its process; empty if there was none'
file_has "$share/man/man5/runfs.5.text" ' hold_minutes for how long machines are held (60)'
rm "$share"/man/*/*.text

# completion: LINE WORD..., the same in each shell
echo sandbox >"$M/config/labels/very-special"
mkdir -p "$T/here/sub directory"
cd "$T/here"
: >a.yml
of_bash() { # the last word of LINE is completed
    bash --norc -c '. "$1"; read -ra COMP_WORDS <<<"$2"; [[ $2 != *\  ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _runfs 2>/dev/null; printf "%s\n" "${COMPREPLY[@]}"' \
        - "$share/bash-completion/completions/runfs" "$1"
}
of_fish() { HOME=$T fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$share/fish/vendor_completions.d/runfs.fish" "$1" | cut -f 1; }
of_zsh() { # what a line editor shows of it
    HOME=$T zsh -f -c '
        zmodload zsh/zpty
        zpty shell zsh -f -i
        zpty -w shell "fpath=($1 \$fpath); autoload -Uz compinit; compinit -u; LISTMAX=0 COLUMNS=200; PS1=rea\"\"dy"
        zpty -r shell out "*ready*"
        zpty -n -w shell "$2"$'"'\\t\\t\\C-u'"'
        zpty -w shell "print do\"\"ne"
        zpty -r shell out "*done*"
        print -r -- "$out"' - "$share/zsh/site-functions" "$1" | sed 's/\x1b\[[0-9;?]*[a-zA-Z]/ /g' | tr -s ' \r\n' '\n\n\n'
}
offers() { # LINE WORD...
    local line=$1 word
    shift
    for shell in bash fish zsh; do
        of_$shell "$line" >"$T/offered"
        for word; do grep -qxF -- "$word" "$T/offered" || fail "$shell, '$line': no '$word' in
$(quote "$(cat "$T/offered")")"; done
    done
}
need fish
need zsh
offers 'runfs ' mount umount lint help
offers 'runfs help t' token tree
offers 'runfs token ' create list revoke
offers 'runfs token create --scope ' read run admin
offers 'runfs run --e' --event --env --env-file
offers 'runfs run --label very' very-special
offers 'runfs lint ' a.yml
offers 'runfs umount ' "$M"
for shell in bash fish; do lacks "$shell: directories" "$(of_$shell 'runfs mount ')" a.yml; done
contains 'a name with a blank' "$(of_bash 'runfs mount ')" 'sub directory'

# a directory may be called what would run something
for name in 'a$(touch${IFS}ran)b' $'two\nlines'; do
    runfs mount --state "$T/odd" "$T/here/$name"
    of_bash 'runfs umount ' >"$T/offered"
    runfs complete umount '' >"$T/words"
    runfs umount "$T/here/$name"
    grep -F -e ran -e two "$T/offered" >"$T/odd-words" || :
    equal 'as many lines' "$(wc -l <"$T/words")" "$(wc -l <"$T/offered")"
    lacks 'another line' "$(cat "$T/words")" lines
    while read -r word; do
        eval "typed=($word)"
        equal 'what is typed' "$T/here/$name" "${typed[*]}"
    done <"$T/odd-words"
done
[ ! -e ran ] || fail 'completion ran something'

make_ uninstall
equal 'left behind' '' "$(find "$to" -type f)"
