package avifworker

import (
	_ "unsafe" // for go:linkname

	_ "github.com/gen2brain/avif" // has the module
)

// gzippedModule is the decoder in WebAssembly that github.com/gen2brain/avif embeds. Its own functions run it without a
// limit on memory, and copy that memory whenever it grows; TestModule checks that the variable still exists.
//
//go:linkname gzippedModule github.com/gen2brain/avif.decodeWasm
var gzippedModule []byte
