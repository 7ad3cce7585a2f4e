#!/usr/bin/env python3
"""Uploads the images of a folder, and shows their thumbnails in thumbnails.html; or deletes all images of the client.

SERVICE=https://images.example KEY=isk_... python3 folder.py FOLDER
SERVICE=https://images.example KEY=isk_... python3 folder.py --delete
"""
import html, json, os, pathlib, sys, urllib.parse, urllib.request, uuid

service, key = os.environ.get("SERVICE", "").rstrip("/"), os.environ.get("KEY")
if not service or not key or len(sys.argv) != 2 or sys.argv[1].startswith("-") and sys.argv[1] != "--delete":
    sys.exit(__doc__)

def ask(path, data=None, method=None, **headers):
    request = urllib.request.Request(service + path, data, {"X-Api-Key": key, **headers}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or "null")

def show(folder):
    page = ["<!doctype html><title>Thumbnails</title>"]
    for file in sorted(pathlib.Path(folder).iterdir()):
        repeatable = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/octet-stream"}
        name = urllib.parse.quote(file.name)
        image = ask("/upload?filename=" + name, file.read_bytes(), **repeatable)["image_id"]
        status = ask(f"/status/{image}?wait=30")
        if status["status"] == "completed":
            url = urllib.parse.urljoin(service, status["urls"]["thumbnail"])  # signed: it needs no key
            page.append(f'<img src="{html.escape(url)}" alt="{html.escape(file.name)}">')
        print(image, status["status"], file.name)
    pathlib.Path("thumbnails.html").write_text("\n".join(page), encoding="utf-8")

def delete_all(cursor=""):
    while cursor is not None:
        page = ask("/images?limit=100&cursor=" + cursor)
        for image in page["images"]:
            ask("/images/" + image["image_id"], method="DELETE")
            print(image["image_id"], "deleted", image.get("filename", ""))
        cursor = page.get("next")

delete_all() if sys.argv[1] == "--delete" else show(sys.argv[1])
