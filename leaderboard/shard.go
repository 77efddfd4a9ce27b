package leaderboard

import "context"

func (b *Board) finishShards(ctx context.Context, w *oneWrite, got written, result Result) (Result, error) {
	return result, nil
}

func (b *Board) sendShards(ctx context.Context, s *season, args [][]any) (int64, error) {
	return 0, nil
}
