// Package warmup fills a cold cache before the traffic comes: after a deploy, a
// move to a new server, a lost node, or when a campaign is about to begin.
//
// It is made for production: it keeps to a rate in items and in bytes, pauses
// while the server is slow, stops when too much goes wrong or the server's
// memory is full, resumes where it was after a kill, and reports its progress.
//
// Warming from a database is one call:
//
//	w, err := warmup.New(rdb, warmup.Options{
//		TTL: 6 * time.Hour, Rate: 5000, Checkpoint: "/var/lib/shop/warmup",
//	})
//	report, err := w.Run(ctx, warmup.FromFunc(ids, loadProduct))
//
// Other sources are a map, a slice, a sequence, and another Redis. What is stored
// is read with pipeline.Get and the same codec, or with a plain GET.
//
// Do not use it for a cache whose misses are cheap: that one warms itself. Do
// not use it as a backup: that is what package warmup/snapshot is for.
//
// # Keys
//
// An item's key is used as it is given, and holds a string. The package has no
// keys of its own; a checkpoint is a file.
//
// # Time
//
// Every item gets a time to live, in the command that stores it: its own, or that
// of the options, spread by the jitter, so that what was warmed together does not
// end together. Rates, pauses and what is left of a copied key's time are measured
// with the clock of the process; no server's clock is asked.
//
// # Errors
//
// What is wrong with one item (an empty key, no value, a loader that fails or
// panics, a value that cannot be encoded, a refusal by the server) is counted in
// [Report.Failed], told in [Report.Errors] as an [*ItemError], and does not stop
// the others. The run ends early with [ErrAborted] once a stop rule says so, with
// [ErrSource] when the source ends with an error, with [ErrCheckpoint] when the
// checkpoint cannot be used, and with the context's error. The report is right in
// each case. A run whose failures stay below the stop rules returns nil: look at
// Report.Failed. A panic in a hook of the client is one of Run.
//
// # Cluster
//
// Works with every client of go-redis; a chunk's items go to their nodes at the
// same time. [FromRedis] reads all masters of a cluster, or all shards of a Ring,
// and refuses an AutoPipeliner that hides them. Of a cluster whose node is down
// the items of that node fail, which the stop rules notice.
package warmup
