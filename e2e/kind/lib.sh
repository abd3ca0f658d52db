# Sourced by up, down and verify: versions, paths, helpers.
# shellcheck shell=bash disable=SC2034

KUBERNETES=v1.36.3 # staging modules (k8s.io/api, ...) are published as v0.36.3
KIND=v0.33.0
HELM=v4.3.1
CONTAINERD=v2.3.7
CRICTL=v1.36.0
CNI_PLUGINS=v1.9.1
ETCD=v3.6.8     # this one and CoreDNS: what kubeadm of this Kubernetes asks for
COREDNS=v1.14.2
METRICS_SERVER=v0.9.0
LOCAL_PATH=v0.0.30
DEBIAN=bookworm

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SRC=$HERE/src
CACHE=$(realpath -m "${MILLRACE_KIND_CACHE:-${MILLRACE_CACHE:-$HOME/.cache/millrace}/kind}") # runc refuses links in it
BIN=$CACHE/bin LOG=$CACHE/log STAMP=$CACHE/stamp IMAGES=$CACHE/images DOCKER_DIR=$CACHE/docker
NODE_IMAGE=kindest/node:$KUBERNETES
CHECK='' # not empty: do nothing, fail if there is something to do
DOCKER_NET=172.29 # first half of docker's addresses: .0.0/24 bridge, .64.0/18 networks
KIND_MODULE=$CACHE/gomod/sigs.k8s.io/kind@$KIND

export DOCKER_HOST=unix://$DOCKER_DIR/docker.sock
export PATH=$BIN:$PATH:/usr/sbin:/sbin
export GOMODCACHE=$CACHE/gomod GOCACHE=$CACHE/gocache GOTOOLCHAIN=local
export GOFLAGS="-buildvcs=false -mod=mod -trimpath" CGO_ENABLED=0

seconds_since() { printf '%.1f' "$(bc <<<"$(date +%s.%N) - $1")"; }

# step NAME FUNCTION [INPUT...]: run FUNCTION unless it was run before with the same text and inputs.
# An INPUT is a file, =TEXT, or @NAME for another step. Output goes to the log folder; one line with seconds to standard error.
step() {
  local name=$1 fn=$2 key input rc TIMEFORMAT='%R %U %S'
  shift 2
  key=$({ declare -f "$fn"; for input in "$@"; do
    case $input in =*) echo "$input" ;; @*) cat "$STAMP/${input#@}" ;; *) cat "$input" ;; esac; done; } | sha256sum)
  [ "$(cat "$STAMP/$name" 2>/dev/null)" = "$key" ] && return
  [ -z "$CHECK" ] || { echo "to be made: $name" >&2; exit 3; }
  set +e # a function called in a condition would ignore -e
  { time { (set -euo pipefail; "$fn") >"$LOG/$name.log" 2>&1 </dev/null; }; } 2>"$LOG/$name.time"
  rc=$?
  set -e
  [ $rc = 0 ] || { echo "FAILED: $name (whole log: $LOG/$name.log)"; tail -n 15 "$LOG/$name.log"; exit 1; } >&2
  echo "$key" >"$STAMP/$name"
  awk -v name="$name" '{printf "%7.1f s (%.0f s CPU)  %s\n", $1, $2 + $3, name}' "$LOG/$name.time" >&2
}

# wait_for SECONDS COMMAND...: until it succeeds; its last output is in $LOG/wait.out
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >"$LOG/wait.out" 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done
}
