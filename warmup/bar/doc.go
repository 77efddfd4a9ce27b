// Package bar shows how far a warm-up is: a progress bar on a terminal, and plain
// lines now and then in a log or a file.
//
//	w, err := warmup.New(rdb, warmup.Options{Progress: bar.New(os.Stderr)})
//
// It is a package of its own so that only those who import it link a library for
// terminals. Do not use it where progress is to be measured: warmup.Options.Progress
// takes any function.
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
// What cannot be written is lost: a closed terminal is no reason to stop warming.
//
// # Cluster
//
// It does not matter to it.
package bar
