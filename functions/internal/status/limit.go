package status

import "gitlab.com/yourorg/image-service/functions/internal/ratelimit"

// Limiter counts requests in the same Redis.
func (b *Board) Limiter() *ratelimit.Limiter {
	return ratelimit.New(b.redis, "image:limit:"+b.store.Bucket()+":")
}
