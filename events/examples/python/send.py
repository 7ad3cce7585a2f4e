#!/usr/bin/env python3
"""Sends an image to image-service as a CloudEvent and waits for its thumbnail."""

import argparse
import json
import pathlib
import sys
import time
import uuid

import requests
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

# Seconds for one request, and for the image until it has its result.
REQUEST_TIMEOUT, RESULT_TIMEOUT = 30, 60


class Failure(Exception):
    """The image has no thumbnail, for the reason in the message."""


def image_received(image: str, source: str, event_id: str) -> CloudEvent:
    """Returns the event for a file, or for an object: s3://BUCKET/KEY."""
    attributes = {
        "type": "image.received",
        "source": source,
        "id": event_id,
        "subject": image.rsplit("/", 1)[-1],
    }
    if image.startswith("s3://"):
        bucket, _, key = image.removeprefix("s3://").partition("/")
        attributes["datacontenttype"] = "application/json"
        return CloudEvent(attributes, {"bucket": bucket, "object_name": key})
    attributes["datacontenttype"] = "application/octet-stream"  # the service detects the format
    return CloudEvent(attributes, pathlib.Path(image).read_bytes())


def send(event: CloudEvent, to: str, structured: bool) -> None:
    """Sends an event. To send it again is safe: the same source and ID make one image."""
    message = to_structured_event(event) if structured else to_binary_event(event)
    answer = requests.post(to, data=message.body, headers=message.headers, timeout=REQUEST_TIMEOUT)
    if not answer.ok:
        raise Failure(f"{to} answered {answer.status_code} {answer.reason}: {answer.text.strip()}")


def await_result(service: str, event: CloudEvent) -> dict:
    """Returns the final status of the event's image."""
    name = {"source": event.get_source(), "id": event.get_id()}
    deadline = time.monotonic() + RESULT_TIMEOUT
    while time.monotonic() < deadline:
        answer = requests.get(f"{service}/status", params=name, timeout=REQUEST_TIMEOUT)
        if answer.ok and answer.json()["status"] in ("completed", "failed"):
            return answer.json()
        if not answer.ok and answer.status_code != 404:  # the Broker has not delivered the event yet
            raise Failure(f"{answer.url} answered {answer.status_code} {answer.reason}: {answer.text.strip()}")
        time.sleep(0.5)
    raise Failure(f"no result after {RESULT_TIMEOUT} s; the event may be a dead letter")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="It prints the status of the image. The exit status is 0 if it is completed, 1 if not, and 2 after wrong usage.",
    )
    parser.add_argument("image", help="a file, or an object that the service may read: s3://BUCKET/KEY")
    parser.add_argument("--to", metavar="URL", help="where to send the event: a Broker, or /upload of the service (default)")
    parser.add_argument("--structured", action="store_true", help="send the attributes in the body, not in headers")
    parser.add_argument("--source", metavar="URI", default="/examples/python", help="source of the event (default: %(default)s)")
    parser.add_argument("--id", default=str(uuid.uuid4()), help="ID of the event (default: a new one)")
    parser.add_argument("--service", metavar="URL", default="http://127.0.0.1:8080",
                        help="where to ask for the result (default: %(default)s)")
    options = parser.parse_args()
    try:
        event = image_received(options.image, options.source, options.id)
        send(event, options.to or f"{options.service}/upload", options.structured)
        status = await_result(options.service, event)
    except (Failure, OSError) as error:  # OSError is also what requests raises
        print(f"send.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps(status))
    return 0 if status["status"] == "completed" else 1


if __name__ == "__main__":
    sys.exit(main())
