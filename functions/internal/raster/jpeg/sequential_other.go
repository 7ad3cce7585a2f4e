//go:build !amd64

package jpeg

func (s *scan) readBlock(c *component) (dcOnly bool, err error) { return s.readCoefs(c) }
