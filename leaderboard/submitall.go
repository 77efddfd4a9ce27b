package leaderboard

import "context"

// SubmitAll submits one score to several boards, one after the other, and ends with the first error.
func SubmitAll(ctx context.Context, member string, score float64, boards ...*Board) ([]Result, error) {
	for _, b := range boards {
		if _, err := b.Submit(ctx, member, score); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
