package status

import "gitlab.com/yourorg/image-service/functions/internal/rate"

// Limiter counts requests in the same Redis.
func (b *Board) Limiter() *rate.Limiter {
	return rate.New(b.redis, "image:limit:"+b.store.Bucket()+":")
}
