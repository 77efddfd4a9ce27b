package warmup

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"
)

// Item is one key and its value.
type Item struct {
	// Key is where the value is stored. It may hold any bytes, and is not empty.
	Key string
	// Value is what is stored, by Options.Codec. nil: Load is asked. A nil
	// pointer is nil, too.
	Value any
	// TTL is how long the item lives, a millisecond or more; Options.Jitter
	// applies. 0: Options.TTL. -1: for ever.
	TTL time.Duration
	// Priority says what is stored first: the higher. Items of the same priority
	// keep their order.
	Priority int
	// Load makes the value if Value is nil. It may be called from several
	// goroutines at the same time, and again by a later run. If it returns
	// [ErrNotFound], the item is skipped; a panic is its error. Its context
	// ends when the run stops.
	Load func(context.Context) (any, error)
}

// Source is where items come from. The zero value is refused by [Warmer.Run].
type Source struct {
	name  string // for the checkpoint; "" where a run cannot be resumed
	total int64
	// open begins; stable asks for an order that is the same each time.
	open func(ctx context.Context, stable bool) iter.Seq2[Item, error]
}

// window is how many items of a sequence are sorted by their priorities together.
const window = 4096

// FromMap returns a source of the values of m by their keys, in the order of the
// keys if there is a checkpoint, and in any order if not. A value that is an [Item]
// gives the time to live, the priority or the loader of its key, too; the highest
// priorities come first. Do not change m during a run.
func FromMap(m map[string]any) Source {
	return Source{name: "map", total: int64(len(m)), open: func(_ context.Context, stable bool) iter.Seq2[Item, error] {
		first, same := 0, true // sorting costs more than storing
		begun := false
		for _, value := range m {
			it, _ := value.(Item) // another value has the priority 0
			if !begun {
				first, begun = it.Priority, true
			}
			same = same && it.Priority == first
		}
		if same && !stable {
			return func(yield func(Item, error) bool) {
				for key, value := range m {
					if !yield(itemOf(key, value), nil) {
						return
					}
				}
			}
		}
		items := make([]Item, 0, len(m))
		for key, value := range m {
			items = append(items, itemOf(key, value))
		}
		slices.SortFunc(items, func(a, b Item) int {
			return cmp.Or(cmp.Compare(b.Priority, a.Priority), strings.Compare(a.Key, b.Key))
		})
		return all(items)
	}}
}

// itemOf is the item of a value of a map.
func itemOf(key string, value any) Item {
	if it, ok := value.(Item); ok {
		it.Key = key
		return it
	}
	return Item{Key: key, Value: value}
}

// all are the items of a slice.
func all(items []Item) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for i := range items {
			if !yield(items[i], nil) {
				return
			}
		}
	}
}

// FromSlice returns a source of items, those with the highest priorities first.
// Do not change items during a run.
func FromSlice(items []Item) Source {
	return Source{name: "slice", total: int64(len(items)), open: func(context.Context, bool) iter.Seq2[Item, error] {
		order := items
		if !samePriority(items) {
			order = slices.Clone(items)
			sortByPriority(order, func(it Item) int { return it.Priority })
		}
		return all(order)
	}}
}

// FromSeq returns a source of the items of a sequence, which may be endless and is
// ranged over once a run. name tells the sequence from others in a checkpoint;
// total is how many items it has, for the progress, and -1 if that is not known.
//
// A run that goes on with a checkpoint takes the items again from the beginning and
// leaves those out that were done, without their Load: so their order must be the
// same each time (ORDER BY). Up to 4,096 items are taken ahead and sorted by their
// priorities, so give large values by Load.
//
// An error that comes with an item is that item's. An error without a key that
// comes last is the source's: what came before is stored, and the run returns it
// as an [ErrSource].
func FromSeq(name string, total int64, items iter.Seq2[Item, error]) Source {
	if items == nil {
		return Source{}
	}
	name = strings.ToValidUTF8(name, "\ufffd") // as it is in a checkpoint
	return Source{name: "seq:" + name, total: max(total, -1), open: func(context.Context, bool) iter.Seq2[Item, error] {
		return windows(items)
	}}
}

// FromFunc returns a source whose keys are ids and whose values are what load
// returns for them, of which Options.Workers are loaded at the same time. If load
// returns [ErrNotFound], the id is skipped. ids is ranged over once a run; for
// checkpoints its order must be the same each time.
func FromFunc(ids iter.Seq[string], load func(ctx context.Context, id string) (any, error)) Source {
	if ids == nil || load == nil {
		return Source{}
	}
	return Source{name: "func", total: -1, open: func(context.Context, bool) iter.Seq2[Item, error] {
		return func(yield func(Item, error) bool) {
			for id := range ids {
				if !yield(Item{Key: id, Load: func(ctx context.Context) (any, error) { return load(ctx, id) }}, nil) {
					return
				}
			}
		}
	}}
}

func samePriority(items []Item) bool {
	for i := range items {
		if items[i].Priority != items[0].Priority {
			return false
		}
	}
	return true
}

// sortByPriority sorts by falling priority, and keeps the order otherwise.
func sortByPriority[T any](all []T, priority func(T) int) {
	slices.SortStableFunc(all, func(a, b T) int {
		pa, pb := priority(a), priority(b)
		switch {
		case pa > pb:
			return -1
		case pa < pb:
			return 1
		default:
			return 0
		}
	})
}

// ranked is what a sequence yielded.
type ranked struct {
	Item

	err error
}

// windows sorts a sequence by priority, a window at a time. A window that is begun
// when the sequence ends is yielded, too.
func windows(items iter.Seq2[Item, error]) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		var taken []ranked
		flush := func() bool {
			for _, it := range taken {
				if it.Priority != taken[0].Priority {
					sortByPriority(taken, func(it ranked) int { return it.Priority })
					break
				}
			}
			for i := range taken {
				if !yield(taken[i].Item, taken[i].err) {
					return false
				}
			}
			clear(taken)
			taken = taken[:0]
			return true
		}
		var last *ranked // an error without a key, which may be the sequence's last word
		for it, err := range items {
			if last != nil {
				taken = append(taken, *last)
				last = nil
			}
			if len(taken) >= window && !flush() {
				return
			}
			if err != nil && it.Key == "" {
				last = &ranked{it, err}
				continue
			}
			taken = append(taken, ranked{it, err})
		}
		if flush() && last != nil {
			yield(last.Item, last.err)
		}
	}
}
