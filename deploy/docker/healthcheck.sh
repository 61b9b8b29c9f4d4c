#!/bin/bash
# Whether `zomma gpu serve` answers 200 on /healthz. The image has no curl: bash opens the connection.
# Arguments: port (9835), host (127.0.0.1), both optional.
set -euo pipefail
port=${1:-9835}
host=${2:-127.0.0.1}
exec 3<>"/dev/tcp/$host/$port"
printf 'GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$host" >&3
IFS= read -r -t 4 status <&3
case $status in
    "HTTP/1."[01]" 200 "*) ;;
    *)
        printf 'healthz answers %s\n' "${status%$'\r'}" >&2
        exit 1
        ;;
esac
