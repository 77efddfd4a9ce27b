package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/crew"
	"github.com/larder-go/larder/internal/keyset"
	"github.com/larder-go/larder/internal/once"
)

// run is one call: it takes items, gathers them in chunks, a row of chunks for
// each node, and keeps the report.
//
// Only the caller's goroutine adds items. A chunk is sent by a goroutine of its
// own, of which there are at most Workers a node; the memory of a chunk is used
// again when it is done, so it is bounded by the chunks in flight.
type run struct {
	b     *Batcher
	ctx   context.Context //nolint:containedctx // it lives as long as one call
	begun time.Time
	op    string

	// again says that a chunk may be sent again: its commands do the same twice.
	again bool
	// judge tells what an acknowledged command did. tried says that it was sent
	// before, and not answered.
	judge func(cmd redis.Cmder, tried bool) verdict
	// build makes the commands of a chunk.
	build func(c *chunk)
	// got is called with each command that was applied, one at a time.
	got func(c *chunk, i int)
	// ordered sends one chunk after the other, and nothing behind a broken one.
	ordered bool
	limit   int // of the failures that are kept

	seed   maphash.Seed
	router router
	groups []*group
	crew   crew.Crew

	left bool // items were left behind because the context ended

	mu     sync.Mutex
	report Report
}

// verdict is what an acknowledged command did.
type verdict int

const (
	applied verdict = iota
	missing
	skipped
	undecided // it cannot be told from the work of an earlier try
)

// chunk is the items of one pipeline, in slabs.
type chunk struct {
	group *group
	index []int
	keys  []string
	vals  []string
	ttls  []int64
	cmds  []redis.Cmder
	bytes int

	args  []any
	slab  []once.Status
	batch once.Batch
	seen  keyset.Set
	// after are the chunks on their way that hold a key of this one.
	after []chan struct{}
	done  chan struct{}
}

// group is the chunks for one node.
type group struct {
	cur    *chunk
	flying []*chunk
	free   []*chunk
	slots  chan struct{}
	broken error // guarded by run.mu: why nothing more is sent, when ordered
}

func (b *Batcher) newRun(ctx context.Context, op string) *run {
	return &run{
		b: b, ctx: ctx, op: op, begun: time.Now(), limit: maxInt / 2,
		judge: func(redis.Cmder, bool) verdict { return applied },
		build: func(*chunk) {},
		seed:  maphash.MakeSeed(),
	}
}

// take returns the chunk that the next item of key belongs to, which has room for
// size bytes. Fill its slabs, then call added.
func (r *run) take(key string, size int) *chunk {
	g := r.groupOf(key)
	if c := g.cur; c != nil && (len(c.keys) >= r.b.opts.ChunkSize || c.bytes > r.b.opts.ChunkBytes-size) {
		r.dispatch(g)
	}
	if g.cur == nil {
		g.cur = r.fresh(g)
	}
	c := g.cur
	if cap(g.slots) > 1 {
		h := maphash.String(r.seed, key) | 1
		for _, f := range g.flying {
			if f.seen.Has(h) && (len(c.after) == 0 || c.after[len(c.after)-1] != f.done) {
				c.after = append(c.after, f.done)
			}
		}
		c.seen.Add(h)
	}
	c.bytes += size
	return c
}

// fresh returns an empty chunk.
func (r *run) fresh(g *group) *chunk {
	r.prune(g)
	if n := len(g.free); n > 0 {
		c := g.free[n-1]
		g.free = g.free[:n-1]
		return c
	}
	c, ok := r.b.chunks.Get().(*chunk)
	if !ok {
		c = &chunk{}
	}
	c.group = g
	return c
}

// store keeps the memory of the chunks for the next call.
func (r *run) store() {
	for _, g := range r.groups {
		r.prune(g)
		for _, c := range g.free {
			c.group, c.done = nil, nil
			clear(c.slab[:cap(c.slab)]) // they hold the context
			clear(c.after[:cap(c.after)])
			r.b.chunks.Put(c)
		}
	}
}

