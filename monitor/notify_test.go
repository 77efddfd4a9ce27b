package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// diary collects errors and calls with the time at which they came, on the clock of a bubble.
type diary struct {
	mu     sync.Mutex
	start  time.Time
	calls  []string // "1s: r/a firing, ..."
	errors []string
}

func newDiary() *diary { return &diary{start: time.Now()} }

func (d *diary) report(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.errors = append(d.errors, err.Error())
}

func (d *diary) call(alerts []Alert) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var parts []string
	for _, a := range alerts {
		parts = append(parts, fmt.Sprintf("%s/%s %s", a.Rule, a.Node, a.State))
	}
	d.calls = append(d.calls, fmt.Sprintf("%v: %s", time.Since(d.start), strings.Join(parts, ", ")))
}

func (d *diary) told() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.calls...)
}

func (d *diary) reported() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.errors...)
}

func firing(rule, node string) Alert { return Alert{Rule: rule, Node: node, State: Firing} }
func resolved(rule, node string) Alert {
	return Alert{Rule: rule, Node: node, State: Resolved}
}

// start runs a worker as Run does; end has it finish as Run does.
func (w *worker) start(t *testing.T) (end func()) {
	t.Helper()
	ctx, give := context.WithCancel(context.Background())
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx, stop)
	}()
	return func() {
		close(stop)
		timer := time.AfterFunc(flushTime, give)
		<-done
		timer.Stop()
		give()
	}
}

// TestBackoff: what fails is tried again after 1 s, and ever more rarely up to 5 min; what changed meanwhile is told with
// it, the newest of each rule and node alone.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		var works atomic.Bool
		w := newWorker(NotifierFunc(func(_ context.Context, alerts []Alert) error {
			d.call(alerts)
			if !works.Load() {
				return errors.New("receiver is away")
			}
			return nil
		}), d.report)
		end := w.start(t)
		w.add(firing("r", "a"))
		time.Sleep(20 * time.Minute)
		assert.Equal(t, []string{
			"0s: r/a firing", "1s: r/a firing", "3s: r/a firing", "7s: r/a firing", "15s: r/a firing", "31s: r/a firing", "1m3s: r/a firing",
			"2m7s: r/a firing", "4m15s: r/a firing", "8m31s: r/a firing", "13m31s: r/a firing", "18m31s: r/a firing",
		}, d.told())
		assert.Len(t, d.reported(), 12)
		assert.Equal(t, "monitor: notifier monitor.NotifierFunc: receiver is away", d.reported()[0])
		w.add(firing("r", "b"), resolved("r", "a"), firing("s", "a"))
		works.Store(true)
		time.Sleep(10 * time.Minute)
		assert.Equal(t, []string{"23m31s: r/a resolved, r/b firing, s/a firing"}, d.told()[12:])
		works.Store(false)
		w.add(firing("r", "c"))
		time.Sleep(1500 * time.Millisecond)
		assert.Equal(t, []string{"30m0s: r/c firing", "30m1s: r/c firing"}, d.told()[13:], "after a success the pauses begin anew")
		works.Store(true)
		end()
	})
}

// TestOthersAreNotDelayed: a notifier that hangs and one that panics are their own trouble.
func TestOthersAreNotDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, fine := newDiary(), newDiary()
		release := make(chan struct{})
		running := 0
		hangs := newWorker(NotifierFunc(func(ctx context.Context, alerts []Alert) error {
			running++
			defer func() { running-- }()
			assert.Equal(t, 1, running, "never twice at once")
			d.call(alerts)
			<-release // ctx or not
			return ctx.Err()
		}), d.report)
		panics := newWorker(NotifierFunc(func(context.Context, []Alert) error { panic("oops") }), d.report)
		works := newWorker(NotifierFunc(func(_ context.Context, alerts []Alert) error { fine.call(alerts); return nil }), fine.report)
		workers := []*worker{hangs, panics, works}
		var ends []func()
		for _, w := range workers {
			ends = append(ends, w.start(t))
		}
		for i := range 3 {
			for _, w := range workers {
				w.add(firing("r", strconv.Itoa(i)))
			}
			time.Sleep(time.Minute)
		}
		assert.Equal(t, []string{"0s: r/0 firing", "1m0s: r/1 firing", "2m0s: r/2 firing"}, fine.told())
		assert.Equal(t, []string{"0s: r/0 firing"}, d.told())
		assert.Contains(t, d.reported(), "monitor: notifier monitor.NotifierFunc: panicked: oops")
		close(release)
		time.Sleep(2 * time.Second)
		assert.Contains(t, d.reported(), "monitor: notifier monitor.NotifierFunc: context deadline exceeded")
		assert.Equal(t, []string{"0s: r/0 firing", "3m1s: r/0 firing, r/1 firing, r/2 firing"}, d.told(), "what it missed waited")
		for _, end := range ends {
			end()
		}
	})
}

