// Package pipeline sends many things to Redis at once and says of each what became
// of it: typed values in bulk, counters that are never added to twice, any mix of
// commands, and optimistic transactions.
//
//	b, err := pipeline.New(rdb, pipeline.Options{})
//	report, err := pipeline.Set(ctx, b, maps.All(products), pipeline.SetOptions{TTL: time.Hour})
//	got, err := pipeline.Get[Product](ctx, b, "product:1", "product:2")
//	values, report, err := b.Increment(ctx, map[string]int64{"sold:1": 3}, pipeline.CounterOptions{})
//
// Use it where a plain pipeline would lie: go-redis sends a pipeline whose
// reply was lost a second time, whole, so that 100 increments become 200 behind
// a nil error; its Exec returns only the first of many errors, so that a
// redis.Nil hides a WRONGTYPE; one value that cannot be encoded fails all
// others; and a thousand large values in one pipeline exceed the client's
// time-outs and the server's memory.
//
// Do not use it for single commands: your client, or its AutoPipeliner, sends
// those just as well. Do not use it for rankings, profiles or visitors, which
// have packages of their own. Do not use a transaction where
// [Batcher.IncrementAtomic] or [Batcher.IncrementOnce] is enough: these take
// one round trip and never conflict.
//
// # Outcomes
//
// Each item is Applied (acknowledged), Failed (the server refused it), NotSent
// (it never left) or Unknown (it was sent, and no answer came), or it is
// Missing or Skipped, which are no failures. A [Report] counts them all, each
// item once. Only what does the same when it runs twice is sent again: Set,
// Delete, Expire, reads, and IncrementOnce, whose token makes it so. Increment,
// IncrementAtomic, Do, transactions and Set with IfAbsent are sent once. An
// item whose first try was not answered is never called failed or unsent
// because of a later one.
//
// Chunks of different keys may overtake each other; operations on one key are
// done in the order of the input.
//
// # Memory and time-outs
//
// The memory needed is that of the chunks in flight: at most Options.ChunkSize
// commands or Options.ChunkBytes bytes each, Options.Workers of them for each
// node. Replies are as large as what is stored, so reads begin with 64 keys a
// chunk and adapt.
//
// The context is looked at before each chunk. A chunk that is on its way is
// bounded by the time-outs of the client, and by the context only if the client
// was made with ContextTimeoutEnabled.
//
// Commands lie in slabs that are used again when their chunk is done: hooks of the
// client must not keep the commands of a Set or Get.
//
// # Keys
//
// The keys of items and counters are used as they are given. The package itself
// makes one kind of key:
//
//	[<namespace>:]pipeline:{<tag of the counters>}:once:<token>   string
//
// # Time
//
// Times to live are relative and counted by the server, to the millisecond; below
// a millisecond they are refused. A Set stores the value with its time to live in
// one command, a counter gets its own in the script that creates it.
//
// # Errors
//
// What concerns a whole call (options, a nil client) is a plain error. If not
// every item of a batch went well, the error is a [*BatchError] with the
// report; errors.Is and errors.As look into all its failures:
// [ErrOutcomeUnknown], context errors, *codec.Error, errors of Redis. A key of
// a foreign type is Failed with Redis's WRONGTYPE and stays as it was, but
// where MGET is used it reads as missing, since MGET says so. A hook of the
// client that panics does so in the caller's goroutine. [ErrConflict],
// [ErrCrossSlot] and [ErrUnsupported] are what their names say.
//
// # Cluster
//
// Chunks are gathered by node and sent to all nodes at the same time; redirections
// are followed, and a node that is down loses its own items only. A client learns
// of a new master when ClusterStateReloadInterval says (60 s by default): set it to
// a second or so. Behind an AutoPipeliner, which hides the nodes, and on a Ring,
// chunks mix them. IncrementAtomic, IncrementOnce and Transact need their keys in
// one slot (hash tags), and say so before anything is sent; with
// Options.StrictSlots they say so on one node too. While a slot moves, a script of
// a counter that has moved and one that has not is told TRYAGAIN, nothing is done,
// and the error says so; a transaction on the slot fails with the redirection.
package pipeline