// prune takes back the chunks that are done.
func (r *run) prune(g *group) {
	flying := g.flying[:0]
	for _, c := range g.flying {
		select {
		case <-c.done:
			c.reset()
			g.free = append(g.free, c)
		default:
			flying = append(flying, c)
		}
	}
	clear(g.flying[len(flying):])
	g.flying = flying
}

func (c *chunk) reset() {
	clear(c.keys)
	clear(c.vals)
	clear(c.cmds)
	clear(c.args)
	c.index, c.keys, c.vals, c.ttls = c.index[:0], c.keys[:0], c.vals[:0], c.ttls[:0]
	c.cmds, c.args, c.slab = c.cmds[:0], c.args[:0], c.slab[:0]
	c.bytes = 0
	c.after = c.after[:0]
	c.seen.Reset()
}

// dispatch sends the chunk of g as soon as a worker of the node is free.
func (r *run) dispatch(g *group) {
	c := g.cur
	g.cur = nil
	if c == nil || len(c.keys) == 0 {
		return
	}
	for _, done := range c.after {
		<-done
	}
	g.slots <- struct{}{}
	r.prune(g)
	c.done = make(chan struct{})
	g.flying = append(g.flying, c)
	r.crew.Go(func() { r.send(c) }, func(bool) {
		close(c.done)
		<-g.slots
	})
}

// stopped says whether no more items are to be taken, as the context has ended.
func (r *run) stopped() bool {
	r.left = r.left || r.ctx.Err() != nil
	return r.left
}

// refuse counts an item that is not sent.
func (r *run) refuse(index int, key string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.count(Failure{Index: index, Key: key, Outcome: NotSent, Err: err}, r.limit)
}

// finish sends what is left, waits, and returns the report.
func (r *run) finish() (Report, error) {
	for _, g := range r.groups {
		r.dispatch(g)
	}
	return r.wait()
}

func (r *run) wait() (Report, error) {
	r.crew.Wait()
	r.crew.Check()
	r.report.trim(r.limit)
	r.report.Elapsed = time.Since(r.begun)
	r.store()
	cause := r.ctx.Err()
	if r.report.ok() && (cause == nil || !r.cut()) {
		return r.report, nil
	}
	return r.report, &BatchError{Report: r.report, op: r.op, cause: cause}
}

// cut says whether the end of the context may have left items behind. A context
// that ends when all is done is no error.
func (r *run) cut() bool { return r.report.NotSent+r.report.Unknown > 0 || r.left }

// send sends a chunk, again where it may, and counts what became of it.
func (r *run) send(c *chunk) {
	if r.ordered {
		r.mu.Lock()
		broken := c.group.broken
		r.mu.Unlock()
		if broken != nil {
			r.drop(c, broken)
			return
		}
	}
	if err := r.ctx.Err(); err != nil {
		r.drop(c, err)
		return
	}
	r.build(c)
	outcomes := r.first(c)
	if outcomes == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.report.Attempts = max(r.report.Attempts, 1)
		r.report.Applied += len(c.keys)
		return
	}
	attempts := 1
	if clean(outcomes) {
		r.tally(c, attempts, func(int) (Outcome, bool) { return Applied, false })
		return
	}
	states := make([]state, len(c.cmds))
	var open []int
	for i, o := range outcomes {
		states[i].outcome = o
		states[i].tried = o == once.Unknown
		if r.again && retryable(o, c.cmds[i].Err()) {
			open = append(open, i)
		}
	}
	for ; len(open) > 0 && attempts <= r.b.opts.Retries; attempts++ {
		if once.Sleep(r.ctx, pause(attempts)) != nil {
			break
		}
		open = c.withFollowers(open, states)
		open = r.resend(c, open, states)
	}
	r.tally(c, attempts, func(i int) (Outcome, bool) {
		s := states[i]
		o := Outcome(s.outcome)
		if s.tried && o != Applied {
			o = Unknown // an earlier try may have run
		}
		return o, s.tried
	})
}

