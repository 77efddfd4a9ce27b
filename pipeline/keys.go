package pipeline

import "strings"

// The keys that this package makes:
//
//	[<namespace>:]pipeline:{<tag of the counters>}:once:<token>   string

// tokenKey returns the key of a token, in the slot of its counters, of which
// counter is the first.
func (b *Batcher) tokenKey(counter, token string) string {
	var s strings.Builder
	if b.opts.Namespace != "" {
		s.WriteString(b.opts.Namespace + ":")
	}
	s.WriteString("pipeline:{" + tagFor(counter) + "}:once:" + token)
	return s.String()
}
