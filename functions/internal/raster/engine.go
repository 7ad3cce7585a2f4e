package raster

// Engine is the version of this package that is stored with each rendition, so that renditions which an earlier one
// made can be made again. It is raised by one in the commit after which a target gives other pixels or other bytes of
// any image than before: a change of a decoder, of resampling, of colour, of an encoder or of its default quality. It
// is not raised if an image that was refused is rendered now, nor if only the cost changes. TestEngine finds most of
// the changes.
const Engine = 1
