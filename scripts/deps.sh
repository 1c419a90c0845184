#!/usr/bin/env bash
# Makes sure that what the tests need is on this machine. As root on Debian or
# Ubuntu it installs what is missing; elsewhere it says what to install.
set -euo pipefail

# command:Debian package. The first of a package's commands stands for it.
needs=(
  cc:gcc               # the race detector is linked with cgo
  ffmpeg:ffmpeg        # feeds sources and judges what viewers write
  ffprobe:ffmpeg
  mpv:mpv              # plays /live.ts as a user's player would
  chromium:chromium    # plays the player page
  protoc:protobuf-compiler
  ip:iproute2          # network namespaces
  nft:nftables         # real kernel NATs inside them
  turnutils_natdiscovery:coturn # another client of the tracker's STUN ports
)

if ! command -v go >/dev/null; then
  echo "deps: no Go found: install Go 1.26 or newer (https://go.dev/dl/)" >&2
  exit 1
fi

missing=()
for need in "${needs[@]}"; do
  # Debian keeps ip and nft in /usr/sbin, which is not on everybody's PATH.
  PATH="$PATH:/usr/sbin:/sbin" command -v "${need%%:*}" >/dev/null || missing+=("${need#*:}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
# A compiler without the C library's headers cannot link anything.
[[ " ${missing[*]} " == *" gcc "* ]] && missing+=(libc6-dev)

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  echo "deps: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  exit 0
fi
echo "deps: the tests need programs that are not here; on Debian: sudo apt-get install ${missing[*]}" >&2
exit 1
