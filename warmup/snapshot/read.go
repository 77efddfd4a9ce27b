package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// reader reads keys of one node. Each worker has its own; what a server cannot do is found out by trying, once.
type reader struct {
	*dumper
	conn    conn
	cluster conn     // follows redirections; nil where there are none, or where conn does
	others  []string // keys of this node that it does not serve, since their slot is moving

	noExpireTime bool // PEXPIRETIME needs Redis 7.0
	noMemory     bool // MEMORY USAGE may be denied
	noFieldTTL   bool // expiries of hash fields need Redis 7.4

	longStrings bool // the last chunk had many: their lengths are asked for at once
	guess       guess
}

// guess says whether keys are taken for strings without asking: when all of the last chunk were. Each wrong guess, which
// a server counts as an error, makes the next one wait for longer.
type guess struct {
	strings bool // all of the last chunk
	wait    int  // chunks
	pause   int
}

func (g *guess) right() bool {
	if g.wait > 0 {
		g.wait--
		return false
	}
	return g.strings
}

func (g *guess) wrong() {
	g.pause = min(max(8, 2*g.pause), 1<<20)
	g.wait, g.strings = g.pause, false
}

// What PEXPIRETIME says of a key without an expiry, and of none.
const (
	noExpiry = -1
	noKey    = -2
)

// key is what the first look at a key told.
type key struct {
	name   string
	typ    string
	expiry int64 // milliseconds since 1970, noExpiry or noKey
	bytes  int64 // unsized: a string that may turn out to be short
}

const (
	unsized = -1
	// shortBytes is up to which length a string is read without asking for its length: a chunk of such stays within
	// chunkBytes. One that is read up to there, and may go on, is read once more.
	shortBytes = 2 << 10
)

// tries is how often a key that changes under the reader's hands is read before it is read in a transaction.
const tries = 2

// chunk dumps some keys. Its error ends the node; what is one key's own is counted.
func (r *reader) chunk(ctx context.Context, names []string) error {
	if err := r.served(ctx, names); err != nil || len(r.others) == 0 {
		return err
	}
	// A slot is on its way here or from here: whoever follows redirections gets the keys.
	others := r.others
	r.others = nil
	if r.cluster == nil {
		return fmt.Errorf("key %s: its slot is another node's", quote(others[0]))
	}
	return (&reader{dumper: r.dumper, conn: r.cluster}).chunk(ctx, others)
}

// served dumps the keys that the node serves.
func (r *reader) served(ctx context.Context, names []string) error {
	if r.guess.right() && !r.longStrings && !r.noExpireTime && r.opts.wants("string") {
		keys := make([]key, len(names))
		for i, name := range names {
			keys[i] = key{name: name, typ: "string", bytes: unsized}
		}
		return r.values(ctx, keys, tries, true)
	}
	looked, err := r.look(ctx, names)
	if err != nil {
		return err
	}
	r.guess.strings = !slices.ContainsFunc(looked, func(k key) bool { return k.typ != "string" }) && len(looked) > 0
	return r.sized(ctx, looked, tries)
}

// sized dumps keys by their sizes: in pieces, or as many at once as chunkBytes allows.
func (r *reader) sized(ctx context.Context, keys []key, left int) error {
	var small []key
	var bytes int64
	flush := func() error {
		err := r.values(ctx, small, left, false)
		small, bytes = small[:0], 0
		return err
	}
	for _, k := range keys {
		switch {
		case r.inPieces(k):
			if err := r.large(ctx, k); err != nil {
				return err
			}
			continue
		case bytes > 0 && bytes+k.bytes > chunkBytes:
			if err := flush(); err != nil {
				return err
			}
		}
		small = append(small, k)
		bytes += max(k.bytes, 0)
	}
	return flush()
}

// inPieces says whether a key is too large to be read at once, and of a type that can be read otherwise.
func (r *reader) inPieces(k key) bool {
	if k.bytes <= r.opts.MaxKeyBytes {
		return false
	}
	switch k.typ {
	case "string", "list", "set", "zset", "hash":
		return true
	}
	return false
}

