// Package larder is the root of a library of cache patterns on Redis. It holds no code of its own: import the
// pattern that you need, and hand it the go-redis client that you already have.
//
//   - [github.com/larder-go/larder/leaderboard]: rankings on sorted sets
//   - [github.com/larder-go/larder/profile]: typed objects in hashes, read through to the database
//   - [github.com/larder-go/larder/checkin]: daily check-ins, streaks and retention on bitmaps
//   - [github.com/larder-go/larder/visitors]: unique counts on HyperLogLog
//   - [github.com/larder-go/larder/pipeline]: batches, counters and transactions with honest outcomes
//   - [github.com/larder-go/larder/warmup]: filling a cold cache, with snapshots in warmup/snapshot
//   - [github.com/larder-go/larder/monitor]: figures, alerts, health and diagnosis
//   - [github.com/larder-go/larder/lardertest]: what your own unit tests import
//
// The program in examples/tour shows all of them at work.
package larder
