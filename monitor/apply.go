package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Change is a setting that Apply changed, or tried to.
type Change struct {
	Finding string `json:"finding"` // its ID
	Node    string `json:"node"`
	Setting string `json:"setting"`
	Before  string `json:"before"`
	After   string `json:"after"` // as read back; what the server made of it
	Err     error  `json:"-"`     // why it is not as it should be; nil where it is
}

// ErrNotApplicable is the Change.Err of a finding that no CONFIG SET mends: its Fix says what does.
var ErrNotApplicable = errors.New("monitor: CONFIG SET does not mend the finding")

// Apply mends findings of Audit by CONFIG SET, one after the other, and reads each setting back. It touches nothing that
// is not among the findings, refuses settings that Audit does not judge, and does not write the configuration file: that is
// CONFIG REWRITE, and yours. A change takes effect at once: read what you choose, since some let the server evict keys or
// write to its disk. Its error joins those of the changes. Three round trips a finding. How long a server that hangs is
// waited for, its client decides, a minute at most for each of them.
func Apply(ctx context.Context, rdb redis.UniversalClient, findings ...Finding) ([]Change, error) {
	if err := usable(rdb); err != nil {
		return nil, err
	}
	s := &source{rdb: rdb}
	targets, err := s.targets(ctx, longSearch)
	s.wg.Wait()
	if err != nil {
		return nil, fmt.Errorf("monitor: apply: %w", err)
	}
	changes := make([]Change, 0, len(findings))
	var errs []error
	for _, f := range findings {
		c := Change{Finding: f.ID, Node: f.Node, Setting: f.Setting}
		i := slices.IndexFunc(targets, func(t target) bool { return t.addr == f.Node })
		switch {
		case ctx.Err() != nil:
			c.Err = ctx.Err()
		case !slices.Contains(audited, f.Setting): // findings may come back from a page in a browser
			c.Err = ErrNotApplicable
		case i < 0:
			c.Err = errors.New("monitor: there is no such node")
		case targets[i].client == nil:
			c.Err = targets[i].err
		default:
			c.apply(ctx, bounded(targets[i].client, longSearch), f.Value)
		}
		if c.Err != nil {
			errs = append(errs, fmt.Errorf("monitor: apply %q to %s: %w", f.ID, f.Node, c.Err))
		}
		changes = append(changes, c)
	}
	return changes, errors.Join(errs...)
}

func (c *Change) apply(ctx context.Context, client asker, value string) {
	if c.Before, c.Err = readSetting(ctx, client, c.Setting); c.Err != nil {
		return
	}
	if c.Err = client.ConfigSet(ctx, c.Setting, value).Err(); c.Err != nil { // the same value twice is the same value
		c.After, _ = readSetting(ctx, client, c.Setting)
		return
	}
	if c.After, c.Err = readSetting(ctx, client, c.Setting); c.Err == nil && c.After != value {
		c.Err = fmt.Errorf("monitor: set to %q, read back %q", value, c.After)
	}
}

func readSetting(ctx context.Context, client asker, name string) (string, error) {
	got, err := client.ConfigGet(ctx, name).Result()
	if err != nil {
		return "", err
	}
	value, ok := got[name]
	if !ok {
		return "", fmt.Errorf("monitor: the server has no setting %s", name)
	}
	return value, nil
}
