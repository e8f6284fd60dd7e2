#!/bin/sh
# Sees to /usr/bin/python3 3.11 or later with its standard library; where it cannot, says what to type and ends 1.
set -u

complete() {
    /usr/bin/python3 -c 'import sys, ssl, venv, ctypes, sqlite3; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

complete && exit 0
line="apt-get update && apt-get install --no-install-recommends python3"
if [ "$(id -u)" = 0 ]; then
    as=
elif sudo -n true 2>/dev/null; then
    as="sudo -n"
else
    echo "hoopgw needs /usr/bin/python3, 3.11 or later.  As root:  $line" >&2
    exit 1
fi
echo "python3: installing it"
export DEBIAN_FRONTEND=noninteractive
install() {
    $as apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 python3 2>&1
}
said=$(install) || said=$($as apt-get update -qq 2>&1 && install) ||
    { echo "$said" >&2; echo "python3 could not be installed.  As root:  $line" >&2; exit 1; }
complete || { echo "/usr/bin/python3 is older than 3.11 or not complete: hoopgw needs Debian 12 or later" >&2; exit 1; }
