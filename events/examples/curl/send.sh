#!/usr/bin/env bash
# Sends an image to image-service as a CloudEvent and waits for its thumbnail. Needs curl and jq.
set -euo pipefail

usage="usage: send.sh [OPTION]... IMAGE

IMAGE is a file, or an object that the service may read: s3://BUCKET/KEY.

  --to URL       where to send the event: a Broker, or /upload of the service (default: \$service/upload)
  --structured   structured mode: the attributes are in the body, as JSON, and not in headers
  --source URI   source of the event (default: /examples/curl)
  --id ID        ID of the event (default: a new one); to send an event again, repeat its source and ID
  --service URL  where to ask for the result (default: http://127.0.0.1:8080)
  --help         show this help

It prints the status of the image. The exit status is 0 if it is completed, 1 if not, and 2 after wrong usage."

die() { echo "send.sh: $*" >&2 && exit 1; }
wrong_usage() { printf 'send.sh: %s\n%s\n' "$*" "$usage" >&2 && exit 2; }

service=http://127.0.0.1:8080 to='' structured='' source=/examples/curl id=$(cat /proc/sys/kernel/random/uuid) image=''
while [ $# -gt 0 ]; do
  case $1 in
    --help) echo "$usage" && exit ;;
    --structured) structured=yes ;;
    --to | --source | --id | --service)
      [ $# -ge 2 ] || wrong_usage "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift
      ;;
    -*) wrong_usage "unknown option $1" ;;
    *)
      [ -z "$image" ] || wrong_usage "expected one image"
      image=$1
      ;;
  esac
  shift
done
[ -n "$image" ] || wrong_usage "expected an image"
to=${to:-$service/upload} subject=${image##*/}

# The data of the event is a reference, as JSON, or the image itself.
if [[ $image =~ ^s3://([^/]+)/(.+)$ ]]; then
  content_type=application/json
  data() { jq -n --arg bucket "${BASH_REMATCH[1]}" --arg key "${BASH_REMATCH[2]}" '{bucket: $bucket, object_name: $key}'; }
else
  [ -r "$image" ] || die "cannot read $image"
  content_type=application/octet-stream # the service detects the format
  data() { cat -- "$image"; }
fi

# In binary mode, attributes are headers, percent-encoded but for printable ASCII (CloudEvents HTTP binding, 3.1.3.2).
encode() { jq -rn --arg text "$1" '$text | gsub("(?<other>[^!#$&-~]+)"; .other | @uri)'; }
send_binary() {
  data | post -H "Content-Type: $content_type" -H 'Ce-Specversion: 1.0' -H 'Ce-Type: image.received' \
    -H "Ce-Source: $(encode "$source")" -H "Ce-Id: $(encode "$id")" -H "Ce-Subject: $(encode "$subject")"
}

# In structured mode, everything is one JSON object. Data that is not JSON is in base64.
send_structured() {
  local attributes=(--arg source "$source" --arg id "$id" --arg subject "$subject" --arg datacontenttype "$content_type")
  if [ "$content_type" = application/json ]; then
    data | jq "${attributes[@]}" '{specversion: "1.0", type: "image.received"} + $ARGS.named + {data: .}'
  else
    data | base64 -w 0 | jq -R "${attributes[@]}" '{specversion: "1.0", type: "image.received"} + $ARGS.named + {data_base64: .}'
  fi | post -H 'Content-Type: application/cloudevents+json'
}

# Retries are safe: an event with the same source and ID is the same image.
post() { curl --fail-with-body -sS --retry 3 --retry-connrefused --data-binary @- "$@" "$to"; }

if [ "$structured" ]; then mode=structured; else mode=binary; fi
answer=$("send_$mode") || die "$to did not accept the event: $answer"

# The service knows the source and ID, and no longer answers 404, once the event has arrived.
for _ in {1..120}; do
  answer=$(curl -sS -G "$service/status" --data-urlencode "source=$source" --data-urlencode "id=$id") || die "cannot ask $service"
  case $(jq -r '.status' <<<"$answer") in
    completed) echo "$answer" && exit ;;
    failed) echo "$answer" && exit 1 ;;
    queued | processing | 404) sleep 0.5 ;;
    *) die "$service has no status: $answer" ;;
  esac
done
die "no result after 60 s; the event may be a dead letter: $answer"