// look asks for the type and the expiry of each key, and the sizes of those that may be large: two round trips, one where
// there are strings alone, more where the server cannot do that.
func (r *reader) look(ctx context.Context, names []string) ([]key, error) {
	had := len(r.others)
	for {
		looked, again, err := r.lookOnce(ctx, names)
		if err != nil {
			return nil, err
		}
		if !again {
			return looked, r.sizes(ctx, looked)
		}
		r.others = r.others[:had]
	}
}

func (r *reader) lookOnce(ctx context.Context, names []string) (looked []key, again bool, err error) {
	pipe := r.conn.Pipeline()
	// In slabs: a command of its own for each would cost more than its reply.
	types := make([]redis.StatusCmd, len(names))
	args := make([]any, 0, 2*len(names))
	expiries := r.expiries(len(names))
	for i := range names {
		args = append(args, "type", &names[i])
		types[i] = *redis.NewStatusCmd(ctx, args[2*i:2*i+2:2*i+2]...)
		_ = pipe.Process(ctx, &types[i])
		expiries.ask(ctx, pipe, i, &names[i])
	}
	if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
		return nil, false, fmt.Errorf("reading types: %w", err)
	}
	looked = make([]key, 0, len(names))
	for i, name := range names {
		typ, err := types[i].Result()
		if moved(err) {
			r.others = append(r.others, name)
			continue
		}
		k := key{name: name, typ: typ}
		var noExpiry error
		if k.expiry, noExpiry = expiries.result(i); noExpiry != nil {
			if !r.noExpireTime && unknown(noExpiry) {
				r.noExpireTime = true
				return nil, true, nil
			}
			return nil, false, fmt.Errorf("expiry of key %s: %w", quote(name), noExpiry)
		}
		if err != nil {
			return nil, false, fmt.Errorf("type of key %s: %w", quote(name), err)
		}
		if k.expiry == noKey || k.typ == "none" {
			r.count(func(s *Summary) { s.Expired++ })
			continue
		}
		if !r.opts.wants(k.typ) {
			r.count(func(s *Summary) { s.Skipped++ })
			continue
		}
		looked = append(looked, k)
	}
	return looked, false, nil
}

// sizes asks how large keys are, but for strings, which are bounded as they are read.
func (r *reader) sizes(ctx context.Context, keys []key) error {
	var ask []int
	for i, k := range keys {
		if keys[i].bytes = 0; k.typ == "string" && !r.longStrings {
			keys[i].bytes = unsized
			continue
		}
		ask = append(ask, i)
	}
	for len(ask) > 0 {
		pipe := r.conn.Pipeline()
		cmds := make([]*redis.IntCmd, len(ask))
		for n, i := range ask {
			switch {
			case keys[i].typ == "string":
				cmds[n] = pipe.StrLen(ctx, keys[i].name)
			case !r.noMemory:
				cmds[n] = pipe.MemoryUsage(ctx, keys[i].name)
			default:
				cmds[n] = length(ctx, pipe, keys[i].typ, keys[i].name)
			}
		}
		if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
			return fmt.Errorf("reading sizes: %w", err)
		}
		again := false
		for n, i := range ask {
			if cmds[n] == nil {
				continue
			}
			size, err := cmds[n].Result()
			switch {
			case err == nil && (keys[i].typ == "string" || !r.noMemory):
				keys[i].bytes = size
			case err == nil:
				keys[i].bytes = size * bytesAnElement
			case keys[i].typ != "string" && !r.noMemory && !errors.Is(err, redis.Nil) && !moved(err):
				again = true // MEMORY USAGE is denied
			}
		}
		if !again {
			return nil
		}
		r.noMemory = true
	}
	return nil
}

// bytesAnElement is what an element is taken for where the server tells no sizes.
const bytesAnElement = 100

func length(ctx context.Context, c redis.Cmdable, typ, name string) *redis.IntCmd {
	switch typ {
	case "string":
		return c.StrLen(ctx, name)
	case "list":
		return c.LLen(ctx, name)
	case "set":
		return c.SCard(ctx, name)
	case "zset":
		return c.ZCard(ctx, name)
	case "hash":
		return c.HLen(ctx, name)
	case "stream":
		return c.XLen(ctx, name)
	}
	return nil
}

// expiry asks when a key expires. Before Redis 7.0 the server tells only for how long it still lives.
func (r *reader) expiry(ctx context.Context, pipe redis.Pipeliner, name string) func() (int64, error) {
	return expiryOf(ctx, pipe, name, r.noExpireTime)
}

