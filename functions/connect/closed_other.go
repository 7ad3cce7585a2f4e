//go:build !linux

package connect

import (
	"context"
	"net"
)

// dialRedis is DialContext. A connection that Redis has closed while it was idle fails a command.
func (d *Dialer) dialRedis(ctx context.Context, network, address string) (net.Conn, error) {
	return d.DialContext(ctx, network, address)
}
