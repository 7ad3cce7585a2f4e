#!/usr/bin/env node
// Sends an image to image-service as a CloudEvent and waits for its thumbnail.
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { CloudEvent, HTTP, ValidationError } from "cloudevents";

const usage = `usage: node send.js [OPTION]... IMAGE

IMAGE is a file, or an object that the service may read: s3://BUCKET/KEY.

  --to URL       where to send the event: a Broker, or /upload of the service (the default)
  --structured   send the attributes in the body, not in headers
  --source URI   source of the event (default: /examples/javascript)
  --id ID        ID of the event (default: a new one)
  --service URL  where to ask for the result (default: http://127.0.0.1:8080)
  --help         show this help

It prints the status of the image. The exit status is 0 if it is completed, 1 if not, and 2 after wrong usage.`;

const requestTimeout = 30_000; // ms, for one request
const resultTimeout = 60_000; // ms, for the image until it has its result

/** Returns the event for a file, or for an object: s3://BUCKET/KEY. */
async function imageReceived(image, source, id) {
  const attributes = { type: "image.received", source, id, subject: basename(image) };
  const object = /^s3:\/\/(?<bucket>[^/]+)\/(?<key>.+)$/.exec(image)?.groups;
  if (object) {
    const data = { bucket: object.bucket, object_name: object.key };
    return newEvent({ ...attributes, datacontenttype: "application/json", data });
  }
  const data = await readFile(image); // the service detects the format
  return newEvent({ ...attributes, datacontenttype: "application/octet-stream", data });
}

/** Returns a new event. The SDK is stricter than the service: it refuses a source with a space, for example. */
function newEvent(attributes) {
  try {
    return new CloudEvent(attributes);
  } catch (error) {
    if (!(error instanceof ValidationError)) {
      throw error;
    }
    const names = error.errors.map(({ instancePath }) => instancePath?.slice(1)).filter(Boolean);
    const found = names.map((name) => `${name} is ${JSON.stringify(attributes[name])}`).join(", ") || error.message;
    throw new UsageError(`the SDK refuses the event: ${found}; the source must be a URI reference, in which a space is %20`);
  }
}

/** An error of the command line. */
class UsageError extends Error {}

/** Sends an event. To send it again is safe: the same source and ID make one image. */
async function send(event, to, structured) {
  const { headers, body } = structured ? HTTP.structured(event) : HTTP.binary(event);
  for (const name of Object.keys(headers).filter((name) => name.startsWith("ce-"))) {
    headers[name] = percentEncode(headers[name]); // the SDK does not, and fetch refuses most letters in headers
  }
  await request(to, { method: "POST", headers, body });
}

/** Encodes an attribute for a header: https://github.com/cloudevents/spec, HTTP binding, section 3.1.3.2. */
function percentEncode(value) {
  return String(value).replace(/[^!#$&-~]+/g, encodeURIComponent);
}

/** Returns the final status of the event's image. */
async function awaitResult(service, { source, id }) {
  const deadline = Date.now() + resultTimeout;
  while (Date.now() < deadline) {
    const answer = await request(`${service}/status?${new URLSearchParams({ source, id })}`, {}, 404);
    const status = await answer.json();
    if (["completed", "failed"].includes(status.status)) {
      return status;
    }
    await sleep(500); // it is queued or processing, or with 404 not known: the Broker has not delivered the event yet
  }
  throw new Error(`no result after ${resultTimeout / 1000} s; the event may be a dead letter`);
}

/** Makes a request, and throws unless it succeeds or has a status code that is expected. */
async function request(url, options, expected) {
  const signal = AbortSignal.timeout(requestTimeout);
  const answer = await fetch(url, { ...options, signal }).catch((error) => {
    throw new Error(`${url}: ${error.cause?.message ?? error.message}`);
  });
  if (!answer.ok && answer.status !== expected) {
    throw new Error(`${url} answered ${answer.status} ${answer.statusText}: ${await answer.text()}`);
  }
  return answer;
}

function readOptions() {
  const text = { type: "string" };
  try {
    const options = { to: text, source: text, id: text, service: text, structured: { type: "boolean" }, help: { type: "boolean" } };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (!values.help && positionals.length !== 1) {
      throw new Error("expected one image");
    }
    return { source: "/examples/javascript", id: randomUUID(), service: "http://127.0.0.1:8080", ...values, image: positionals[0] };
  } catch (error) {
    console.error(`send.js: ${error.message}\n${usage}`);
    process.exit(2);
  }
}

const options = readOptions();
if (options.help) {
  console.log(usage);
  process.exit();
}
try {
  const event = await imageReceived(options.image, options.source, options.id);
  await send(event, options.to ?? `${options.service}/upload`, options.structured);
  const status = await awaitResult(options.service, event);
  console.log(JSON.stringify(status));
  process.exitCode = status.status === "completed" ? 0 : 1;
} catch (error) {
  console.error(`send.js: ${error.message}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
