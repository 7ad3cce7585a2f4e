// Package events is the vocabulary of image-service: the CloudEvents that its functions take and send, as Go types,
// JSON Schemas (schema/) and an AsyncAPI document (asyncapi.yaml). Other systems import it to produce what the
// service understands and to read what it says; it depends on nothing but the CloudEvents SDK.
//
//	image.received    →  a system other than a browser has an image for us (data, or a reference to an object)
//	image.uploaded    ←  an image was stored and waits for its thumbnail
//	image.thumbnailed ←  its thumbnail is there
//	image.failed      ←  it can never have one, and why
//	image.sweep       →  it is time to look for images that were left behind
//
// Delivery is at least once and in any order. Source and id together name an event, and this service gives the same
// fact the same id however often it is told, so a consumer that remembers ids sees every fact once.
package events