// first sends a chunk for the first time. It returns nil if all of it was applied.
func (r *run) first(c *chunk) []once.Outcome {
	if len(c.slab) == 0 {
		return r.exec(c)
	}
	outcomes := c.batch.ExecStatus(r.ctx, r.b.rdb, c.slab)
	if outcomes != nil {
		for i := range c.slab {
			c.cmds = append(c.cmds, &c.slab[i])
		}
	}
	return outcomes
}

// exec sends the commands of a chunk once. A ClusterClient refuses a whole batch,
// unsent, because of one command that it cannot put into it, such as DBSIZE: the
// others then go without it.
func (r *run) exec(c *chunk) []once.Outcome {
	outcomes := c.batch.Exec(r.ctx, r.b.rdb, c.cmds)
	first := once.Unpipelined(c.cmds[0].Err())
	if first == "" {
		return outcomes
	}
	outcomes = slices.Clone(outcomes)
	left := c.cmds
	at := make([]int, len(left))
	for i := range at {
		at[i] = i
	}
	for bad := first; bad != ""; {
		var cmds []redis.Cmder
		var index []int
		for k, cmd := range left {
			if strings.EqualFold(cmd.Name(), bad) {
				cmd.SetErr(fmt.Errorf("%s cannot be in a batch on a cluster: %w", strings.ToUpper(bad), ErrUnsupported))
				continue
			}
			cmd.SetErr(nil)
			cmds = append(cmds, cmd)
			index = append(index, at[k])
		}
		if len(cmds) == 0 || len(cmds) == len(left) {
			break
		}
		for k, o := range c.batch.Exec(r.ctx, r.b.rdb, cmds) {
			outcomes[index[k]] = o
		}
		left, at = cmds, index
		bad = once.Unpipelined(left[0].Err())
	}
	return outcomes
}

// state is what is known of an item of a chunk that did not go well at once.
type state struct {
	outcome once.Outcome
	tried   bool // it was sent before, and not answered
}

// withFollowers adds the items behind an open one of the same key: they were
// overtaken, and have to be last again.
func (c *chunk) withFollowers(open []int, states []state) []int {
	keys := make(map[string]struct{}, len(open))
	all := make([]int, 0, len(open))
	next := 0
	for i, key := range c.keys {
		if next < len(open) && open[next] == i {
			next++
			keys[key] = struct{}{}
			all = append(all, i)
			continue
		}
		if _, ok := keys[key]; ok && states[i].outcome == once.Applied {
			states[i].tried = true
			all = append(all, i)
		}
	}
	return all
}

// resend sends the open items again and returns those that are still open.
func (r *run) resend(c *chunk, open []int, states []state) []int {
	cmds := make([]redis.Cmder, len(open))
	for k, i := range open {
		c.cmds[i] = renew(r.ctx, c.cmds[i])
		cmds[k] = c.cmds[i]
	}
	outcomes := c.batch.Exec(r.ctx, r.b.rdb, cmds)
	var still []int
	for k, i := range open {
		s := &states[i]
		s.outcome = outcomes[k]
		s.tried = s.tried || s.outcome == once.Unknown
		if retryable(outcomes[k], cmds[k].Err()) {
			still = append(still, i)
		}
	}
	return still
}

