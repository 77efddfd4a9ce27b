package warmup

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Progress says how far a run is.
type Progress struct {
	// Done is how many items were stored, skipped or failed, those of earlier
	// runs included.
	Done int64
	// Total is how many items there are, and -1 if that is not known.
	Total int64
	// Bytes is Report.Bytes until now.
	Bytes int64
	// Errors is how many items failed.
	Errors int
	// Rate is how many items a second this run has done, on the mean.
	Rate float64
	// ETA is how long the rest will take at that rate, and -1 if that is not
	// known.
	ETA time.Duration
	// Last says that the run is over.
	Last bool
}

// teller calls Options.Progress from a goroutine of its own, so that a slow one
// does not hold up the run: it is told the newest progress when it comes back.
type teller struct {
	tell func(Progress)
	log  *slog.Logger
	wake chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	newest Progress
}

func newTeller(ctx context.Context, tell func(Progress), log *slog.Logger) *teller {
	if tell == nil {
		return nil
	}
	t := &teller{tell: tell, log: log, wake: make(chan struct{}, 1)}
	t.wg.Go(func() {
		for range t.wake {
			t.mu.Lock()
			p := t.newest
			t.mu.Unlock()
			t.call(ctx, p)
		}
	})
	return t
}

// call survives a function that panics: it is no part of the work.
func (t *teller) call(ctx context.Context, p Progress) {
	defer func() {
		if v := recover(); v != nil {
			t.log.ErrorContext(ctx, "warmup: Options.Progress panicked", "panic", fmt.Sprint(v))
		}
	}()
	t.tell(p)
}

// update tells p, or something newer, soon.
func (t *teller) update(p Progress) {
	if t == nil {
		return
	}
	t.mu.Lock()
	if p.Done >= t.newest.Done { // chunks overtake each other on their way here
		t.newest = p
	}
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// end tells the last progress and waits for it.
func (t *teller) end(ctx context.Context, p Progress) {
	if t == nil {
		return
	}
	close(t.wake)
	t.wg.Wait()
	p.Last = true
	t.call(ctx, p)
}
