package redistest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// MigratingSlot is the slot that is left migrating on the cluster of the kind [KindMigrating]: its keys are on the first master, or, once they
// were asked for and not there, on the second.
const MigratingSlot = 42

// Migrate leaves a slot migrating, from its master to another: a key that is there is served by the source, one that is not
// by the target, to those who ask there after an ASK.
func (c *Cluster) Migrate(ctx context.Context, slot int, from, to *Server) error {
	ids := map[*Server]string{}
	for _, n := range []*Server{from, to} {
		id, err := n.admin().Do(ctx, "cluster", "myid").Text()
		if err != nil {
			return err
		}
		ids[n] = id
	}
	if err := to.admin().Do(ctx, "cluster", "setslot", slot, "importing", ids[from]).Err(); err != nil {
		return err
	}
	return from.admin().Do(ctx, "cluster", "setslot", slot, "migrating", ids[to]).Err()
}

// MoveKeys moves the keys of a migrating slot that are on its source to its target.
func (c *Cluster) MoveKeys(ctx context.Context, slot int, from, to *Server) error {
	for {
		keys, err := from.admin().ClusterGetKeysInSlot(ctx, slot, 100).Result()
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return nil
		}
		args := []any{"migrate", "127.0.0.1", to.port, "", 0, 60000, "keys"}
		for _, k := range keys {
			args = append(args, k)
		}
		if err := from.admin().Do(ctx, args...).Err(); err != nil {
			return err
		}
	}
}

// FinishMigration gives a migrating slot, whose keys it moves, to its target, and waits until all nodes that live and are not paused
// say that it is there, or ctx is done; at most [PollFor].
func (c *Cluster) FinishMigration(ctx context.Context, slot int, from, to *Server) error {
	if err := c.MoveKeys(ctx, slot, from, to); err != nil {
		return err
	}
	id, err := to.admin().Do(ctx, "cluster", "myid").Text()
	if err != nil {
		return err
	}
	// The target first: it is the one that must not lose the slot.
	for _, n := range []*Server{to, from} {
		if err := n.admin().Do(ctx, "cluster", "setslot", slot, "node", id).Err(); err != nil {
			return err
		}
	}
	// The others would learn of it by gossip, sooner or later. Replicas, who may not be told, do.
	for _, n := range living(c.nodes) {
		_ = n.admin().Do(ctx, "cluster", "setslot", slot, "node", id).Err()
	}
	ctx, cancel := context.WithTimeout(ctx, PollFor)
	defer cancel()
	for _, n := range c.nodes {
		for n.alive() {
			owner, err := slotOwner(ctx, n, slot)
			if owner == id {
				break
			}
			if ctx.Err() != nil {
				return errors.Join(fmt.Errorf("%s never heard where slot %d is", n.Addr(), slot), ctx.Err(), err)
			}
			pause()
		}
	}
	return nil
}

// slotOwner is the id of the master that a node takes for a slot's.
func slotOwner(ctx context.Context, n *Server, slot int) (string, error) {
	ranges, err := n.admin().Do(ctx, "cluster", "slots").Slice()
	if err != nil {
		return "", err
	}
	for _, r := range ranges { // each: first slot, last slot, then the nodes: address, port, id; the master is first
		r, ok := r.([]any)
		if !ok || len(r) < 3 {
			continue
		}
		first, _ := r[0].(int64)
		last, _ := r[1].(int64)
		if node, ok := r[2].([]any); ok && len(node) > 2 && int(first) <= slot && slot <= int(last) {
			id, _ := node[2].(string)
			return id, nil
		}
	}
	return "", nil
}

// idInSlot appends to an id what brings its hash tag into a slot.
func idInSlot(base string, slot int) string {
	for i := 0; ; i++ {
		if id := base + "-" + strconv.Itoa(i); Slot(id) == slot {
			return id
		}
	}
}

// migrating starts a cluster with a slot left migrating.
func migrating(bin string) (*Cluster, error) {
	c, err := newCluster(bin, nil)
	if err != nil {
		return nil, err
	}
	if err := c.Migrate(context.Background(), MigratingSlot, c.nodes[0], c.nodes[1]); err != nil {
		c.close()
		return nil, fmt.Errorf("redistest: %w", err)
	}
	return c, nil
}
