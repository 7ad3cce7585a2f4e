//go:build !amd64

package jpeg

func (s *scan) decodeACFirst(c *component, x, y, blocks int) error {
	return s.decodeACFirstInGo(c, x, y, blocks)
}

// refineBlocks is for processors that there is assembly for.
func (*scan) refineBlocks(*component, int, int) int { return 0 }