// TestQueueIsBounded: 256 alerts wait, the oldest go first, and that is said.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		var got []Alert
		blocked := make(chan struct{})
		w := newWorker(NotifierFunc(func(_ context.Context, alerts []Alert) error {
			<-blocked
			got = append(got, alerts...)
			return nil
		}), d.report)
		end := w.start(t)
		w.add(firing("first", "a"))
		synctest.Wait()
		for i := range 300 {
			w.add(firing(strconv.Itoa(i), "a"))
		}
		w.add(resolved("299", "a"))
		assert.Len(t, d.reported(), 44)
		assert.Equal(t, "monitor: notifier monitor.NotifierFunc: 1 alerts were dropped: more than 256 wait", d.reported()[0])
		close(blocked)
		synctest.Wait()
		require.Len(t, got, 257)
		assert.Equal(t, "44", got[1].Rule)
		assert.Equal(t, resolved("299", "a"), got[256])
		end()
	})
}

// TestFlush: at the end there are 5 s for what waits, and no more.
func TestFlush(t *testing.T) {
	for name, c := range map[string]struct {
		notify func(n int) error
		hang   bool
		calls  []string
		took   time.Duration
	}{
		"nothing waits":  {func(int) error { return nil }, false, []string{"0s: r/a firing", "1h0m0s: r/b firing"}, 0},
		"the third time": {func(n int) error { return map[bool]error{true: errors.New("away")}[n == 2 || n == 3] }, false, []string{"0s: r/a firing", "1h0m0s: r/b firing", "1h0m0s: r/b firing", "1h0m1s: r/b firing"}, time.Second},
		"never":          {func(n int) error { return map[bool]error{true: errors.New("away")}[n > 1] }, false, []string{"0s: r/a firing", "1h0m0s: r/b firing", "1h0m0s: r/b firing", "1h0m1s: r/b firing", "1h0m2s: r/b firing", "1h0m3s: r/b firing", "1h0m4s: r/b firing"}, 5 * time.Second},
		"hangs":          {nil, true, []string{"0s: r/a firing"}, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDiary()
				n := 0
				release := make(chan struct{})
				w := newWorker(NotifierFunc(func(_ context.Context, alerts []Alert) error {
					n++
					d.call(alerts)
					if c.hang {
						<-release
						return nil
					}
					return c.notify(n)
				}), d.report)
				end := w.start(t)
				w.add(firing("r", "a"))
				time.Sleep(time.Hour)
				w.add(firing("r", "b"))
				synctest.Wait()
				before := time.Now()
				end()
				assert.Equal(t, c.took, time.Since(before))
				told := d.told()
				if len(told) > len(c.calls) { // at the very last moment both the pause and the time may end
					told = told[:len(c.calls)]
				}
				assert.Equal(t, c.calls, told)
				if c.hang {
					assert.Contains(t, d.reported()[len(d.reported())-1], "does not return")
				}
				close(release)
			})
		})
	}
}

type slowDownError time.Duration

func (slowDownError) Error() string               { return "slow down" }
func (s slowDownError) RetryAfter() time.Duration { return time.Duration(s) }

// TestRetryAfter: a receiver may ask for a longer pause, up to 5 min.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		asks := []time.Duration{40 * time.Second, time.Millisecond, time.Hour}
		w := newWorker(NotifierFunc(func(_ context.Context, alerts []Alert) error {
			d.call(alerts)
			if n := len(d.told()); n <= len(asks) {
				return fmt.Errorf("wrapped: %w", slowDownError(asks[n-1]))
			}
			return nil
		}), d.report)
		end := w.start(t)
		w.add(firing("r", "a"))
		time.Sleep(time.Hour)
		assert.Equal(t, []string{"0s: r/a firing", "40s: r/a firing", "42s: r/a firing", "5m42s: r/a firing"}, d.told())
		end()
	})
}

