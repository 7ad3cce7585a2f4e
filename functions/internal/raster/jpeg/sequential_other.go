//go:build !amd64

package jpeg

func (s *scan) readBlock(c *component) (dcOnly bool, err error) { return s.readCoefs(c) }

func (s *scan) decodeDC(c *component, x, y, blocks int) error { return s.decodeDCInGo(c, x, y, blocks) }
