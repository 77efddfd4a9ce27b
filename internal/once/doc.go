// Package once sends a command that must not run twice only once, and knows
// what became of it.
//
// go-redis resends a command whose reply was lost, up to MaxRetries times, and
// on a cluster it resends a whole batch whose first command was answered
// TRYAGAIN. For a command such as INCRBY that means a double effect behind a
// nil error. The functions here send each command once, follow MOVED and ASK
// redirections (which are no second run, since the first node did nothing), and
// tell three outcomes of a command apart: the server answered (nil, or its
// error), nothing was sent (the error as it is), or something was sent and no
// answer came (an [UnknownError]).
//
// # How it works
//
// Each command travels in a wrapper whose NoRetry method is true, which
// go-redis asks before it resends, for one command, for a batch, and for the
// merged batches of an AutoPipeliner. The wrapper counts the acknowledgements:
// go-redis calls SetErr(nil) when it has read a good reply, so a command of a
// broken batch with no more of these calls than the least acknowledged one was
// not answered. (An AutoPipeliner in full duplex calls it on each command once
// before it diverts the batch, which is why counts are compared and a flag
// would not do.) The wrapper also notes whether its arguments were ever asked
// for: a command that nobody read was not written, so it was not sent, whatever
// the error, be it of a limiter, a dialer, a hook, or a context that ended in
// the queue of the pool. (A ClusterClient and an AutoPipeliner read them
// earlier, for its slot and size: there only the errors that are known for it
// prove that nothing was sent.) This relies on the internals of go-redis: the
// tests of this package drive every kind of client through a fault proxy, and
// fail if they change.
//
// A single command goes through Process, a batch through a pipeline. The context
// is looked at before anything is sent; what bounds the wait afterwards are the
// time-outs of the client, and the context only with ContextTimeoutEnabled.
package once
