#!/usr/bin/env python3
"""Uploads the images of a folder, and shows their thumbnails in thumbnails.html.

SERVICE=https://images.example KEY=isk_... python3 folder.py FOLDER
"""
import html, json, os, pathlib, sys, urllib.parse, urllib.request, uuid

service, key = os.environ["SERVICE"].rstrip("/"), os.environ["KEY"]

def ask(path, data=None, **headers):
    request = urllib.request.Request(service + path, data, {"X-Api-Key": key, **headers})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)

page = ["<!doctype html><title>Thumbnails</title>"]
for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    repeatable = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/octet-stream"}
    name = urllib.parse.quote(file.name)
    image = ask("/upload?filename=" + name, file.read_bytes(), **repeatable)["image_id"]
    status = ask(f"/status/{image}?wait=30")
    if status["status"] == "completed":
        url = urllib.parse.urljoin(service, status["urls"]["thumbnail"])  # signed: it needs no key
        page.append(f'<img src="{html.escape(url)}" alt="{html.escape(file.name)}">')
    print(image, status["status"], file.name)
pathlib.Path("thumbnails.html").write_text("\n".join(page), encoding="utf-8")
