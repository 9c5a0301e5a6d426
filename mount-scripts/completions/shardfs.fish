# Completes shardfs in fish. Subcommands and options are asked of the program itself, so they are always those it has.

# The subcommand in the words before the one at hand; fails when there is none yet.
function __shardfs_subcommand
    for word in (commandline -opc)[2..]
        if not string match -q -- '-*' $word
            echo $word
            return 0
        end
    end
    return 1
end

# The options of subcommand $argv[2] of the program $argv[1], one a line.
function __shardfs_options
    # "  -f,--foreground  text", "  --mtp,--no-mtp{false}  text": the names stand before the first space.
    $argv[1] $argv[2] --help 2>/dev/null | string replace -rf '^  (-\S*).*' '$1' | string split , | string replace -r '\{.*' ''
end

# The kind of value that the option $argv[3] takes, as the help shows it after the names: "FILE", "N".
function __shardfs_value
    $argv[1] $argv[2] --help 2>/dev/null | string replace -rf -- "^  (?:\S*,)?$argv[3](?:,\S*)? ([A-Z]\S*).*" '$1'
end

# The names of the kind $argv[2] that the program $argv[1] knows, and the choices of the option $argv[2] ("moe_tp").
function __shardfs_names
    $argv[1] layouts --format words 2>/dev/null | string replace -rf "^$argv[2] (\S+)\$" '$1'
end
function __shardfs_choices
    $argv[1] layouts --format words 2>/dev/null | string replace -rf "^option $argv[2] (\S.*)" '$1' | string split ' '
end

# Where views are mounted.
function __shardfs_mounts
    set -l table /proc/self/mountinfo
    set -q SHARDFS_MOUNTINFO; and set table $SHARDFS_MOUNTINFO
    string replace -rf '^\S+ \S+ \S+ \S+ (\S+) .* - fuse\.shardfs .*' '$1' <$table | string replace -a '\040' ' '
end

# Directories, and the files that can be a source.
function __shardfs_sources
    __fish_complete_directories $argv[1] ''
    __fish_complete_suffix $argv[1] .safetensors | string match -r '.*\.safetensors\b.*'
    __fish_complete_suffix $argv[1] .ckpt | string match -r '.*\.ckpt\b.*'
end

function __shardfs_proposals
    set -l words (commandline -opc)
    set -l subcommand (__shardfs_subcommand)
    or begin
        $words[1] --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]*) +(.*)' '$1\t$2'
        printf '%s\n' --help --version
        return
    end
    set -l current (commandline -ct)
    switch $words[-1]
        case --progress
            printf '%s\n' auto bar lines json none
        case --format
            printf '%s\n' text json man words
        case --layout
            __shardfs_names $words[1] layout
        case --from
            __shardfs_names $words[1] reader
        case --node-rank
            echo auto
        case -O
            $words[1] layouts --format words 2>/dev/null | awk '
                $1 == "option" && NF == 2 { print $2 "=" }
                $1 == "option" { for (i = 3; i <= NF; ++i) print $2 "=" $i }'
        case '*'
            set -l value
            if string match -q -- '-*' $words[-1]
                set value (__shardfs_value $words[1] $subcommand $words[-1])
            end
            if string match -q -- '-*' $current
                __shardfs_options $words[1] $subcommand
            else if string match -qr -- '^FILE(\||$)' "$value"
                __fish_complete_path $current
            else if string match -q -- '*DIR' "$value"
                __fish_complete_directories $current ''
            else if string match -q -- 'USER*' "$value"
                __fish_complete_users
            else if test "$value" = GROUP
                __fish_complete_groups
            else if test -n "$value" # one of few, or a number, for which there is nothing to propose
                __shardfs_choices $words[1] (string replace -r '^--' '' -- $words[-1] | string replace -a - _)
            else if test $subcommand = layouts
                __shardfs_names $words[1] '(?:reader|transform|layout)'
            else
                switch $subcommand
                    case umount status warm
                        __shardfs_mounts
                    case explain
                        __shardfs_mounts
                        __fish_complete_path $current
                    case verify
                        __shardfs_mounts
                        __shardfs_sources $current
                    case check-mindie merge-strategies
                        __fish_complete_path $current
                    case '*'
                        __shardfs_sources $current
                end
            end
    end
end

complete -c shardfs -f -a '(__shardfs_proposals)'
