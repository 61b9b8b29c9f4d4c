# Sourced by scripts that run tests in Python: a Python that can make virtual environments, and environments that hold what is wanted.

python_cache=${XDG_CACHE_HOME:-$HOME/.cache}/zomma/python

# A Python that can make virtual environments; a version manager's shim may name one that is not there.
find_python() {
    local name
    for name in ${PYTHON:-} python3 /usr/bin/python3; do
        if "$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
            "$name" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    return 1
}

# environment NAME PYTHON PACKAGE…: a virtual environment that holds these packages, made anew where they (files of requirements by what is
# in them) or Python differ. The one named system also sees what Debian has installed.
environment() {
    local folder=$python_cache/$1 python=$2 options=() wanted argument
    [ "$1" != system ] || options=(--system-site-packages)
    shift 2
    wanted="$("$python" -VV) ${options[*]} $*"
    for argument in "$@"; do
        [ ! -f "$argument" ] || wanted+=" $(cat "$argument")"
    done
    if [ "$(cat "$folder/holds" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    rm -rf "$folder"
    "$python" -m venv "${options[@]}" "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" || return 1
    echo "$wanted" >"$folder/holds"
}
