// Package events is the vocabulary of image-service: the CloudEvents that its functions receive and publish, as Go
// types, JSON Schemas (schema/) and an AsyncAPI document (asyncapi.yaml). Other systems import it to publish events for
// the service and to read its events; it depends on nothing but the CloudEvents SDK.
//
// [Types] declares every type of event. Schemas, document, manifests and reference page are checked against it.
//
// Delivery is at least once and in any order. Source and id together name an event, and this service gives the same
// fact the same id however often it publishes it, so a consumer that remembers ids sees every fact once.
package events
