//go:build !amd64

package inflate

func (d *decoder) decodeSymbols(limit int) { d.decodeSymbolsPortably(limit) }
