package snapshot

import (
	"errors"
	"time"
)

// maxFailures is how many failures a Summary keeps; Failed counts all.
const maxFailures = 100

// Summary says what a dump, a restore or a verification did.
type Summary struct {
	At       time.Time // when the dump began, by the clock of the program that dumped
	Keys     int64     // dumped, restored, or whole in the file
	Skipped  int64     // Dump: of types not asked for, and gone before they were read; Restore: there already; Salvage: lost
	Expired  int64     // Dump: expired or deleted while they were read; Restore: expired since
	Failed   int64     // keys that the server refused; the first of them are in Failures
	Torn     int64     // keys read in pieces, so not of one moment
	Bytes    int64     // of the snapshot, uncompressed
	Elapsed  time.Duration
	Failures []KeyError // at most 100
	Partial  bool       // something could not be read
}

func (s *Summary) fail(key string, err error) {
	s.Failed++
	if len(s.Failures) < maxFailures {
		s.Failures = append(s.Failures, KeyError{Key: key, Err: err})
	}
}

// errors joins what failed, key by key.
func (s *Summary) errors() error {
	all := make([]error, 0, len(s.Failures))
	for _, f := range s.Failures {
		all = append(all, f)
	}
	return errors.Join(all...)
}
