// Package bar shows the progress of a warm-up: as a bar on a terminal, and as
// plain lines in a log or a file.
//
//	w, err := warmup.New(rdb, warmup.Options{Progress: bar.New(os.Stderr)})
//
// It is a package of its own so that nobody else links a library for terminals.
// Do not use it where a program is to read the progress:
// warmup.Options.Progress takes any function.
//
// # Keys
//
// None: it only writes to what it is given.
//
// # Time
//
// A bar is drawn ten times a second at most, a line written every ten seconds, and
// once at the end. The times left are those of [warmup.Progress].
//
// # Errors
//
// Lines that cannot be written are dropped: a closed terminal is no reason to
// stop warming.
//
// # Cluster
//
// A cluster makes no difference here.
package bar
