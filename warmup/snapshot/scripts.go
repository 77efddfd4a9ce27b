package snapshot

import (
	_ "embed"

	"github.com/redis/go-redis/v9"

	"github.com/larder-go/larder/internal/once"
)

var (
	//go:embed lua/hash.lua
	hashScript string
	//go:embed lua/prelude.lua
	preludeSource string
	//go:embed lua/restore.lua
	restoreSource string
	//go:embed lua/finish.lua
	finishSource string
	//go:embed lua/stream.lua
	streamSource string

	// Sent again after a lost answer, these two change nothing, so that go-redis may.
	restoreScript = redis.NewScript(preludeSource + restoreSource)
	streamScript  = redis.NewScript(preludeSource + streamSource)
	// This one would find its temporary key gone.
	finishScript = once.NewScript(preludeSource + finishSource)
)

// noFieldExpiry begins the error of the scripts where a server knows no expiry of hash fields.
const noFieldExpiry = "NOFIELDEXPIRY"

// What the scripts that write return.
const (
	replyLeft    = 0
	replyWritten = 1
	replyStale   = 2
)
