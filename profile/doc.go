// Package profile caches typed objects, each in a Redis hash of its own, and reads through to the database: the pattern
// that services write by hand with HGETALL, a query and HSET, without its faults. Use it for users, settings, products:
// whatever is read much more often than it changes.
//
//	users, err := profile.New(rdb, profile.Options[User]{
//		TTL: time.Hour,
//		Load: func(ctx context.Context, id string) (User, error) {
//			return db.User(ctx, id) // profile.ErrNotFound if there is none
//		},
//	})
//	...
//	u, err := users.Get(ctx, "42")          // from the cache, or loaded once for all who ask
//	...
//	err = db.Rename(ctx, "42", "Ada")       // commit first,
//	err = users.Invalidate(ctx, "42")       // then forget: no older load is stored after this
//
// What it does that the loop by hand does not:
//
//   - An object that many want at once is loaded once, across goroutines and across processes.
//   - A load that began before an Invalidate, Set, Update, Increment or Modify was acknowledged is never stored after it.
//   - Fields can be read and changed one by one, in a form that redis-cli and other languages understand.
//   - When Redis is down, callers get the loader's answer without waiting for time-outs.
//   - Absence is cached. If you want, values are refreshed before they expire, and served after that while the database
//     fails.
//
// Do not use it as the only store of data: hashes expire and are evicted. Do not use it for values that change with
// most reads (there is nothing to cache), for objects of many megabytes (a read takes the whole hash), or where a
// reader must never see what was true a moment ago: a cache stands beside the database, not within its transactions.
//
// # Fields
//
// Each exported field of T is a field of the hash, named by its tag `profile:"name"`, or else by its Go name in lower
// snake case; the tag "-" leaves it out. Embedded structs are flattened; embedded pointers are one field. Strings,
// numbers, booleans (1 and 0), []byte, time.Time (RFC 3339) and time.Duration (nanoseconds) are stored as plain text,
// also behind a pointer and under types of their own; everything else goes through [Options].Codec. Nil and empty
// slices and maps are told apart, and so are nil pointers and pointers to zero. [New] refuses types that would not come
// back exactly, and names the path to the field. Unexported fields of nested structs are not stored, as in
// encoding/json.
//
// # Keys
//
//	[<namespace>:]profile:{<id>}   hash   one field for each of T's, and @meta
//
// A closing brace and a percent sign in an id are written as %7D and %25. @meta holds whether there is an object, the
// schema version, a random version that is new with each write, when the object was written and when it expires, how
// long its load took, and which fields are nil. While an object is being loaded, the field @lease says by whom; it is
// alone in the hash if nothing is cached. Every hash has an expiry, whatever happens.
//
// # Leases
//
// A miss takes a lease, a random token in the same hash, and what was loaded is stored only if the token is still
// there. Every write removes it, in the same script that writes. A token is sent to Redis once; if its answer is lost,
// nothing is loaded under it. A lease lasts a second longer than LoadTimeout; if its holder dies, exactly one of those
// who wait takes the next one. A load that is slower than its lease serves its own callers and is not stored.
//
// The promise is: commit to the database, then Invalidate (or Set, or Update); once that has returned nil, no value older
// than the commit is stored. What it does not cover, because no cache can:
//
//   - A loader that reads from a replica of the database which lags behind.
//   - A client that reads from replicas of Redis (ReadOnly, RouteByLatency), which may not have heard of the change
//     yet.
//   - An Invalidate that the primary acknowledged and then lost in a failover.
//   - An Invalidate that returned an error: the old value may live on until it expires. Repeat it.
//   - Set, Update, Increment and Modify change the cache, where the last writer wins: two processes that commit in one
//     order and Set in the other leave the older value there. Where several processes write one object, Invalidate.
//
// # Time
//
// Expiries are absolute: computed by this process's clock, and kept by that of Redis. The hosts' clocks have to agree
// to well below the TTL. With StaleOnError 0, the key's expiry decides; otherwise the hash outlives the object, and
// readers compare with their own clock, so all processes that share keys need the same setting. TTL, Touch, Peek and
// Update mean the object's own expiry.
//
// # Errors
//
// [ErrNotFound] is an object that is absent, [ErrNotCached] one of which nothing is known. [ErrWrongType] is a key of
// another type, which stays as it is; a hash that cannot be decoded is replaced by the next load. Redis's own errors can be
// found in the chain. With [FailOpen], reads see no error of Redis: [Hooks].Error does. Three failures in a row, of calls that
// took up to RedisTimeout or half of the caller's time, open a breaker, after which reads do not ask Redis until a probe
// beside them (every 200 ms, as long as there are reads) finds it well. On a cluster that goes by ranges of slots, though not
// through an AutoPipeliner, which hides the nodes. Writes always ask.
//
// A client with ContextTimeoutEnabled (in redis.Options) is asked directly, and the answer of a deferred AutoPipeliner
// (rdb.AsyncAutoPipeline) is waited for with the context. Any other client cannot be hurried, so each read costs a goroutine,
// some microseconds.
//
// # Cluster
//
// An object is one key, so every operation works on a cluster, on a slot that is moving, on a Ring, through Sentinel and
// through an AutoPipeliner. Operations on several ids are pipelines, not transactions. Set ClusterStateReloadInterval to a
// second or so: go-redis's default of a minute is how long it takes to notice a dead master.
//
// # Client-side caching
//
// Get reads with one HGETALL and GetFields with one HMGET, which go-redis's client-side caching (RESP3,
// ClientSideCacheConfig) answers from memory until the object changes. Then a process may not read its own writes: a
// read straight after one may be answered from before it. [Options].ReadYourWrites prevents that for the Store that
// wrote; others may lag by some milliseconds. Sliding bypasses that cache.
package profile