// TestLeadership: an answer that does not come in time, or panics, is the last answer.
func TestLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late sync.WaitGroup
		d := newDiary()
		answer, hang := true, make(chan struct{})
		mode := "answer"
		l := &leadership{timeout: 5 * time.Second, late: &late, report: d.report, ask: func(context.Context) bool {
			switch mode {
			case "panic":
				panic("oops")
			case "hang":
				<-hang
			}
			return answer
		}}
		assert.True(t, l.leads(t.Context()))
		mode = "panic"
		answer = false
		assert.True(t, l.leads(t.Context()))
		assert.Equal(t, []string{"monitor: Options.Leader panicked: oops"}, d.reported())
		mode = "hang"
		before := time.Now()
		assert.True(t, l.leads(t.Context()))
		assert.Equal(t, 5*time.Second, time.Since(before))
		before = time.Now()
		assert.True(t, l.leads(t.Context()))
		assert.Zero(t, time.Since(before), "one that hangs is not waited for again, or each sample would be late")
		close(hang)
		late.Wait()
		mode = "answer"
		assert.False(t, l.leads(t.Context()))
		assert.True(t, (&leadership{}).leads(t.Context()), "without one, always")
	})
}

func TestLog(t *testing.T) {
	var text strings.Builder
	logger := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	at := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(t, Log(logger).Notify(t.Context(), []Alert{
		{Rule: "a", Node: "n", Severity: Critical, State: Firing, Value: 2, Threshold: 1, Message: "much", Since: at},
		{Rule: "b", Node: "n", Severity: Warning, State: Firing, Since: at},
		{Rule: "c", Node: "n", Severity: Info, State: Firing, Since: at},
		{Rule: "d", Node: "n", Severity: Critical, State: Resolved, Since: at},
	}))
	assert.Equal(t, `level=ERROR msg="redis alert firing" rule=a node=n severity=critical value=2 threshold=1 message=much since=2025-03-01T00:00:00.000Z
level=WARN msg="redis alert firing" rule=b node=n severity=warning value=0 threshold=0 message="" since=2025-03-01T00:00:00.000Z
level=INFO msg="redis alert firing" rule=c node=n severity=info value=0 threshold=0 message="" since=2025-03-01T00:00:00.000Z
level=INFO msg="redis alert resolved" rule=d node=n severity=critical value=0 threshold=0 message="" since=2025-03-01T00:00:00.000Z
`, text.String())
}

// TestHungIsReported: a notifier that does not mind its context is told of, once, while it hangs.
func TestHungIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		release := make(chan struct{})
		w := newWorker(NotifierFunc(func(context.Context, []Alert) error { <-release; return nil }), d.report)
		end := w.start(t)
		w.add(firing("r", "a"))
		time.Sleep(time.Hour)
		assert.Equal(t, []string{"monitor: notifier monitor.NotifierFunc: does not return though its context has ended"}, d.reported())
		close(release)
		end()
	})
}

// TestGoexit: a notifier that ends its goroutine, as FailNow of a test does, is one that failed.
func TestGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDiary()
		w := newWorker(NotifierFunc(func(_ context.Context, alerts []Alert) error {
			d.call(alerts)
			if len(d.told()) == 1 {
				runtime.Goexit()
			}
			return nil
		}), d.report)
		end := w.start(t)
		w.add(firing("r", "a"))
		time.Sleep(time.Minute)
		end()
		assert.Equal(t, []string{"0s: r/a firing", "1s: r/a firing"}, d.told())
		require.Len(t, d.reported(), 1)
	})
}

type nilNotifier struct{ s []string }

func (n *nilNotifier) Notify(context.Context, []Alert) error { n.s = append(n.s, ""); return nil }

// TestNilNotifier: a nil pointer in an interface is refused, as nil is.
func TestNilNotifier(t *testing.T) {
	_, err := New(offline(t), Options{Notifiers: []Notifier{(*nilNotifier)(nil)}})
	require.ErrorContains(t, err, "Options.Notifiers[0]")
}