// drop counts a chunk that is not sent. A command that somebody will look at must
// not seem to be answered.
func (r *run) drop(c *chunk, err error) {
	for _, cmd := range c.cmds {
		cmd.SetErr(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, key := range c.keys {
		r.report.count(Failure{Index: c.index[i], Key: key, Outcome: NotSent, Err: err}, r.limit)
	}
}

// tally counts a chunk.
func (r *run) tally(c *chunk, attempts int, outcome func(i int) (o Outcome, tried bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Attempts = max(r.report.Attempts, attempts)
	for i, cmd := range c.cmds {
		o, tried := outcome(i)
		if o == Applied {
			switch r.judge(cmd, tried) {
			case applied:
				r.report.Applied++
				if r.got != nil {
					r.got(c, i)
				}
				continue
			case missing:
				r.report.Missing++
				continue
			case skipped:
				r.report.Skipped++
				continue
			default:
				o = Unknown
			}
		}
		err := cmd.Err()
		if err == nil || errors.Is(err, redis.Nil) {
			err = errEarlier
		}
		r.report.count(Failure{Index: c.index[i], Key: c.keys[i], Outcome: o, Err: err}, r.limit)
		if r.ordered && c.group.broken == nil && (o == Unknown || o == NotSent && !errors.Is(err, ErrUnsupported)) {
			c.group.broken = err
		}
	}
}

// errEarlier stands for the error of an earlier try, whose work cannot be told
// from that of a later one.
var errEarlier = errors.New("an earlier try was not answered")

// clean says whether all outcomes are Applied.
func clean(outcomes []once.Outcome) bool {
	for _, o := range outcomes {
		if o != once.Applied {
			return false
		}
	}
	return true
}

// retryable says whether sending again may help.
func retryable(o once.Outcome, err error) bool {
	switch o {
	case once.Unknown:
		return true
	case once.NotSent:
		return !errors.Is(err, once.ErrEncode) && !errors.Is(err, redis.ErrClosed) &&
			!errors.Is(err, context.Canceled) && once.Code(err) == ""
	case once.Failed:
		switch once.Code(err) {
		case "LOADING", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "NOREPLICAS":
			return true
		}
		return redis.HasErrorPrefix(err, "max number of clients")
	default:
		return false
	}
}

// pause is how long to wait before a try: it doubles, to half a second, and half
// of it is drawn at random.
func pause(attempt int) time.Duration {
	d := min(8*time.Millisecond<<min(attempt, 10), 512*time.Millisecond)
	return d/2 + rand.N(d/2) //nolint:gosec // not a secret
}

// renew returns cmd as new, with the same arguments.
func renew(ctx context.Context, cmd redis.Cmder) redis.Cmder {
	switch cmd := cmd.(type) {
	case *once.Status:
		cmd.Init(ctx, cmd.Args())
		return cmd
	case *redis.IntCmd:
		return redis.NewIntCmd(ctx, cmd.Args()...)
	default:
		return redis.NewCmd(ctx, cmd.Args()...)
	}
}

// groupOf returns the group of the node that has key.
func (r *run) groupOf(key string) *group {
	n := r.router.node(r.ctx, r.b, key)
	for len(r.groups) <= n {
		workers := r.b.opts.Workers
		if r.ordered {
			workers = 1
		}
		r.groups = append(r.groups, &group{slots: make(chan struct{}, workers)})
	}
	return r.groups[n]
}

// router tells which keys belong together because one node has them, by the
// client's own view of the cluster. A stale view costs a redirection and a less
// even spread, nothing else. 0 is everything that it cannot tell.
type router struct {
	bySlot map[uint16]int
	nodes  map[*redis.Client]int
	blind  bool
}

func (t *router) node(ctx context.Context, b *Batcher, key string) int {
	client, ok := b.rdb.(*redis.ClusterClient)
	if !ok || t.blind {
		return 0
	}
	s := slot(key)
	if n, ok := t.bySlot[s]; ok {
		return n
	}
	if t.bySlot == nil {
		t.bySlot, t.nodes = map[uint16]int{}, map[*redis.Client]int{}
	}
	node, err := client.MasterForKey(ctx, key)
	if err != nil {
		t.blind = len(t.nodes) == 0 // the cluster was never seen: do not ask for each key
		t.bySlot[s] = 0             // and keep the keys of a slot together, in their order
		return 0
	}
	n, ok := t.nodes[node]
	if !ok {
		n = len(t.nodes) + 1
		t.nodes[node] = n
	}
	t.bySlot[s] = n
	return n
}
