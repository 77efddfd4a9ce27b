package monitor

import "slices"

// ranking keeps the first of what is added to it, each once. What is added is sorted in batches, so that even a long list
// costs little more than a comparison an addition.
type ranking[T any] struct {
	top   int
	order func(a, b T) int
	id    func(T) keyID

	list []T // what was left by the last cut, and what was added since
	full bool
}

// keyID is a key of a node.
type keyID struct{ name, node string }

func (r *ranking[T]) add(v T) {
	if r.full && r.order(r.list[r.top-1], v) <= 0 {
		return
	}
	r.list = append(r.list, v)
	if len(r.list) >= 2*r.top+64 {
		r.cut()
	}
}

// cut sorts the list, and leaves its top.
func (r *ranking[T]) cut() []T {
	slices.SortFunc(r.list, r.order)
	ids := make(map[keyID]struct{}, len(r.list))
	r.list = slices.DeleteFunc(r.list, func(v T) bool {
		id := r.id(v)
		_, twice := ids[id]
		ids[id] = struct{}{}
		return twice
	})
	r.full = len(r.list) >= r.top
	if r.full {
		clear(r.list[r.top:])
		r.list = r.list[:r.top]
	}
	return r.list
}
