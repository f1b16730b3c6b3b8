#!/bin/sh
# Plays a coding agent. It reads its prompt on standard input and works in the directory it is started
# in, like any agent program: it carries out the last ```sh block of the prompt. Where files hold
# conflict markers it is there to resolve them instead, and keeps both sides.
set -eu
prompt=$(cat)

conflicts=$(grep -rlE --exclude-dir=.git --exclude=agent.sh '^<<<<<<< ' . || true)
if [ -n "$conflicts" ]; then
    printf '%s\n' "$conflicts" | while IFS= read -r file; do
        echo "keeping both sides of $file"
        awk '/^<<<<<<< / { next } /^\|\|\|\|\|\|\| / { base = 1; next } /^=======$/ { base = 0; next }
             /^>>>>>>> / { next } !base' "$file" > "$file.resolved"
        mv "$file.resolved" "$file"
    done
    exit 0
fi

script=$(printf '%s\n' "$prompt" | awk '
    /^```sh$/ { block = ""; inside = 1; next }
    /^```$/ { inside = 0; next }
    inside { block = block $0 "\n" }
    END { printf "%s", block }')
if [ -z "$script" ]; then
    echo "the prompt has no block of commands" >&2
    exit 1
fi
echo "carrying out:"
printf '%s\n' "$script"
printf '%s\n' "$script" | sh -eu
