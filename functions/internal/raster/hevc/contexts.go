package hevc

// Indices of the context variables of each syntax element (table 9-4). Elements with several have their number beside
// them.
const (
	ctxSAOMerge       = 0
	ctxSAOType        = 1
	ctxSplitCU        = 2 // 3
	ctxBypassCU       = 5 // cu_transquant_bypass_flag
	ctxPartMode       = 6
	ctxPrevIntra      = 7
	ctxChromaMode     = 8
	ctxSplitTransform = 9   // 3
	ctxCbfLuma        = 12  // 2
	ctxCbfChroma      = 14  // 5
	ctxDeltaQP        = 19  // 2
	ctxSkip           = 21  // 2: luma, chroma
	ctxLastX          = 23  // 18
	ctxLastY          = 41  // 18
	ctxCodedBlock     = 59  // 4
	ctxSig            = 63  // 27 of luma, 15 of chroma, and one of each for transform_skip_context_enabled_flag
	ctxGreater1       = 107 // 24
	ctxGreater2       = 131 // 6
	ctxChromaOffset   = 137
	ctxChromaIndex    = 138
	ctxScaleAbs       = 139 // 8
	ctxScaleSign      = 147 // 2
	ctxCount          = 149
)

// initValues are the initialization values for I slices (tables 9-5 to 9-37).
var initValues = [ctxCount]uint8{
	ctxSAOMerge: 153,
	ctxSAOType:  200,
	ctxSplitCU:  139, 141, 157,
	ctxBypassCU:       154,
	ctxPartMode:       184,
	ctxPrevIntra:      184,
	ctxChromaMode:     63,
	ctxSplitTransform: 153, 138, 138,
	ctxCbfLuma: 111, 141,
	ctxCbfChroma: 94, 138, 182, 154, 154,
	ctxDeltaQP: 154, 154,
	ctxSkip: 139, 139,
	ctxLastX: 110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63,
	ctxLastY: 110, 110, 124, 125, 140, 153, 125, 127, 140, 109, 111, 143, 127, 111, 79, 108, 123, 63,
	ctxCodedBlock: 91, 171, 134, 141,
	ctxSig: 111, 111, 125, 110, 110, 94, 124, 108, 124, 107, 125, 141, 179, 153, 125, 107, 125, 141, 179, 153, 125, 107,
	125, 141, 179, 153, 125, 140, 139, 182, 182, 152, 136, 152, 136, 153, 136, 139, 111, 136, 139, 111, 141, 111,
	ctxGreater1: 140, 92, 137, 138, 140, 152, 138, 139, 153, 74, 149, 92, 139, 107, 122, 152, 140, 179, 166, 182, 140,
	227, 122, 197,
	ctxGreater2: 138, 153, 136, 167, 152, 152,
	ctxChromaOffset: 154,
	ctxChromaIndex:  154,
	ctxScaleAbs:     154, 154, 154, 154, 154, 154, 154, 154,
	ctxScaleSign: 154, 154,
}

// contextVariables are the states of all context variables, each 2*pStateIdx + valMps, and StatCoeff of
// persistent_rice_adaptation_enabled_flag. The array has as many elements as a byte has values, which avoids bounds
// checks.
type contextVariables struct {
	states [256]uint8
	rice   [4]uint8
}

// init initializes the context variables for a slice QP (section 9.3.2.2).
func (s *contextVariables) init(qp int) {
	qp = max(0, min(qp, 51))
	for i, v := range initValues {
		slope, offset := int(v>>4)*5-45, int(v&15)<<3-16
		pre := max(1, min(slope*qp>>4+offset, 126))
		if pre <= 63 {
			s.states[i] = uint8(2 * (63 - pre))
		} else {
			s.states[i] = uint8(2*(pre-64) + 1)
		}
	}
	s.rice = [4]uint8{}
}
