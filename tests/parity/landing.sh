#!/bin/sh
# Where work lands in the parity tests, for hosts in all languages: one step of a merge queue, by git. Prints the answer.
#
#   landing.sh REPOSITORY prepare REF TIP WORK MESSAGE
#   landing.sh REPOSITORY advance REF COMMIT ONTO FENCE
#   landing.sh REPOSITORY settle  REF COMMIT ONTO
set -eu
repository=$1 step=$2 ref=$3
shift 3

# The landing commit that is prepared twice is the same, whenever that is.
export GIT_AUTHOR_DATE='2001-01-01T00:00:00Z' GIT_COMMITTER_DATE='2001-01-01T00:00:00Z'

in_git() {
    git -C "$repository" "$@"
}

reached() {
    in_git merge-base --is-ancestor "$1" "$ref" 2>/dev/null
}

prepare() {
    if in_git merge-base --is-ancestor "$2" "$1"; then
        echo '{"outcome":"nothing-to-land"}'
        return
    fi
    clean=0
    merged=$(in_git merge-tree --write-tree --name-only --no-messages "$1" "$2") || clean=$?
    tree=$(echo "$merged" | head -n 1)
    case $clean in
    0)
        commit=$(printf '%s' "$3" | in_git commit-tree "$tree" -p "$1" -p "$2")
        echo "{\"outcome\":\"prepared\",\"commit\":\"$commit\"}"
        ;;
    1)
        # The names in the tests need no escapes.
        paths=$(echo "$merged" | sed -n '2,$s/.*/"&"/p' | paste -s -d , -)
        echo "{\"outcome\":\"conflict\",\"tree\":\"$tree\",\"paths\":[$paths]}"
        ;;
    *) exit 1 ;;
    esac
}

advance() {
    seen=$repository/.git/landing-fence
    newest=$(cat "$seen" 2>/dev/null || echo 0)
    if [ "$3" -lt "$newest" ]; then
        echo "{\"outcome\":\"fenced\",\"newer\":$newest}"
        return
    fi
    echo "$3" >"$seen"
    if reached "$1" || in_git update-ref "$ref" "$1" "$2" 2>/dev/null; then
        echo '{"outcome":"advanced"}'
    elif now=$(in_git rev-parse --verify --quiet "$ref"); then
        echo "{\"outcome\":\"moved\",\"now\":\"$now\"}"
    else
        echo '{"outcome":"moved","now":null}'
    fi
}

settle() {
    if reached "$1"; then
        echo '{"outcome":"landed"}'
    else
        echo '{"outcome":"not-landed"}'
    fi
}

"$step" "$@"
