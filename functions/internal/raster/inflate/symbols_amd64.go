package inflate

// inAssembly is false in tests of decodeSymbolsPortably.
var inAssembly = true

// decodeSymbolsFast is decodeSymbols. It needs no instructions that not all processors have.
//
//go:noescape
func decodeSymbolsFast(d *decoder, limit int)

func (d *decoder) decodeSymbols(limit int) {
	if inAssembly {
		decodeSymbolsFast(d, limit)
	} else {
		d.decodeSymbolsPortably(limit)
	}
}
