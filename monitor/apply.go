package monitor

import (
	"context"
	"encoding/json"
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

// MarshalJSON writes the change with its error as text.
func (c Change) MarshalJSON() ([]byte, error) {
	type plain Change
	out := struct {
		plain
		Err string `json:"err,omitempty"`
	}{plain: plain(c)}
	if c.Err != nil {
		out.Err = c.Err.Error()
	}
	return json.Marshal(out)
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
			c.Before, c.After, c.Err = set(ctx, bounded(targets[i].client, longSearch), c.Setting, f.Value)
		}
		if c.Err != nil {
			errs = append(errs, fmt.Errorf("monitor: apply %q to %s: %w", f.ID, f.Node, c.Err))
		}
		changes = append(changes, c)
	}
	return changes, errors.Join(errs...)
}

// set changes a setting, and returns what it was and what it is.
func set(ctx context.Context, client asker, name, value string) (before, after string, err error) {
	if before, err = readSetting(ctx, client, name); err != nil {
		return "", "", err
	}
	if err = client.ConfigSet(ctx, name, value).Err(); err != nil { // the same value twice is the same value
		after, _ = readSetting(ctx, client, name)
		return before, after, err
	}
	if after, err = readSetting(ctx, client, name); err == nil && after != value {
		err = fmt.Errorf("monitor: set to %q, read back %q", value, after)
	}
	return before, after, err
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
