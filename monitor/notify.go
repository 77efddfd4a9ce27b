package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"
)

// Notifier is told of alerts that fire, resolve, or still fire after their rule's Repeat. It gets what waits since it was
// told last, at most 256 alerts, one for each rule and node: the newest.
//
// Each Notifier of a Monitor is called from a goroutine of its own, never twice at once. ctx ends after 30 s. An error or a
// panic has the same alerts told again, with what changed meanwhile, after 1 s at first and 5 min at last; an error with a
// method RetryAfter() time.Duration chooses a longer pause itself, up to 5 min. One that does not return though ctx has
// ended is reported and waited for.
type Notifier interface {
	Notify(ctx context.Context, alerts []Alert) error
}

// NotifierFunc is a function that is a Notifier.
type NotifierFunc func(ctx context.Context, alerts []Alert) error

// Notify calls the function.
func (f NotifierFunc) Notify(ctx context.Context, alerts []Alert) error { return f(ctx, alerts) }

// Log returns a Notifier that writes each alert as one line: critical ones as errors, warnings as warnings, infos and what
// resolved as infos.
func Log(logger *slog.Logger) Notifier { return logNotifier{logger} }

type logNotifier struct{ logger *slog.Logger }

func (l logNotifier) Notify(ctx context.Context, alerts []Alert) error {
	for _, a := range alerts {
		level := slog.LevelInfo
		switch {
		case a.State == Resolved:
		case a.Severity == Critical:
			level = slog.LevelError
		case a.Severity == Warning:
			level = slog.LevelWarn
		}
		l.logger.LogAttrs(ctx, level, "redis alert "+string(a.State), slog.String("rule", a.Rule), slog.String("node", a.Node),
			slog.String("severity", string(a.Severity)), slog.Float64("value", a.Value), slog.Float64("threshold", a.Threshold),
			slog.String("message", a.Message), slog.Time("since", a.Since))
	}
	return nil
}

func checkNotifier(n Notifier) error {
	switch n := n.(type) {
	case nil:
		return errors.New("is nil")
	case NotifierFunc:
		if n == nil {
			return errors.New("is a nil function")
		}
	case logNotifier:
		if n.logger == nil {
			return errors.New("Log has no logger")
		}
	}
	if v := reflect.ValueOf(n); v.Kind() == reflect.Pointer && v.IsNil() {
		return fmt.Errorf("is a nil %T", n)
	}
	return nil
}

const (
	queueLength   = 256
	firstPause    = time.Second
	longestPause  = 5 * time.Minute
	notifyTimeout = 30 * time.Second
	flushTime     = 5 * time.Second
	lastChance    = time.Second // for a notifier whose context has ended, to return
)

var (
	// errHangs is what is reported of a notifier that does not mind its context.
	errHangs = errors.New("does not return though its context has ended")
	// errGone is what is reported of one that ended its goroutine, as FailNow of a test does.
	errGone = errors.New("ended its goroutine")
)

// worker is the queue of one notifier.
type worker struct {
	notifier Notifier
	report   func(error)
	wake     chan struct{}

	mu    sync.Mutex
	queue []Alert
	lost  int // since the last report
}

func newWorker(n Notifier, report func(error)) *worker {
	return &worker{notifier: n, report: report, wake: make(chan struct{}, 1)}
}

// add puts alerts at the end of the queue. One that says something newer of what waits already takes its place.
func (w *worker) add(alerts ...Alert) {
	if len(alerts) == 0 {
		return
	}
	w.mu.Lock()
	for _, a := range alerts {
		w.put(a)
	}
	lost := w.lost
	w.lost = 0
	w.mu.Unlock()
	if lost > 0 {
		w.report(fmt.Errorf("monitor: notifier %s: %d alerts were dropped: more than %d wait", w, lost, queueLength))
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *worker) put(a Alert) {
	if i := slices.IndexFunc(w.queue, func(q Alert) bool { return q.key() == a.key() }); i >= 0 {
		w.queue[i] = a
		return
	}
	w.queue = append(w.queue, a)
	if n := len(w.queue) - queueLength; n > 0 {
		w.queue = slices.Delete(w.queue, 0, n)
		w.lost += n
	}
}

// take empties the queue.
func (w *worker) take() []Alert {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.queue
	w.queue = nil
	return out
}

// back puts what was not delivered before what came since, unless that says something newer of it.
func (w *worker) back(alerts []Alert) {
	w.mu.Lock()
	defer w.mu.Unlock()
	newer := w.queue
	w.queue = nil
	for _, a := range alerts {
		w.put(a)
	}
	for _, a := range newer {
		w.put(a)
	}
}

// run delivers until stop is closed and the queue is empty, or ctx ends.
func (w *worker) run(ctx context.Context, stop <-chan struct{}) {
	pause := time.Duration(0)
	for {
		batch := w.take()
		if len(batch) == 0 {
			select {
			case <-w.wake:
				continue
			case <-stop:
			case <-ctx.Done():
				return
			}
			if batch = w.take(); len(batch) == 0 { // added just before the end
				return
			}
		}
		err := w.deliver(ctx, batch)
		if err == nil {
			pause = 0
			continue
		}
		w.report(fmt.Errorf("monitor: notifier %s: %w", w, err))
		if ctx.Err() != nil {
			return
		}
		w.back(batch)
		pause = min(max(2*pause, firstPause), longestPause)
		wait := pause
		var asked interface{ RetryAfter() time.Duration }
		if errors.As(err, &asked) {
			wait = min(max(wait, asked.RetryAfter()), longestPause)
		}
		w.rest(ctx, stop, wait)
		if ctx.Err() != nil {
			return
		}
	}
}

// rest waits. At the end of Run there is time for a short pause only: a long one is cut short.
func (w *worker) rest(ctx context.Context, stop <-chan struct{}, wait time.Duration) {
	select {
	case <-stop:
		wait, stop = firstPause, nil
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-stop:
	}
}

// deliver calls the notifier once. It waits for it as long as ctx lasts, so that it is never called twice at once.
func (w *worker) deliver(ctx context.Context, batch []Alert) error {
	call, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := errGone
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panicked: %v", p)
			}
			done <- err
		}()
		err = w.notifier.Notify(call, slices.Clone(batch))
	}()
	overdue := time.NewTimer(notifyTimeout + lastChance)
	defer overdue.Stop()
	for waits := true; waits; {
		select {
		case err := <-done:
			return err
		case <-overdue.C:
			w.report(fmt.Errorf("monitor: notifier %s: %w", w, errHangs))
		case <-ctx.Done():
			waits = false
		}
	}
	timer := time.NewTimer(lastChance)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errHangs
	}
}

// String names the notifier without its fields, among which there may be secrets.
func (w *worker) String() string {
	if s, ok := w.notifier.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", w.notifier)
}
