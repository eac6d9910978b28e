# Completion of runfs for bash. What may follow, runfs itself says: `runfs complete`.
_runfs() {
    local word line words=("${COMP_WORDS[@]:1:COMP_CWORD}")

    COMPREPLY=()
    word=${words[-1]}
    while IFS= read -r line; do
        case $line in
        :files) compopt -o filenames 2>/dev/null; while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$word") ;;
        :directories) compopt -o filenames 2>/dev/null; while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$word") ;;
        *) printf -v line %q "${line%%$'\t'*}"; COMPREPLY+=("$line") ;; # it may be a directory of somebody else's naming
        esac
    done < <("${COMP_WORDS[0]}" complete "${words[@]}" 2>/dev/null)
}
complete -F _runfs runfs