func expiryOf(ctx context.Context, pipe redis.Pipeliner, name string, relative bool) func() (int64, error) {
	if !relative {
		cmd := redis.NewIntCmd(ctx, "pexpiretime", name)
		_ = pipe.Process(ctx, cmd)
		return cmd.Result
	}
	now := pipe.Time(ctx)
	left := redis.NewIntCmd(ctx, "pttl", name)
	_ = pipe.Process(ctx, left)
	return func() (int64, error) {
		n, err := left.Result()
		if err != nil || n < 0 {
			return n, err
		}
		at, err := now.Result()
		return at.UnixMilli() + n, err
	}
}

// expiries asks for the expiries of many keys.
type expiries struct {
	relative bool
	cmds     []redis.IntCmd
	args     []any
	left     []func() (int64, error)
}

func (r *reader) expiries(n int) *expiries {
	if r.noExpireTime {
		return &expiries{relative: true, left: make([]func() (int64, error), n)}
	}
	return &expiries{cmds: make([]redis.IntCmd, n), args: make([]any, 2*n)}
}

func (e *expiries) ask(ctx context.Context, pipe redis.Pipeliner, i int, name *string) {
	if e.relative {
		e.left[i] = expiryOf(ctx, pipe, *name, true)
		return
	}
	args := e.args[2*i : 2*i+2 : 2*i+2]
	args[0], args[1] = "pexpiretime", name
	e.cmds[i] = *redis.NewIntCmd(ctx, args...)
	_ = pipe.Process(ctx, &e.cmds[i])
}

func (e *expiries) result(i int) (int64, error) {
	if e.relative {
		return e.left[i]()
	}
	return e.cmds[i].Result()
}

// reading is a key whose value was asked for.
type reading struct {
	key    key
	rec    *record
	fill   func(*record) error // takes the replies
	expiry func() (int64, error)
}

