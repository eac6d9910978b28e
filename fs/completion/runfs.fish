# Completion of runfs for fish. What may follow, runfs itself says: `runfs complete`.
function __runfs_complete
    set -l words (commandline -opc)[2..] (commandline -ct)
    for line in (runfs complete $words 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path (commandline -ct)
            case :directories
                __fish_complete_directories (commandline -ct)
            case '*'
                printf '%s\n' $line
        end
    end
end
complete -c runfs -f -a '(__runfs_complete)'
