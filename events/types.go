package events

// A Type declares one type of event: what the JSON Schemas, the AsyncAPI document, the EventTypes and Triggers of the
// manifests, and the reference page are checked against or generated from.
type Type struct {
	// Name is the CloudEvents type.
	Name string
	// Payload is the zero value of the Go type of its data.
	Payload Payload
	// Doc is the meaning of the event, as one sentence.
	Doc string
	// Source is the source of every event of the type; "" means that there are several producers.
	Source string
	// Producers publish the type, and Consumers act on it.
	Producers, Consumers []Party
	// Channels are where it is published: channels of the AsyncAPI document.
	Channels []Channel
	// WrappedAs is the type under which a Knative source delivers it that cannot set a type; "" means none.
	WrappedAs string
}

// A Party publishes or receives events.
type Party string

// The parties. Functions go by the names of their Knative Services.
const (
	PartyUpload       Party = "upload"
	PartyThumbnail    Party = "thumbnail"
	PartyBackfill     Party = "thumbnail-backfill"
	PartyPingSource   Party = "PingSource"
	PartyOtherSystems Party = "other systems"
)

// A Channel is where events are published, by its name in the AsyncAPI document.
type Channel string

// The channels.
const (
	// ChannelTopic is the Kafka topic of images.
	ChannelTopic Channel = "topic"
	// ChannelBackfill is the Kafka topic of images that may wait.
	ChannelBackfill Channel = "backfill"
	// ChannelBroker is the Knative Broker, which replies of functions go to, too.
	ChannelBroker Channel = "broker"
	// ChannelUploadRoot is POST / of upload.
	ChannelUploadRoot Channel = "uploadRoot"
	// ChannelUpload is POST /upload of upload.
	ChannelUpload Channel = "upload"
)

// Types of Knative's sources, which do not know the types of this service.
const (
	// TypeKafkaRecord is that of a record on the topic that is not a CloudEvent: a task of the original system, whose
	// value is the data of ImageUploaded.
	TypeKafkaRecord = "dev.knative.kafka.event"
	// TypePing is that of a PingSource.
	TypePing = "dev.knative.sources.ping"
)

// Types declares every type of event, in the order of an image's life.
func Types() []Type {
	return []Type{
		{
			Name:      TypeImageReceived,
			Payload:   ImageReceived{},
			Doc:       "Another system has an image for the service.",
			Producers: []Party{PartyOtherSystems, PartyUpload},
			Consumers: []Party{PartyUpload},
			Channels:  []Channel{ChannelTopic, ChannelBroker, ChannelUploadRoot, ChannelUpload},
		},
		{
			Name:      TypeImageUploaded,
			Payload:   ImageUploaded{},
			Doc:       "An image was stored and waits for its thumbnail.",
			Source:    SourceUpload,
			Producers: []Party{PartyUpload},
			Consumers: []Party{PartyThumbnail},
			Channels:  []Channel{ChannelTopic, ChannelBroker},
			WrappedAs: TypeKafkaRecord,
		},
		{
			Name:      TypeImageThumbnailed,
			Payload:   ImageThumbnailed{},
			Doc:       "The thumbnail of an image was stored.",
			Source:    SourceThumbnail,
			Producers: []Party{PartyThumbnail},
			Consumers: []Party{PartyOtherSystems},
			Channels:  []Channel{ChannelBroker},
		},
		{
			Name:      TypeImageFailed,
			Payload:   ImageFailed{},
			Doc:       "An image can never have a thumbnail, for the reason given.",
			Producers: []Party{PartyThumbnail, PartyUpload},
			Consumers: []Party{PartyOtherSystems},
			Channels:  []Channel{ChannelTopic, ChannelBroker},
		},
		{
			Name:      TypeImageRender,
			Payload:   ImageRender{},
			Doc:       "The service is to make what a completed image lacks of the renditions that are configured now.",
			Producers: []Party{PartyUpload, PartyOtherSystems},
			Consumers: []Party{PartyBackfill},
			Channels:  []Channel{ChannelBackfill, ChannelBroker},
		},
		{
			Name:      TypeImageDelete,
			Payload:   ImageDelete{},
			Doc:       "The service is to delete an image.",
			Producers: []Party{PartyOtherSystems},
			Consumers: []Party{PartyUpload},
			Channels:  []Channel{ChannelTopic, ChannelBroker, ChannelUploadRoot},
		},
		{
			Name:      TypeImageDeleted,
			Payload:   ImageDeleted{},
			Doc:       "An image was deleted, and nothing of it is stored any longer.",
			Source:    SourceUpload,
			Producers: []Party{PartyUpload},
			Consumers: []Party{PartyOtherSystems},
			Channels:  []Channel{ChannelTopic, ChannelBroker},
		},
		{
			Name:      TypeImageSweep,
			Payload:   ImageSweep{},
			Doc:       "The service is to look for images whose events were not published, and to publish them.",
			Producers: []Party{PartyPingSource, PartyOtherSystems},
			Consumers: []Party{PartyUpload},
			Channels:  []Channel{ChannelBroker, ChannelUploadRoot},
			WrappedAs: TypePing,
		},
	}
}