// values dumps small keys: their values, and once more their expiries. Where an expiry is the one that was seen before,
// value and expiry are of one moment; otherwise the key is read again, in the end within a transaction. Of keys that are
// taken for strings nothing was seen before: their expiries are asked for twice.
func (r *reader) values(ctx context.Context, keys []key, left int, guessed bool) error {
	if len(keys) == 0 {
		return nil
	}
	pipe := r.conn.Pipeline()
	readings := make([]reading, len(keys))
	times := r.expiries(len(keys))
	short := r.shorts(keys)
	var before *expiries
	if guessed {
		before = r.expiries(len(keys))
	}
	for i := range keys {
		if guessed {
			before.ask(ctx, pipe, i, &keys[i].name)
		}
		if keys[i].bytes == unsized {
			readings[i] = reading{key: keys[i], fill: short.ask(ctx, pipe, &keys[i].name)}
		} else {
			readings[i] = r.ask(ctx, pipe, keys[i])
		}
		times.ask(ctx, pipe, i, &keys[i].name)
		readings[i].expiry = func() (int64, error) { return times.result(i) }
	}
	if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
		return fmt.Errorf("reading values: %w", err)
	}
	var changed []string
	var long []key
	rec := record{elements: make([]string, 1)} // of the short strings, one after the other
	wrong := false
	for i, got := range readings {
		if guessed {
			at, err := before.result(i)
			if moved(err) {
				r.others = append(r.others, got.key.name)
				continue
			}
			if err != nil {
				return fmt.Errorf("expiry of key %s: %w", quote(got.key.name), err)
			}
			got.key.expiry = at
			wrong = wrong || isCode(short.cmds[i].Err(), "WRONGTYPE")
		}
		if got.rec == nil {
			rec = record{typ: typeString, key: got.key.name, elements: rec.elements[:1]}
			got.rec = &rec
		}
		again, err := r.settle(got)
		switch {
		case errors.Is(err, errLong):
			long = append(long, got.key)
		case err != nil:
			return err
		case again:
			changed = append(changed, got.key.name)
		}
	}
	if wrong {
		r.guess.wrong()
	}
	if asked := len(short.cmds); asked > 0 {
		r.longStrings = len(long) > asked/8
	}
	if len(long) > 0 {
		if err := r.long(ctx, long, left); err != nil {
			return err
		}
	}
	if len(changed) == 0 {
		return nil
	}
	looked, err := r.look(ctx, changed)
	if err != nil {
		return err
	}
	if left > 1 {
		return r.sized(ctx, looked, left-1)
	}
	for _, k := range looked {
		if err := r.transaction(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// long dumps strings that turned out not to be short.
func (r *reader) long(ctx context.Context, keys []key, left int) error {
	pipe := r.conn.Pipeline()
	lengths := make([]*redis.IntCmd, len(keys))
	for i, k := range keys {
		lengths[i] = pipe.StrLen(ctx, k.name)
	}
	if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
		return fmt.Errorf("reading sizes: %w", err)
	}
	for i := range keys {
		keys[i].bytes = lengths[i].Val() // what became of the key otherwise, reading it will show
	}
	return r.sized(ctx, keys, left)
}

// shorts reads strings that may be short.
type shorts struct {
	cmds []redis.StringCmd
	args []any
	next int
}

func (r *reader) shorts(keys []key) *shorts {
	n := 0
	for _, k := range keys {
		if k.bytes == unsized {
			n++
		}
	}
	return &shorts{cmds: make([]redis.StringCmd, n), args: make([]any, 4*n)}
}

func (s *shorts) ask(ctx context.Context, pipe redis.Pipeliner, name *string) func(*record) error {
	i := s.next
	s.next++
	args := s.args[4*i : 4*i+4 : 4*i+4]
	args[0], args[1], args[2], args[3] = "getrange", name, 0, shortBytes
	cmd := &s.cmds[i]
	*cmd = *redis.NewStringCmd(ctx, args...)
	_ = pipe.Process(ctx, cmd)
	return func(rec *record) error {
		v, err := cmd.Result()
		if err == nil && len(v) > shortBytes {
			return errLong
		}
		rec.elements[0] = v // of a key that is gone, too: its expiry says so
		return err
	}
}

// transaction reads a key that keeps changing: value and expiry in one MULTI, or in pieces where it is too large.
func (r *reader) transaction(ctx context.Context, k key) error {
	for range 100 {
		if k.bytes == unsized {
			n, err := r.conn.StrLen(ctx, k.name).Result()
			if err != nil && !isCode(err, "WRONGTYPE") {
				return fmt.Errorf("reading key %s: %w", quote(k.name), err)
			}
			k.bytes = n
		}
		var again bool
		var err error
		if r.inPieces(k) {
			again, err = r.inOrder(ctx, k)
		} else {
			again, err = r.inTransaction(ctx, k)
		}
		if err != nil || !again {
			return err
		}
		looked, err := r.look(ctx, []string{k.name}) // its type changed
		if err != nil || len(looked) == 0 {
			return err
		}
		k = looked[0]
	}
	r.count(func(s *Summary) { s.fail(k.name, errors.New("it changes its type all the time")) })
	return nil
}

func (r *reader) inTransaction(ctx context.Context, k key) (again bool, err error) {
	pipe := r.conn.TxPipeline()
	got := r.ask(ctx, pipe, k)
	got.expiry = r.expiry(ctx, pipe, k.name)
	if _, err := pipe.Exec(ctx); err != nil && !isReply(err) {
		return false, fmt.Errorf("reading key %s: %w", quote(k.name), err)
	}
	if got.key.expiry, err = got.expiry(); err != nil {
		return false, fmt.Errorf("expiry of key %s: %w", quote(k.name), err)
	}
	return r.settle(got)
}

// settle writes what was read, or says that the key has to be read again.
func (r *reader) settle(got reading) (again bool, err error) {
	k := got.key
	expiry, err := got.expiry()
	if moved(err) {
		r.others = append(r.others, k.name)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("expiry of key %s: %w", quote(k.name), err)
	}
	err = got.fill(got.rec)
	switch {
	case moved(err):
		r.others = append(r.others, k.name)
		return false, nil
	case err == nil && expiry == noKey, errors.Is(err, errGone) && expiry == noKey:
		r.count(func(s *Summary) { s.Expired++ })
		return false, nil
	case errors.Is(err, errGone), errors.Is(err, errAgain), isCode(err, "WRONGTYPE"):
		return true, nil
	case errors.Is(err, errLong):
		return false, err
	case err != nil:
		r.count(func(s *Summary) { s.fail(k.name, err) })
		return false, nil
	case !r.same(expiry, k.expiry):
		return true, nil
	}
	if expiry > 0 {
		got.rec.expiry = expiry
	}
	return false, r.write(got.rec)
}

// same compares expiries; those that were reckoned from what is left differ by what passed between two commands.
func (r *reader) same(a, b int64) bool {
	if a == b {
		return true
	}
	if !r.noExpireTime || a < 0 || b < 0 {
		return false
	}
	const slack = int64(time.Second / time.Millisecond)
	return a-b < slack && b-a < slack
}

var (
	errGone  = errors.New("the key is gone")
	errAgain = errors.New("the key has to be read again")
	errLong  = errors.New("the string is not short")
)

// ask queues the commands that read a key's value and its expiry.
func (r *reader) ask(ctx context.Context, pipe redis.Pipeliner, k key) reading {
	got := reading{key: k, rec: &record{key: k.name}}
	switch k.typ {
	case "string":
		cmd := pipe.Get(ctx, k.name)
		got.rec.typ = typeString
		got.fill = func(rec *record) error {
			v, err := cmd.Result()
			if errors.Is(err, redis.Nil) {
				return errGone
			}
			rec.elements = []string{v}
			return err
		}
	case "list":
		cmd := pipe.LRange(ctx, k.name, 0, -1)
		got.rec.typ = typeList
		got.fill = elements(cmd.Result)
	case "set":
		cmd := pipe.SMembers(ctx, k.name)
		got.rec.typ = typeSet
		got.fill = elements(cmd.Result)
	case "zset":
		cmd := pipe.ZRangeWithScores(ctx, k.name, 0, -1)
		got.rec.typ = typeZSet
		got.fill = func(rec *record) error {
			all, err := cmd.Result()
			if err != nil {
				return err
			}
			for _, z := range all {
				member, ok := z.Member.(string)
				if !ok {
					return fmt.Errorf("a member of type %T", z.Member)
				}
				rec.elements = append(rec.elements, member, formatScore(z.Score))
			}
			return some(rec)
		}
	case "hash":
		r.askHash(ctx, pipe, &got)
	case "stream":
		r.askStream(ctx, pipe, &got)
	default:
		cmd := pipe.Dump(ctx, k.name)
		got.rec.typ, got.rec.name = typeDumped, k.typ
		got.fill = func(rec *record) error {
			var err error
			if rec.payload, err = cmd.Result(); errors.Is(err, redis.Nil) {
				return errGone
			}
			return err
		}
	}
	return got
}

// elements takes the reply of a command that lists them.
func elements(result func() ([]string, error)) func(*record) error {
	return func(rec *record) error {
		var err error
		if rec.elements, err = result(); err != nil {
			return err
		}
		return some(rec)
	}
}

// some says that a key is gone that has no elements: Redis keeps no empty ones.
func some(rec *record) error {
	if len(rec.elements) == 0 {
		return errGone
	}
	return nil
}

func formatScore(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// askHash reads the fields, and where the server has such, when they expire.
func (r *reader) askHash(ctx context.Context, pipe redis.Pipeliner, got *reading) {
	name := got.key.name
	if r.noFieldTTL {
		cmd := redis.NewMapStringStringCmd(ctx, "hgetall", name)
		_ = pipe.Process(ctx, cmd)
		got.rec.typ = typeHash
		got.fill = func(rec *record) error {
			if err := hashElements(cmd, rec); err != nil {
				return err
			}
			return some(rec)
		}
		return
	}
	// HPEXPIRETIME wants the fields named: a script reads both at one moment.
	both := pipe.Eval(ctx, hashScript, []string{name}, time.Now().UnixMilli())
	got.rec.typ = typeHash
	got.fill = func(rec *record) error {
		reply, err := both.Slice()
		if err != nil {
			if strings.Contains(err.Error(), noFieldExpiry) || isCode(err, "NOPERM") || unknown(err) {
				r.noFieldTTL = true
				return errAgain
			}
			return err
		}
		return fieldElements(reply, rec)
	}
}

func hashElements(cmd *redis.MapStringStringCmd, rec *record) error {
	all, err := cmd.Result()
	rec.elements = make([]string, 0, 2*len(all))
	for field, value := range all {
		rec.elements = append(rec.elements, field, value)
	}
	return err
}

// fieldElements takes field, value, expiry of the script's reply.
func fieldElements(reply []any, rec *record) error {
	if len(reply)%3 != 0 {
		return fmt.Errorf("a reply of %d parts", len(reply))
	}
	all := make([]string, 0, len(reply))
	expiring := false
	for i := 0; i < len(reply); i += 3 {
		field, ok1 := reply[i].(string)
		value, ok2 := reply[i+1].(string)
		at, ok3 := reply[i+2].(string)
		n, err := strconv.ParseInt(at, 10, 64)
		if !ok1 || !ok2 || !ok3 || err != nil {
			return errors.New("a reply of another kind")
		}
		if n < 0 {
			at = "0"
		} else if n > 0 {
			expiring = true
		}
		all = append(all, field, value, at)
	}
	if expiring {
		rec.typ, rec.elements = typeHashTTL, all
		return some(rec)
	}
	rec.typ, rec.elements = typeHash, make([]string, 0, len(all)/3*2)
	for i := 0; i < len(all); i += 3 {
		rec.elements = append(rec.elements, all[i], all[i+1])
	}
	return some(rec)
}

// askStream reads a stream whole: what DUMP gives, and what can be compared.
func (r *reader) askStream(ctx context.Context, pipe redis.Pipeliner, got *reading) {
	name := got.key.name
	dumped := pipe.Dump(ctx, name)
	logical := askStream(ctx, pipe, name)
	got.rec.typ = typeStream
	got.fill = func(rec *record) error {
		s, err := logical()
		if err != nil {
			return err
		}
		switch rec.payload, err = dumped.Result(); {
		case errors.Is(err, redis.Nil):
			return errGone
		case isReply(err) && !moved(err) && r.opts.PortableStreams:
			rec.payload = "" // the entries do
		case err != nil:
			return err
		}
		s.portable = r.opts.PortableStreams
		rec.stream = s
		return nil
	}
}

// askStream queues what tells the logical content of a stream. Replies are taken as they come: go-redis's own types lose
// the order of an entry's fields, and fields that come twice.
func askStream(ctx context.Context, pipe redis.Pipeliner, name string) func() (*stream, error) {
	entries := pipe.Do(ctx, "xrange", name, "-", "+")
	info := pipe.Do(ctx, "xinfo", "stream", name)
	groups := pipe.Do(ctx, "xinfo", "groups", name)
	return func() (*stream, error) {
		all, err := entries.Slice()
		if err != nil {
			return nil, err
		}
		about, err := info.Result()
		if err != nil {
			if strings.Contains(err.Error(), "no such key") {
				return nil, errGone
			}
			return nil, err
		}
		list, err := groups.Slice()
		if err != nil {
			return nil, err
		}
		s := &stream{lastID: lookUp(about, "last-generated-id")}
		for _, e := range all {
			pair, ok := e.([]any)
			if !ok || len(pair) != 2 {
				return nil, fmt.Errorf("an entry of type %T", e)
			}
			values, ok := pair[1].([]any)
			if !ok {
				return nil, fmt.Errorf("an entry's fields of type %T", pair[1])
			}
			one := entry{id: fmt.Sprint(pair[0])}
			for _, v := range values {
				one.values = append(one.values, fmt.Sprint(v))
			}
			s.entries = append(s.entries, one)
		}
		for _, g := range list {
			s.groups = append(s.groups, group{name: lookUp(g, "name"), lastID: lookUp(g, "last-delivered-id")})
		}
		s.digest = s.sum()
		return s, nil
	}
}

// sum is a hash of the logical content.
func (s *stream) sum() string {
	h := sha256.New()
	add := func(text string) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(text)))
		h.Write(n[:])
		h.Write([]byte(text))
	}
	for _, e := range s.entries {
		add(e.id)
		for _, v := range e.values {
			add(v)
		}
	}
	groups := slices.Clone(s.groups)
	slices.SortFunc(groups, func(a, b group) int { return strings.Compare(a.name, b.name) })
	for _, g := range groups {
		add(g.name)
		add(g.lastID)
	}
	return string(h.Sum(nil))
}
