package thumbnailer

import (
	"context"
	"io"
	"sync"

	"gitlab.com/yourorg/image-service/events"
	"gitlab.com/yourorg/image-service/functions/internal/imagestore"
	"gitlab.com/yourorg/image-service/functions/internal/trace"
)

// fetching is a request for an original, which is made beside other work. The bytes arrive while they are decoded.
type fetching struct {
	done   sync.WaitGroup
	object io.ReadCloser
	info   *imagestore.Info
	err    error
}

// fetch asks for the original of a task. The caller closes what it returns.
func (t *thumbnailer) fetch(ctx context.Context, task events.ImageUploaded) *fetching {
	f := &fetching{}
	f.done.Go(func() {
		_, span := trace.Start(ctx, "fetch")
		f.object, f.info, f.err = t.store.Get(ctx, task.Bucket, task.ObjectName)
		if f.err == nil {
			span.Int("image.bytes", f.info.Size)
		}
		span.End(f.err)
	})
	return f
}

// wait returns the answer of the store. Its errors are those of imagestore.Store.Get.
func (f *fetching) wait() (io.Reader, *imagestore.Info, error) {
	f.done.Wait()
	return f.object, f.info, f.err
}

// close closes the object; it may be called again. It waits for the answer of the store, because that may close the
// circuit breaker: if each event ended its request, which was the probe, as soon as another request was refused, the
// breaker would stay open.
func (f *fetching) close() {
	f.done.Wait()
	if f.err == nil {
		f.object.Close()
	}
}
