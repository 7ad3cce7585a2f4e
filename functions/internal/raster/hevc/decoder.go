package hevc

import "io"

type decoder struct{}

func (d *decoder) decode(c *Config, r io.Reader, o Options, emit func(*Rows) error) error {
	return unsupported("slices")
}
