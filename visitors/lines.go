package visitors

import (
	"context"
	"sync"
)

// lines lets calls for the same buckets travel together: while one is under way, those that arrive wait in line, and
// the next round trip takes them all. A busy page is then written by few large commands instead of many small ones,
// and a call that is alone waits for nobody. There is no goroutine: one of the waiting calls sends for all.
type lines struct {
	mu sync.Mutex
	// m has those who wait, for the buckets for which a call is under way: nil if nobody does.
	m map[string]*party
}

// party is the calls that will travel together.
type party struct {
	members  int
	visitors []string
	turn     chan struct{} // holds one token once the party may go; who takes it sends for all
	done     chan struct{} // closed when all is sent
	err      error         // why it was not
	again    bool          // it failed because the sender's context ended: to be tried by another
}

// join sends visitors by send, alone or with others. send gets the context of the one who sends.
func (l *lines) join(ctx context.Context, id string, visitors []string, send func(context.Context, []string) error) error {
	for {
		l.mu.Lock()
		p, busy := l.m[id]
		if !busy {
			if l.m == nil {
				l.m = map[string]*party{}
			}
			l.m[id] = nil
			l.mu.Unlock()
			defer l.next(id) // also when a hook of the client panics
			return send(ctx, visitors)
		}
		if p == nil {
			p = &party{turn: make(chan struct{}, 1), done: make(chan struct{})}
			l.m[id] = p
		}
		p.members++
		p.visitors = append(p.visitors, visitors...)
		l.mu.Unlock()

		select {
		case <-p.turn:
			l.mu.Lock()
			l.m[id] = nil // who comes now is of the next party
			l.mu.Unlock()
			return l.lead(ctx, id, p, send)
		case <-p.done:
			if !p.again {
				return p.err
			}
		case <-ctx.Done():
			l.leave(id, p)
			return ctx.Err()
		}
	}
}

// lead sends for all of a party.
func (l *lines) lead(ctx context.Context, id string, p *party, send func(context.Context, []string) error) error {
	p.again = true // if send panics
	defer func() {
		close(p.done)
		l.next(id)
	}()
	p.err = send(ctx, p.visitors)
	p.again = p.err != nil && ctx.Err() != nil
	return p.err
}

// next gives the turn to those who wait, or ends the line.
func (l *lines) next(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.m[id]
	if p == nil {
		delete(l.m, id)
		return
	}
	p.turn <- struct{}{}
}

// leave takes a call that gave up out of a party. The last one takes the party's turn with it.
func (l *lines) leave(id string, p *party) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.members--
	if p.members > 0 || l.m[id] != p {
		return
	}
	l.m[id] = nil
	select {
	case <-p.turn: // the turn was this party's, and nobody is under way
		delete(l.m, id)
	default:
	}
}
