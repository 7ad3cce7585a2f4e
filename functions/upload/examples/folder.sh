#!/usr/bin/env bash
# Uploads the images of a folder, and shows their thumbnails in thumbnails.html; or deletes all images of the client. It needs curl
# and jq.
#
#   SERVICE=https://images.example KEY=isk_... folder.sh FOLDER
#   SERVICE=https://images.example KEY=isk_... folder.sh --delete
set -euo pipefail
if [ -z "${SERVICE:-}" ] || [ -z "${KEY:-}" ] || [ $# != 1 ] || [[ $1 = -* && $1 != --delete ]]; then
  echo "usage: SERVICE=URL KEY=KEY folder.sh FOLDER, or --delete in its place; KEY is an API key" >&2
  exit 1
fi
ask() { curl --fail-with-body -sS -H "X-Api-Key: $KEY" "$@"; }
origin=$(sed -E 's#^(https?://[^/]+).*#\1#' <<<"$SERVICE")

show() {
  local file image status
  echo '<!doctype html><title>Thumbnails</title>' >thumbnails.html
  for file in "$1"/*; do
    image=$(ask -H "Idempotency-Key: $RANDOM$RANDOM$RANDOM$RANDOM" -H 'Content-Type: application/octet-stream' --data-binary "@$file" \
      "$SERVICE/upload?filename=$(jq -rn --arg name "${file##*/}" '$name | @uri')" | jq -r .image_id)
    status=$(ask "$SERVICE/status/$image?wait=30")
    # the URL is signed: it needs no key
    jq -r --arg origin "$origin" --arg name "${file##*/}" \
      'select(.status == "completed") | "<img src=\"\($origin + .urls.thumbnail | @html)\" alt=\"\($name | @html)\">"' <<<"$status" >>thumbnails.html
    echo "$image $(jq -r .status <<<"$status") ${file##*/}"
  done
}

delete_all() {
  local image page cursor='""'
  while [ "$cursor" != null ]; do
    page=$(ask "$SERVICE/images?limit=100&cursor=$(jq -r . <<<"$cursor")")
    for image in $(jq -r '.images[].image_id' <<<"$page"); do
      ask -X DELETE "$SERVICE/images/$image"
      echo "$image deleted"
    done
    cursor=$(jq .next <<<"$page")
  done
}

if [ "$1" = --delete ]; then delete_all; else show "$1"; fi
