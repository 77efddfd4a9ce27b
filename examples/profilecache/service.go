package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/profile"
)

// User is what the service knows of somebody.
type User struct {
	Name    string   `json:"name"`
	City    string   `json:"city"`
	Friends []string `json:"friends"`
}

// database is a map that takes as long as a database that is far away, or busy.
type database struct {
	slow  time.Duration
	count atomic.Int64

	mu   sync.Mutex
	rows map[string]User
}

func newDatabase(slow time.Duration) *database {
	db := &database{slow: slow, rows: map[string]User{}}
	cities := []string{"London", "Lagos", "Lima", "Lahore"}
	for i := range 1000 {
		db.rows[strconv.Itoa(i)] = User{Name: fmt.Sprintf("user-%d", i), City: cities[i%len(cities)], Friends: []string{strconv.Itoa((i + 1) % 1000)}}
	}
	return db
}

func (db *database) queries() int64 { return db.count.Load() }

// user is a query. Profile's ErrNotFound says that there is no row.
func (db *database) user(ctx context.Context, id string) (User, error) {
	db.count.Add(1)
	select {
	case <-time.After(db.slow):
	case <-ctx.Done():
		return User{}, ctx.Err()
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	u, ok := db.rows[id]
	if !ok {
		return User{}, fmt.Errorf("no row %s: %w", id, profile.ErrNotFound)
	}
	return u, nil
}

// rename commits a change.
func (db *database) rename(id, name string) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	u, ok := db.rows[id]
	if !ok {
		return profile.ErrNotFound
	}
	u.Name = name
	db.rows[id] = u
	return nil
}

// service is the database and its cache.
type service struct {
	db     *database
	users  *profile.Store[User]
	hits   atomic.Int64
	misses atomic.Int64
	errs   atomic.Int64 // of Redis, which no caller sees
}

func newService(rdb redis.UniversalClient, namespace string, db *database) (*service, error) {
	s := &service{db: db}
	users, err := profile.New(rdb, profile.Options[User]{
		Namespace:    namespace,
		TTL:          10 * time.Minute,
		Load:         db.user,
		RefreshAhead: 1,
		StaleOnError: time.Hour,
		Hooks: profile.Hooks{
			Hit:   func(string) { s.hits.Add(1) },
			Miss:  func(string) { s.misses.Add(1) },
			Error: func(string, string, error) { s.errs.Add(1) },
		},
	})
	s.users = users
	return s, err
}

func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		u, err := s.users.Get(r.Context(), r.PathValue("id"))
		switch {
		case errors.Is(err, profile.ErrNotFound):
			http.Error(w, "no such user", http.StatusNotFound)
		case err != nil:
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		default:
			writeJSON(w, u)
		}
	})
	mux.HandleFunc("POST /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		if err := s.db.rename(id, r.FormValue("name")); err != nil { // commit first,
			http.Error(w, "no such user", http.StatusNotFound)
			return
		}
		if err := s.users.Invalidate(r.Context(), id); err != nil { // then forget
			http.Error(w, "renamed, and not yet seen everywhere", http.StatusAccepted)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]int64{"hits": s.hits.Load(), "misses": s.misses.Load(), "queries": s.db.queries(), "errors": s.errs.Load()})
	})
	return mux
}
