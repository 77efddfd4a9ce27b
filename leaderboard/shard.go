package leaderboard

import (
	"context"

	"github.com/redis/go-redis/v9"
)

func (b *Board) finishShards(ctx context.Context, w *oneWrite, got written, result Result) (Result, error) {
	return result, nil
}

func (b *Board) sendShards(ctx context.Context, s *season, args [][]any) (int64, error) {
	return 0, nil
}

func (b *Board) getShards(ctx context.Context, s *season, members []string) ([]Entry, error) {
	return nil, nil
}
func (b *Board) commandsShards(ctx context.Context, s *season, command func(*unit) redis.Cmder, each func(*unit, redis.Cmder) error) error {
	return nil
}
func (b *Board) percentileShards(ctx context.Context, s *season, member string) (float64, error) {
	return 0, nil
}
func (b *Board) rangeShards(ctx context.Context, s *season, first, last int64) ([]Entry, error) {
	return nil, nil
}
func (b *Board) aroundShards(ctx context.Context, s *season, member string, size int64) ([]Entry, error) {
	return nil, nil
}
func (b *Board) aroundScoreShards(ctx context.Context, s *season, score float64, size int64) ([]Entry, error) {
	return nil, nil
}
func (b *Board) byScoreShards(ctx context.Context, s *season, best, worst string, limit int) ([]Entry, error) {
	return nil, nil
}
func (b *Board) nextShards(ctx context.Context, s *season, args []any) (entries []Entry, end row, more bool, err error) {
	return nil, row{}, false, nil
}
func (b *Board) takeAwayShards(ctx context.Context, s *season, sc *script, args [][]any) (rows, removed int64, err error) {
	return 0, 0, nil
}
func (b *Board) trimShards(ctx context.Context, s *season, keep int64) (int64, error) { return 0, nil }
func (b *Board) clearShards(ctx context.Context, s *season) error                     { return nil }
func (b *Board) slideOthers(ctx context.Context, s *season, u *unit) error            { return nil }
